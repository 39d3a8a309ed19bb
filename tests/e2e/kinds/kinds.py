"""Functions that return what they take."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, NamedTuple, TypedDict
from uuid import UUID

from msgspec import Meta, Struct

from silvaengine_base import Header


class Colour(Enum):
    """Text."""

    RED = "red"
    BLUE = "blue"


class Level(Enum):
    """Numbers."""

    LOW = 1
    HIGH = 2


class Point(NamedTuple):
    """An array of two."""

    x: int
    y: float = 0.0


@dataclass
class Node:
    """An object that has others of its kind."""

    name: str
    children: "list[Node]" = field(default_factory=list)


class Extra(TypedDict, total=False):
    """An object whose members may be missing."""

    a: int
    b: list[date]


class Person(Struct, forbid_unknown_fields=True, rename="camel"):
    """An object with other names in JSON, and nothing else in it."""

    first_name: str
    born: date | None = None


@dataclass
class Scalars:
    """What JSON has as another type."""

    fraction: float
    price: Decimal
    id: UUID | None
    at: datetime | None
    day: date | None
    hour: time | None
    pause: timedelta | None
    content: bytes
    colour: Colour


@dataclass
class Lists:
    """Arrays of three kinds."""

    numbers: list[int]
    days: set[date]
    point: Point | None


@dataclass
class Objects:
    """Objects of three kinds."""

    extra: Extra | None
    person: Person | None
    nodes: list[Node]


def scalars(
    text: str = "",
    whole: int = 0,
    fraction: float = 0.0,
    yes: bool = False,
    price: Decimal = Decimal(0),
    id: UUID | None = None,  # noqa: A002 - what a client calls it
    at: datetime | None = None,
    day: date | None = None,
    hour: time | None = None,
    pause: timedelta | None = None,
    content: bytes = b"",
    colour: Colour = Colour.RED,
    level: Level = Level.LOW,
    choice: Literal["x", 1] = "x",
    either: str | int = "",
    any: Any = None,  # noqa: A002 - what a client calls it
    none: None = None,
) -> Scalars:
    """Take what is one value."""
    return Scalars(fraction, price, id, at, day, hour, pause, content, colour)


def lists(
    numbers: list[int],
    days: set[date] | None = None,
    pair: tuple[int, bool] | None = None,
    words: Annotated[Sequence[str], Meta(min_length=1, max_length=3)] | None = None,
    point: Point | None = None,
    anything: list[Any] | None = None,
) -> Lists:
    """Take arrays."""
    return Lists(numbers, days or set(), point)


def objects(
    counts: Mapping[str, int] | None = None,
    extra: Extra | None = None,
    person: Person | None = None,
    nodes: list[Node] | None = None,
    rows: list[list[int]] | None = None,
) -> Objects:
    """Take objects."""
    return Objects(extra, person, nodes or [])


def bounds(
    positive: Annotated[int, Meta(ge=0)] = 0,
    thirds: Annotated[int, Meta(multiple_of=3)] = 0,
    part: Annotated[float, Meta(gt=0, lt=1)] = 0.5,
    quarters: Annotated[float, Meta(multiple_of=0.25)] = 0.25,
    short: Annotated[str, Meta(min_length=1, max_length=3)] = "x",
    lower: Annotated[str, Meta(pattern="^[a-z]{1,9}$")] = "x",
) -> list[float]:
    """Take what has bounds."""
    return [positive, thirds, part, quarters]


def segments(
    text: Annotated[str, Meta(min_length=1, max_length=9)],
    day: date,
    key: UUID,
    amount: Decimal,
) -> list[str]:
    """Take a path."""
    return [text, str(day), str(key), str(amount)]


def tail(rest: str) -> list[str]:
    """Take the rest of a path."""
    return rest.split("/")


def remove(word: Literal["a", "b"], force: bool = False) -> None:
    """Take a path, and the query of a DELETE."""


def change(word: Colour, name: str | None = None, level: Level | None = None) -> Colour:
    """Take a path, and members of a body."""
    return word


def headers(
    must: Annotated[str, Header("X-Must")],
    number: Annotated[int, Header("X-Number")] = 0,
    day: Annotated[date | None, Header("X-Day")] = None,
    yes: Annotated[bool, Header("X-Yes")] = False,
    numbers: Annotated[list[int] | None, Header("X-Numbers")] = None,
) -> date | None:
    """Take headers."""
    return day


def whole_list(body: Annotated[list[Point], Meta(max_length=3)], loud: bool = False) -> list[Point]:
    """Take a body that is an array, and a query."""
    return body


def whole_text(body: str | None = None) -> list[str | None]:
    """Take a body that is text, null or nothing."""
    return [body]


def others(a: int = 0, **rest: int) -> dict[str, int]:
    """Take numbers of any name."""
    return rest


def nodes(**rest: Node) -> list[Node]:
    """Take objects of any name, which no query can have."""
    return list(rest.values())


def tree(root: Node) -> Node:
    """Take an object, which no query can have."""
    return root


def numbers(limit: Annotated[int, Meta(ge=0, le=9)] = 3) -> Iterator[float]:
    """Take a number of numbers."""
    yield from range(limit)


def nothing() -> None:
    """Take nothing."""


def content(data: bytes = b"") -> bytes:
    """Take base64, return bytes."""
    return data
