"""Values of all kinds, each made of an expression of the documentation."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from pydantic import BaseModel


class Colour(Enum):
    """A plain enumeration."""

    RED = "red"


class Level(IntEnum):
    """Numbers."""

    HIGH = 3


@dataclass
class Order:
    """A dataclass."""

    sku: str
    qty: int


class Customer(BaseModel):
    """A pydantic model."""

    name: str


class Scalar:
    """What the framework uses of numpy's scalars and arrays, which isn't installed here."""

    def __init__(self, value: Any, unit: str = "") -> None:
        self._value = value
        self.dtype = f"timedelta64[{unit}]" if unit else "int64"

    def astype(self, dtype: str) -> "Scalar":
        """Return the time in microseconds."""
        assert (self.dtype, dtype) == ("timedelta64[ns]", "timedelta64[us]")
        return Scalar(timedelta(microseconds=self._value // 1000))

    def tolist(self) -> Any:
        """Return Python's own value."""
        return self._value


np = SimpleNamespace(
    int64=Scalar, float32=Scalar, bool_=Scalar, array=Scalar, timedelta64=Scalar, longdouble=Scalar
)
NAMES: dict[str, Any] = {
    each.__name__: each for each in (Colour, Customer, Decimal, Level, Order, UUID, date, datetime, timedelta)
} | {"UTC": UTC, "np": np}


def make(expression: str) -> Any:
    """Return a value."""
    return eval(expression, NAMES)  # noqa: S307 - the documentation's


def stream(expression: str) -> Iterator[Any]:
    """Yield a value."""
    yield make(expression)
