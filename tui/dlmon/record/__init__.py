"""A run on disk: its layout, its manifest, and the one reader of its log."""
