"""Functions with pydantic's models, of a package that brings pydantic."""

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator


class Line(BaseModel):
    """A line of an order."""

    model_config = ConfigDict(extra="forbid")

    sku: Annotated[str, Field(max_length=20)]
    qty: int = Field(1, ge=1, alias="quantity")
    due: date | None = None

    @field_validator("sku")
    @classmethod
    def _no_word(cls, sku: str) -> str:
        if sku == "forbidden":
            raise ValueError(f"bad {sku}")
        return sku


@dataclass
class Order:
    """A dataclass with models in it."""

    lines: list[Line]
    total: Decimal


def order(
    order: Order,
    count: Annotated[int, Field(le=5)] = 1,
    ids: tuple[Annotated[int, Field(ge=0)], ...] = (),
) -> list[Any]:
    """Return what came."""
    lines = [[line.sku, line.qty, line.due] for line in order.lines]
    return [type(order).__name__, lines, str(order.total), count, ids]


class Price(BaseModel):
    """What isn't in JSON, or by another name."""

    total: Decimal = Field(alias="sum")
    within: timedelta
    code: bytes


def price() -> Price:
    """Return a price."""
    return Price(sum=Decimal("1.50"), within=timedelta(hours=1), code=b"x")


def line(kind: str) -> Line:
    """Return a model, or what makes none."""
    results: dict[str, Any] = {
        "model": Line(sku="a", quantity=2),
        "members": {"sku": "a"},
        "wrong": {"qty": "x"},
    }
    return results[kind]  # type: ignore[no-any-return]
