"""The worker Lambda: runs one function of an operator's package per call."""
