"""Rehearsals: the script run stage by stage from cheap to dear, each stage with a verdict."""
