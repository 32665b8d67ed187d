"""A run in the forms of other tools. Each writer streams: memory does not grow with the run."""
