"""A POST whose body is a model of ten members, as each peer's documentation writes it.

`BENCHMARK_PEER` names the one that `handler` is. Powertools writes a log line by its Logger, as ours does.
"""

import os
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, Field


class Order(BaseModel):
    """Ten members of the usual kinds."""

    customer: UUID
    due: datetime
    status: Literal["draft", "open", "paid"]
    title: Annotated[str, Field(min_length=1, max_length=100)]
    qty: Annotated[int, Field(ge=1)]
    price: float
    express: bool
    tags: list[str]
    weights: dict[str, float]
    note: str | None = None


def powertools():
    """Return AWS Lambda Powertools' resolver for REST APIs with validation, and its Logger."""
    from aws_lambda_powertools import Logger
    from aws_lambda_powertools.event_handler import APIGatewayRestResolver

    app = APIGatewayRestResolver(enable_validation=True)
    logger = Logger(service="http")

    @app.post("/<area>/<endpoint>/<function>")
    def call(area: str, endpoint: str, function: str, order: Order) -> dict[str, str]:
        return greet(order)

    @logger.inject_lambda_context
    def handle(event, context):
        response = app.resolve(event, context)
        logger.info("served", status=response["statusCode"])
        return response

    return handle


def fastapi():
    """Return FastAPI behind Mangum."""
    from fastapi import FastAPI
    from mangum import Mangum

    app = FastAPI()

    @app.post("/{area}/{endpoint}/{function}")
    def call(area: str, endpoint: str, function: str, order: Order) -> dict[str, str]:
        return greet(order)

    return Mangum(app, lifespan="off")


def greet(order):
    """Return the response of the route."""
    assert order.due.tzinfo is not None
    return {"message": f"Hello, {order.title}!"}


PEERS = {"Powertools with validation": powertools, "Mangum + FastAPI": fastapi}
if "BENCHMARK_PEER" in os.environ:
    handler = PEERS[os.environ["BENCHMARK_PEER"]]()
