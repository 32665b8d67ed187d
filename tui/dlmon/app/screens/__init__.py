"""The monitor and the dialogs in front of it."""
