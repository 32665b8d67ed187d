"""The browser of runs: `dlmon ls` on a terminal."""
