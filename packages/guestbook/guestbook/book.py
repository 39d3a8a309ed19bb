"""The guestbook's functions: package.yaml says by which names they are called."""

import os
from typing import Any

import boto3
from boto3.dynamodb.conditions import Key

from silvaengine_base import FunctionError, current_invocation


class Guestbook:
    """Made once for each tenant and settings, then kept for further calls."""

    def __init__(self) -> None:
        """Take the table from the environment that package.yaml describes."""
        self.table: Any = boto3.resource("dynamodb").Table(os.environ["GUESTS_TABLE"])

    def sign(self, name: str) -> dict[str, str]:
        """Add a guest's name; each has one entry."""
        if not name.strip():
            raise FunctionError("name must not be empty", status_code=400)
        self.table.put_item(Item={"endpoint_id": current_invocation().endpoint_id, "name": name.strip()})
        return {"message": f"{os.environ['GREETING']}, {name.strip()}!"}

    def names(self) -> list[str]:
        """Return the first guests' names, at most 1 MB of them."""
        tenant = Key("endpoint_id").eq(current_invocation().endpoint_id)
        return [guest["name"] for guest in self.table.query(KeyConditionExpression=tenant)["Items"]]
