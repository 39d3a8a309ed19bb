"""Functions with which the end-to-end tests ask the deployed worker what it does."""

import json
import logging
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen
from uuid import uuid4

from botocore.exceptions import ClientError
from botocore.session import Session

from silvaengine_base import (
    FunctionError,
    UploadedFile,
    current_invocation,
    decode_cursor,
    encode_cursor,
    meter,
)
from silvaengine_utility import method_cache
from silvaengine_utility.calls import call_function


class Told:
    """Answers what it was told."""

    def __init__(self, logger: logging.Logger, **setting: object) -> None:
        self._logger = logger
        self._setting = setting

    def settings(self) -> str:
        """Answer the settings, as the predecessor's packages do: JSON text."""
        return json.dumps(self._setting)

    secret = rotated = settings

    def arguments(self, **params: object) -> Mapping[str, object]:
        """Answer the names and values that came, but not the long ones."""
        return {name: value for name, value in params.items() if name != "context"}

    def tenant(self, context: Mapping[str, Any]) -> Mapping[str, Any]:
        """Answer what the framework says about the caller."""
        return {"channel": context["channel"], "area": context["area"]}

    def event(self, aws_event: Mapping[str, Any], aws_context: Mapping[str, Any]) -> Mapping[str, Any]:
        """Answer what a function in a full-event area sees."""
        return {"event": sorted(aws_event), "function_name": aws_context["function_name"]}


def members_context(context: Mapping[str, Any], wish: str = "") -> dict[str, Any]:
    """Answer what the context tells of the caller."""
    return {name: context[name] for name in ("authorizer", "additionalContext", "channel") if name in context}


def tokens_context(context: Mapping[str, Any]) -> dict[str, Any]:
    """Answer the same."""
    return members_context(context)


def stored(at: str, **params: object) -> None:
    """Note what came of a stored object, in the file whose path is `at`, in hexadecimal."""
    with Path(bytes.fromhex(at).decode()).open("a") as notes:
        notes.write(json.dumps(params) + "\n")


def received(event: Mapping[str, Any] | None = None, records: Any = ()) -> None:
    """Note what came of a source that is bound, in the file whose path is in the event, in hexadecimal."""
    if event:
        stored(event["detail"]["at"], **event)
    for each in records:
        if "dynamodb" in each:
            image = each["dynamodb"]["NewImage"]
            stored(image["at"]["S"], n=image["n"]["N"])
        else:
            body = json.loads(each["body"])
            stored(body["at"], id=each["messageId"], n=body["n"], together=len(records))


class Hooks:
    """Decides for a user pool."""

    def __init__(self, logger: logging.Logger, domain: str, **setting: object) -> None:
        self._domain = domain

    def pre_sign_up(self, event: dict[str, Any]) -> dict[str, Any]:
        """Let people of one domain sign up, and confirm them."""
        if not event["userName"].endswith(f"@{self._domain}"):
            raise FunctionError(f"Only {self._domain} may sign up", status_code=403)
        event["response"]["autoConfirmUser"] = True
        return event


def effect(path: str, call: str, wrong: str = "", mended: str = "") -> dict[str, object]:
    """Have an effect that a test can count: a line in a file. What goes `wrong` does so at the first attempt.

    `raise` fails before the effect and `late` after it, `crash` ends the process; `always` fails each time,
    and `until` does as long as the file `mended` isn't there.
    """
    current = current_invocation()
    first = current.attempt == 1
    if wrong == "always" or (wrong == "raise" and first):
        raise RuntimeError("password=hunter2")
    if wrong == "until" and not Path(mended).exists():
        raise RuntimeError("not mended yet")
    if wrong == "crash" and first:
        os._exit(1)
    token = current.fencing_token
    with Path(path).open("a") as effects:
        effects.write(f"{call} {token.effect if token else '-'} {current.attempt}\n")
    if wrong == "late" and first:
        raise RuntimeError("after the effect")
    return {"call": call, "attempt": current.attempt}


effect_later = effect_once = effect


def body_size(body: Any = None, **params: object) -> int:
    """Answer how long the text of the body or of the parameter `text` is."""
    return len(str(params.get("text", body)))


def settings_size() -> int:
    """Answer how many characters the settings have."""
    return sum(map(len, current_invocation().settings.values()))


def fail() -> None:
    """Raise what nobody outside may see."""
    raise RuntimeError("password=hunter2")


fail_loudly = fail_later = fail_again = fail


def tell(how: str, texts: list[str], **_: object) -> str:
    """Say texts that nobody should read: to the log, in an error, or by failing."""
    for text in texts:
        logging.getLogger(__name__).warning("told %s", text)
    if how == "refuse":
        raise FunctionError("\n".join(texts), status_code=400)
    if how == "fail":
        raise RuntimeError("\n".join(texts))
    return json.dumps(len(texts))


tell_later = tell


def large(size: int) -> str:
    """Answer JSON text of about `size` bytes."""
    return json.dumps("x" * int(size))


def note(text: str) -> None:
    """Write to the log, for a caller who does not wait."""
    logging.getLogger(__name__).warning("noted %s", text)


def echo(**params: Any) -> Mapping[str, Any]:
    """Answer what came, but for the context."""
    return {name: value for name, value in params.items() if name != "context"}


