"""RunState: the fold of a run's events into what screens and checks may look at."""
