"""What an object of a dataclass holds, as long as that is its fields and no more."""

from dataclasses import fields
from functools import lru_cache
from typing import Any


class UnknownStateError(TypeError):
    """An object of a dataclass whose fields aren't the whole of it."""


def members(value: Any) -> dict[str, Any]:  # noqa: ANN401 - an object of any dataclass
    """Return the fields' values by name, in order.

    Raises:
        UnknownStateError: a subclass has added attributes of its own, the object is a dict as well, or a
            field has no value.
    """
    kind: type = type(value)
    try:
        found = {field.name: getattr(value, field.name) for field in fields(value)}
    except AttributeError as error:
        raise UnknownStateError(f"{kind.__qualname__} lacks a field: {error}") from None
    state = object.__getstate__(value)
    in_dict, in_slots = state if type(state) is tuple else (state, None)
    if not ((in_dict or {}).keys() | (in_slots or {}).keys()) <= found.keys() or not _is_plain(kind):
        raise UnknownStateError(f"{kind.__qualname__} holds more than its fields")
    return found


@lru_cache(maxsize=256)
def _is_plain(kind: type) -> bool:
    """Return whether a class has no built-in one below it: ``object`` makes no dict and no exception."""
    try:
        object.__new__(kind)
    except TypeError:
        return False
    return True
