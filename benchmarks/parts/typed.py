"""A worker's call of a typed function whose body is a model of ten members."""

import json
import os
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta

from benchmarks.peers.request import CONTEXT
from silvaengine_worker.app import handler

PAYLOAD = json.loads(os.environ["BENCHMARK_PAYLOAD"])


@dataclass
class Order:
    """The members of the peers' model."""

    customer: UUID
    due: datetime
    status: Literal["draft", "open", "paid"]
    title: Annotated[str, Meta(min_length=1, max_length=100)]
    qty: Annotated[int, Meta(ge=1)]
    price: float
    express: bool
    tags: list[str]
    weights: dict[str, float]
    note: str | None = None


def place(body: Order) -> dict[str, str]:
    """Return the response."""
    return {"message": f"Hello, {body.title}!"}


def take(title: str, **others: object) -> dict[str, str]:
    """Return the response, without types."""
    return {"message": f"Hello, {title}!"}


def whole():
    """From payload to result."""
    if handler(PAYLOAD, CONTEXT)["value"] != {"message": "Hello, Ada!"}:
        raise AssertionError
