"""Watch conditions: what `--break-when`, `--stop-when` and `--on-finding` say, and the process that acts on it."""