def show(context: Mapping[str, Any]) -> Mapping[str, Any]:
    """Answer what the framework says about a socket."""
    names = ("connectionId", "channel", "area", "authorizer")
    return {name: context.get(name) for name in names}


show_guarded = show


def show_context(context: dict[str, Any]) -> Mapping[str, Any]:
    """Answer the kinds of the context's members."""
    return {name: type(value).__name__ for name, value in context.items()}


def explain(proxy: bool = False) -> Mapping[str, Any]:
    """Refuse for programs, too: by an error, or by a whole response."""
    if proxy:
        return {"statusCode": 409, "body": json.dumps({"error": "Only 2 are left", "left": 2})}
    raise FunctionError("Only 2 are left", 409, code="out_of_stock", details={"left": 2})


def attach(photo: UploadedFile, pages: list[bytes], times: int = 1) -> Mapping[str, Any]:
    """Answer what came of a form."""
    return {
        "photo": [photo.filename, photo.content_type, len(photo.content)],
        "pages": [page.decode() for page in pages],
        "times": times,
    }


def next_page(cursor: str | None = None) -> Mapping[str, Any]:
    """Answer the number of a page, and the cursor of the next."""
    page = (decode_cursor(cursor) or {"page": 1})["page"]
    return {"page": page, "cursor": encode_cursor({"page": page + 1})}


def count(to: int, size: int = 0, fail_at: int = -1) -> Iterator[Any]:
    """Yield the numbers below `to`, or texts of `size` bytes; fail in between."""
    for number in range(int(to)):
        if number == fail_at:
            raise FunctionError("That is far enough", status_code=409)
        yield "x" * size if size else number


def count_slowly(to: int, seconds: float, path: str = "") -> Iterator[int]:
    """Yield a number every so often; the file tells how far it came, and of the end."""
    try:
        for number in range(int(to)):
            yield number
            time.sleep(float(seconds))
    finally:
        if path:
            Path(path).write_text("ended")


def note_effect(path: str, seconds: float = 0) -> str:
    """Have an effect that a test can count: a line in a file."""
    with Path(path).open("a") as file:
        file.write("once\n")
    time.sleep(float(seconds))
    return json.dumps({"noted": True})


def push(
    data: Any = None, zone: str | None = None, where: dict[str, str] | None = None, to: str | None = None
) -> Mapping[str, int]:
    """Push to one connection, or to all that are meant."""
    connection = current_invocation().connection
    assert connection is not None
    if to is not None:
        connection.send(data, to=to)
        return {}
    return connection.broadcast(data, area=zone, where=where)


def begin_story(api_url: str, api_key: str, path: str) -> Mapping[str, Any]:
    """Call a function, start a job that fails at first, and push to all: one after the other."""
    current = current_invocation()
    call_function("demo", "heard", {"chapter": "1"})
    body = {"path": path, "call": "2", "wrong": "raise"}
    headers = {
        "content-type": "application/json",
        "x-api-key": api_key,
        "traceparent": str(current.traceparent),
    }
    url = f"{api_url}/core/e2e/effect_later"
    request = Request(url, json.dumps(body).encode(), headers)  # noqa: S310 - the stack's own
    with urlopen(request, timeout=10) as response:  # noqa: S310 - likewise
        job: dict[str, Any] = json.load(response)
    assert current.connection is not None
    return job | {"pushed": current.connection.broadcast({"chapter": 3})}


def wait(seconds: float) -> str:
    """Take a while."""
    time.sleep(float(seconds))
    return json.dumps("done")


def work(path: str, seconds: float) -> Mapping[str, bool]:
    """Take a while, or until nobody wants the result any more; the file tells of begin and end."""
    current, end = current_invocation(), time.monotonic() + float(seconds)
    Path(path).write_text("begun")
    while not (cancelled := current.cancelled) and time.monotonic() < end:
        time.sleep(0.1)
    Path(path).write_text("cancelled" if cancelled else "ended")
    return {"cancelled": cancelled}


def read_table(table: str) -> str:
    """Try what the worker's role must not allow; answer AWS's error code."""
    tables: Any = Session().create_client("dynamodb", "us-east-1")
    try:
        tables.scan(TableName=table)
    except ClientError as error:
        return json.dumps(error.response["Error"]["Code"])
    return json.dumps("allowed")


@method_cache(ttl=600, cache_name="e2e.Numbers")
def number_of(name: str) -> str:
    """Return a number that nobody had before, as a source gives what nobody knows yet."""
    return uuid4().hex


@dataclass
class Line:
    """A line of an order."""

    qty: int


def total(items: list[Line], factor: int = 1) -> int:
    """Return how many; of nothing what the annotation doesn't say."""
    return sum(line.qty for line in items) * factor if items else "none"  # type: ignore[return-value]


def number(name: str, seconds: float = 0) -> Mapping[str, Any]:
    """Answer the cached number of a name, and in which process."""
    time.sleep(float(seconds))
    return {"number": number_of(name), "process": os.getpid()}


def metered(tokens: int, fails: bool = False) -> str:
    """Use some tokens, and perhaps fail."""
    meter("tokens", int(tokens))
    if fails:
        raise FunctionError("Out of tokens", 402)
    return "done"
