"""Functions with which a run asks the deployed worker what it does; what they note is in the worker's log."""

import json
import logging
import time
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import uuid4

from botocore.exceptions import ClientError
from botocore.session import Session

from silvaengine_base import FunctionError, current_invocation


def _note(**facts: object) -> None:
    logging.getLogger(__name__).warning("noted %s", " ".join(f"{name}={facts[name]}" for name in facts))


def echo(word: Any = None, n: Any = None) -> Mapping[str, Any]:
    """Return what came."""
    return {"word": word, "n": n}


class Told:
    """Returns what it was told."""

    def __init__(self, logger: logging.Logger, **setting: object) -> None:
        self._setting = setting

    def settings(self) -> Mapping[str, object]:
        """Return the settings."""
        return self._setting


def remember(text: str = "") -> Mapping[str, str]:
    """Return the text and an id that no other execution has."""
    return {"text": text, "execution": uuid4().hex}


remember_later = remember


def fail() -> None:
    """Raise what nobody outside may see."""
    raise RuntimeError("nobody outside sees this")


fail_later = fail


def refuse(status: str = "409") -> None:
    """Refuse a call with a status."""
    raise FunctionError("Not today", status_code=int(status))


def large(size: str) -> Mapping[str, str]:
    """Return about `size` bytes."""
    return {"text": "x" * int(size)}


def measured(body: Any = None, **params: Any) -> int:
    """Return how long the text is that came as the parameter `text`, or as the body."""
    return len(str(params.get("text", body)))


def rest(seconds: float) -> None:
    """Take a while."""
    time.sleep(float(seconds))


def raw() -> bytes:
    """Return bytes that are no text."""
    return bytes(range(256))


def heard(
    n: object = None,
    event: Mapping[str, Any] | None = None,
    records: Any = (),
    wrong: str = "",
    mark: str = "",
) -> None:
    """Note what came of an event source."""
    if wrong == "always":
        raise RuntimeError("wrong")
    if event:
        source = "schedule" if "schedule" in event else "rule"
        _note(source=source, mark=event.get("detail", {}).get("mark") or event.get("schedule", source))
    for each in records:
        image = each["dynamodb"]["NewImage"]
        _note(source="stream", mark=image["mark"]["S"], n=image["n"]["N"])
    if mark:
        _note(source="direct", mark=mark, n=n)


def attempt(service: str, operation: str, arguments: dict[str, Any]) -> str:
    """Try an AWS call with the worker's role; return AWS's error code, or `allowed`."""
    client: Any = Session().create_client(service)
    try:
        getattr(client, operation)(**arguments)
    except ClientError as error:
        return json.dumps(error.response["Error"]["Code"])
    return json.dumps("allowed")


def count(to: int) -> Iterator[int]:
    """Yield the numbers below `to`."""
    yield from range(int(to))


def post(count: int) -> float:
    """Post numbers to the caller's connection, one after the other; return the seconds that it took."""
    connection = current_invocation().connection
    assert connection is not None
    start = time.monotonic()
    for number in range(int(count)):
        connection.send(number)
    return time.monotonic() - start


def push(data: Any = None) -> Mapping[str, int]:
    """Push to all connections of the caller's tenant."""
    connection = current_invocation().connection
    assert connection is not None
    return connection.broadcast(data)
