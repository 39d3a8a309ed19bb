"""Nothing of a value that a typed function refuses is told to anybody, whichever way it came."""

import json
from random import Random
from typing import Any

import pytest
from hypothesis import settings

from silvaengine.aws.backoff import Backoff
from silvaengine.ledger.store import Ledger
from silvaengine.observability.alerts import AlertPublisher
from silvaengine.websocket.pushing import ATTEMPTS, Pusher
from silvaengine_worker.executions import ExecutionRunner
from silvaengine_worker.loader import Loader
from silvaengine_worker.replies import CallReplies
from silvaengine_worker.serving import CallServer, create_handler
from silvaengine_worker.worker import Worker

from ...fakes.executions import JOB_ID, accepted_execution
from .conftest import LambdaContext, Payload
from .signatures import make_body, make_signature
from .test_sockets import Client, Connections

TEXT, NUMBER = "canary7f3b", 726153481726


def planted(value: object) -> object:
    """Return a JSON value with a canary in each text and number of it."""
    match value:
        case dict():
            return {name: planted(member) for name, member in value.items()}
        case list():
            return [planted(member) for member in value]
        case str():
            return TEXT + value
        case float() | int() if not isinstance(value, bool):
            return type(value)(NUMBER)
    return value


class Refusals:
    """Sends calls in all ways, and holds what comes back, is pushed, kept or told."""

    def __init__(self, payload: Payload, ledger: Ledger, jobs: ExecutionRunner) -> None:
        self._payload, self._ledger = payload, ledger
        self.client, self.told = Client(), list[object]()
        pusher = Pusher(lambda: self.client, Backoff(0, ATTEMPTS))
        worker = CallServer(
            Worker(Loader(["sample_functions"])),
            lambda: jobs,
            lambda: lambda call, socket, event: CallReplies(call, socket, event, pusher, Connections([])),
        )
        self._handler = create_handler(worker, AlertPublisher(lambda *notice: self.told.append(notice)))

    def send(self, way: str, name: str, body: Any) -> None:
        """Send a call with a body or, of an event, with parameters; note what became of it."""
        members: dict[str, Any] = {"body": json.dumps(body), "deadline": None}
        if way == "HTTP":
            query = {each: [TEXT, str(NUMBER)] for each in ("p0", "unknown")}
            context = {"headers": {"x-trace": TEXT}, "query": query}
            params = {each: values[-1] for each, values in query.items()}
            members |= {"deadline": 4e9, "params": params, "context": json.dumps(context)}
        elif way == "WebSocket":
            members["socket"] = {"connection_id": "c1", "message_id": "1", "wants_result": True}
        elif way == "job":
            execution = accepted_execution(self._ledger.now(), endpoint_id="demo")
            self._ledger.accept(execution)
            names = ("job_id", "owner", "effect", "fence", "max_attempts", "on_lost", "keep_seconds")
            told = {each: getattr(execution, each) for each in (*names, "backoff_seconds")}
            members["job"] = told | {"attempt": 1, "claimed": False}
        else:
            members |= {"body": None, "params": body if isinstance(body, dict) else {"body": body}}
        try:
            self.told.append(
                self._handler(self._payload(f"typed:{name}", typed=True, **members), LambdaContext())
            )
        except Exception as error:  # noqa: BLE001 - what Lambda would log of an event
            self.told.append(repr(error))
        if way == "job":
            self.told.append(self._ledger.get(JOB_ID))
        self.told += self.client.posts


@pytest.mark.parametrize("way", ["HTTP", "WebSocket", "job", "event"])
def test_no_refusal_repeats_a_value(
    way: str, payload: Payload, ledger: Ledger, jobs: ExecutionRunner, capfd: pytest.CaptureFixture[str]
) -> None:
    """Neither in what the caller gets nor in the ledger, the log or an alert."""
    module = Loader(["sample_functions"]).load("sample_functions.typed", "", "find").function.__globals__
    refusals, refused = Refusals(payload, ledger, jobs), 0
    for seed in range(5 * settings().max_examples):
        random = Random(seed)  # noqa: S311 - no secret
        made = make_signature(random)
        made.function.__module__ = module["__name__"]
        module[f"made{seed}"] = made.function
        body = planted(json.loads(make_body(made, random)))
        refusals.send(way, f"made{seed}", body)
        text = repr(refusals.told) + "".join(capfd.readouterr())
        assert TEXT not in text, (body, text)
        assert str(NUMBER)[:6] not in text, (body, text)
        refused += "422" in text
        refusals.told.clear()
        refusals.client.posts.clear()
    assert refused > settings().max_examples
