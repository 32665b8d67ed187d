"""dlmon: run `dlmon train.py` instead of `python train.py` and see what the training does, and what is wrong with it."""

__version__ = "0.1.0"
