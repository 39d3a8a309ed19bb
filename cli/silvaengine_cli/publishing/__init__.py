"""Packages that are published: each a Lambda of its own, whose versions are its releases."""
