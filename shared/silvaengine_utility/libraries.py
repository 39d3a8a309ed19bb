"""Import of libraries that function packages have to require themselves."""

from importlib import import_module
from typing import Any

type Library = Any  # a module without types of ours


def library(module: str, requirement: str) -> Library:
    """Return a library that the layer doesn't contain.

    Args:
        module: import path.
        requirement: the line to add to requirements.txt.

    Raises:
        ImportError: it isn't installed; the message is one line that says what to add.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name not in (module, module.partition(".")[0]):
            raise
        raise ImportError(f"{module} is missing: add {requirement} to functions/requirements.txt") from None
