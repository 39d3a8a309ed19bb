"""Functions that the worker's tests call."""
