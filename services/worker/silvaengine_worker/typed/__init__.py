"""Functions whose signature is their contract: arguments are converted and checked by its annotations.

Nothing here is loaded for an untyped function. docs/functions.md says what a signature can say.
"""
