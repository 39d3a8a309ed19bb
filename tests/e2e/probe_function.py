"""The Lambda that the probes of the engine deploy; what to do comes in the event or the query string."""

import json
import time
from collections.abc import Mapping
from importlib.util import find_spec
from itertools import count
from typing import Any

import botocore.session
import where_from  # type: ignore[import-not-found]  # of the probe's function and of its layer

_calls = count(1)
_RESULTS = {
    "large": {"statusCode": 200, "body": "x" * 7_000_000},
    "malformed": {"unknown": True},
    "own 502": {"statusCode": 502, "body": "my own"},
}


def handler(event: Mapping[str, Any], context: Any) -> Any:
    """Do what is asked for; without a question a `$connect` is refused, and a message's size returned."""
    number = next(_calls)
    query = event.get("queryStringParameters") or {}
    action = event.get("action") or query.get("action")
    time.sleep(float(query.get("seconds", 0)))
    if event.get("requestContext", {}).get("eventType") == "MESSAGE":
        return {"statusCode": 200, "body": str(len(event["body"]))}
    print(f"probed {action}")  # noqa: T201 - the probes read it
    match action:
        case "arn":
            print(f"invoked as {context.invoked_function_arn}")  # noqa: T201 - likewise
        case "chat":
            print("\n".join(f"line {each}" for each in range(event["lines"])), end="")  # noqa: T201 - likewise
        case "event":
            return {"statusCode": 200, "body": json.dumps(event)}
        case "fail":
            raise KeyError("a class of its own")
        case "modules":
            return [find_spec(name) is not None for name in event["names"]]
        case "size":
            return "x" * event["size"]
        case "update":
            return _update_forbidden_attribute(event["table"])
    results = {"calls": number, "where": where_from.NAME} | _RESULTS
    return results.get(str(action), {"statusCode": 401})


def _update_forbidden_attribute(table: str) -> str:
    tables: Any = botocore.session.Session().create_client("dynamodb", "us-east-1")
    tables.update_item(
        TableName=table,
        Key={"id": {"S": "1"}},
        UpdateExpression="SET forbidden = :one",
        ExpressionAttributeValues={":one": {"N": "1"}},
    )
    return "updated"
