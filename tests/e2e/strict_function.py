"""The Lambda that the double's tests call; what to do is in the event."""

from collections.abc import Mapping
from typing import Any

from botocore.session import Session


def handler(event: Mapping[str, Any], _: object) -> Any:
    """Read a row, invoke another Lambda, fail, or return so many letters."""
    print("called", event)  # noqa: T201 - the tests read it
    if event.get("fail"):
        raise ValueError("no")
    session: Any = Session()
    if "table" in event:
        tables = session.create_client("dynamodb", "us-east-1")
        return tables.get_item(TableName=event["table"], Key={"id": {"S": "1"}}).get("Item")
    if "invoke" in event:
        functions = session.create_client("lambda", "us-east-1")
        return functions.invoke(InvocationType="Event", **event["invoke"])["StatusCode"]
    return event.get("size", 0) * "x"
