"""What other tools write, read as a run; and a run, written for other tools."""
