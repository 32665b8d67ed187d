"""Curves of several runs over each other: `dlmon compare --screen`."""
