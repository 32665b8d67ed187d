"""What each command does. Imported when the command runs: `dlmon --help` must not wait for any of it."""
