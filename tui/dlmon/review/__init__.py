"""Static reading of a training script and the local modules it imports. Nothing is executed or imported."""
