"""A tenant as a whole: what is its own, how it is kept in a file, restored and deleted."""
