"""The tasks Lambda: AWS events become calls of functions."""
