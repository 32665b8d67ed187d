"""Samplers of the machine: run in the supervisor, beside the training, never inside it."""
