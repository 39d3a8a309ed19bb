"""Libraries that are the function packages' own requirements, imported when something is done with them."""

from importlib import import_module
from typing import Any


def library(module: str, requirement: str) -> Any:  # noqa: ANN401 - a module that we have no types of
    """Import a library that the layer doesn't hold.

    Args:
        module: import path.
        requirement: what brings it, as a line of requirements.txt.

    Raises:
        ImportError: it isn't there; the message is one line that says what to add.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name not in (module, module.partition(".")[0]):
            raise
        raise ImportError(f"{module} is missing: add {requirement} to functions/requirements.txt") from None
