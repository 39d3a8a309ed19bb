"""Functions whose signatures are their contracts."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta, Struct

from silvaengine_base import Header, current_invocation


class Size(Enum):
    """How large a cup is."""

    SMALL = "small"
    LARGE = "large"


@dataclass
class Item:
    """A line of an order."""

    sku: str
    qty: Annotated[int, Meta(ge=1)]
    size: Size = Size.SMALL

    def __post_init__(self) -> None:
        """Refuse a word, with it in the message, and know the tenant."""
        if self.sku == "forbidden" + current_invocation().endpoint_id:
            raise ValueError(f"Expected `{self.sku}`")


def kinds(**values: object) -> dict[str, list[str]]:
    """Return the class and the text of each value."""
    return {name: [type(value).__name__, str(value)] for name, value in values.items()}


def find(
    limit: Annotated[int, Meta(le=100)] = 10,
    since: datetime | None = None,
    tag: list[str] | None = None,
    ids: set[int] | None = None,
    price: Decimal | float = 0.0,
    exact: bool = False,
    name: int | str | None = None,
    endpoint_id: str = "",
) -> dict[str, list[str]]:
    """Return what it got, by kind."""
    return kinds(
        limit=limit,
        since=since,
        tag=tag,
        ids=sorted(ids or ()),
        price=price,
        exact=exact,
        name=name,
        e=endpoint_id,
    )


def order(items: list[Item], customer: UUID | None = None, note: str = "") -> dict[str, Any]:
    """Return the quantities, and whether a note came."""
    return {"qty": [item.qty for item in items], "size": items[0].size, "note": note}


def place(body: Item, express: bool = False) -> list[object]:
    """Return a line that is a whole body."""
    return [body.sku, express]


def source(
    source: Annotated[str, Header("X-Source")], level: Annotated[int, Header("x-level")] = 0
) -> list[object]:
    """Return two headers."""
    return [source, level]


def listed(numbers: Annotated[list[int] | None, Header("X-Numbers")] = None) -> list[int] | None:
    """Return the members of a header."""
    return numbers


def totals(**amounts: int) -> int:
    """Return a sum."""
    return sum(amounts.values())


def anything(**values: object) -> dict[str, list[str]]:
    """Return the values, by kind."""
    return kinds(**values)


def show(path: str, id: int = 0) -> list[object]:  # noqa: A002 - what a client calls it
    """Return what the framework and a client give."""
    return [path, id]


def stored(bucket: str, id: str, size: int) -> list[object]:  # noqa: A002 - the event's name
    """Return what is known of an object of a bucket."""
    return [bucket, id, size]


def wrong(kind: str) -> Item:
    """Return what the annotation doesn't say, or a response."""
    results: dict[str, Any] = {
        "missing": {"sku": "a"},
        "right": Item("a", 1),
        "response": {"statusCode": 204},
        "unknown": {"sku": "a", "qty": 1, "size": "huge"},
    }
    return results[kind]  # type: ignore[no-any-return]


def stream(last: int) -> Iterator[int]:
    """Yield numbers, and a text at the end."""
    yield from range(last)
    yield "end"  # type: ignore[misc]


class Exact(Struct, forbid_unknown_fields=True, rename="camel"):
    """An object of msgspec's own, which takes no other members."""

    first_name: str
    born: date | None = None


def exact(person: Exact) -> list[object]:
    """Return the members."""
    return [person.first_name, person.born]


def unsupported(value: complex) -> None:
    """Have a parameter that JSON doesn't have."""


def show_context(context: dict[str, Any]) -> dict[str, Any]:
    """Return the context."""
    return context
