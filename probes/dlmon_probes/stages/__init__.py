"""What each stage of a rehearsal changes inside the training process. Standard library, and the torch that is there."""
