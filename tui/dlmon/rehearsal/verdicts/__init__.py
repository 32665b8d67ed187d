"""One verdict per stage: pure functions from what a stage's run recorded to a report."""
