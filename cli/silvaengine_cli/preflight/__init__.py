"""Checks on paper what a deployment would make: the template after its transforms, for some parameters."""
