"""What a loss can come down to, read off its graph."""
