"""dlmon: run `dlmon train.py` instead of `python train.py` and see what the training does and what is wrong."""

__version__ = "0.1.0"
