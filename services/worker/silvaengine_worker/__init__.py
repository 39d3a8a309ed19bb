"""The worker Lambda: runs one function of a user's package per call."""
