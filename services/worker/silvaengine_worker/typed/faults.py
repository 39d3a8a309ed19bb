"""What is wrong with a value, without anything of the value itself."""

from collections.abc import Iterable
from decimal import Decimal
from types import NoneType
from typing import Final

from silvaengine.named_tuple import NamedTuple

LIMIT: Final = 100
"""Faults that one refusal names at the most."""

PATH_LIMIT: Final = 256  # characters; a name in it may be the client's

ABSENT: Final = object()
"""Stands for a value that isn't there."""

_JSON_TYPES: Final[dict[type, str]] = {
    bool: "boolean",
    int: "integer",
    float: "number",
    Decimal: "number",
    str: "string",
    NoneType: "null",
    list: "array",
    dict: "object",
}


class Fault(NamedTuple):
    """A fault: a JSON pointer (RFC 6901) to the value, what was expected, and JSON's type of what came."""

    path: str
    message: str
    value_type: str

    def detail(self, place: str) -> dict[str, str]:
        """Return the fault as a refusal names it; ``place`` is what the pointer is into."""
        path = self.path if len(self.path) <= PATH_LIMIT else f"{self.path[:PATH_LIMIT]}…"
        return {"in": place, "path": path, "message": self.message, "value_type": self.value_type}


class InvalidValueError(ValueError):
    """A value isn't of its type; ``faults`` say where."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        super().__init__("the value isn't of its type")
        self.faults = tuple(faults)


def json_type(value: object) -> str:
    """Return what JSON calls a value, ``absent`` for one that isn't there."""
    return "absent" if value is ABSENT else _JSON_TYPES.get(type(value), "object")


def step(name: str | int) -> str:
    """Return one step of a JSON pointer."""
    return f"/{str(name).replace('~', '~0').replace('/', '~1')}"
