"""Checks: pure functions from a snapshot to findings, run wherever a log is read. One family per file."""
