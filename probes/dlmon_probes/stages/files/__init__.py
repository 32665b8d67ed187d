"""No trace in the user's project: what the script writes goes into the run folder, and is read from there."""
