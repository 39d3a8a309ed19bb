"""Clients that go on while a stack is updated, and what they were told."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from typing import NamedTuple, override
from urllib.parse import parse_qsl, urlsplit
from uuid import uuid4

from silvaengine_cli import AwsClient

from ..e2e.http_client import Api, Response
from ..security.platform import rest_event

KEY = {"x-api-key": "roll-key"}
CLIENTS = 3


class InvokedApi(Api):
    """The HTTP gateway's Lambda itself: the engine's APIs get other addresses when a stack is updated."""

    def __init__(self, lambdas: AwsClient, function: str) -> None:
        self._lambdas = lambdas
        self._function = function

    @override
    def request(
        self, method: str, path: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Response:
        url = urlsplit(path)
        query = dict(parse_qsl(url.query))
        text = None if body is None else body.decode()
        event = rest_event(method, url.path, headers=headers, query=query, body=text)
        invoked = self._lambdas.invoke(FunctionName=self._function, Payload=json.dumps(event))
        value = json.loads(invoked["Payload"].read())
        if "FunctionError" in invoked:  # as API Gateway does
            return Response(502, {}, json.dumps(value).encode())
        return Response(value["statusCode"], value["headers"], value["body"].encode())


class Told(NamedTuple):
    """A request and its response; times are the process's monotonic seconds."""

    request: str
    begun: float
    ended: float
    status: int
    text: str


class Load:
    """Requests of several clients, one after the other each; all that they were told.

    Args:
        api: where they are sent.
        pause: seconds between two of a client.
    """

    def __init__(self, api: Api, pause: float = 0.05) -> None:
        self._api, self._pause = api, pause
        self._ends = threading.Event()
        self._name, self._numbers = uuid4().hex, count()
        self.told: list[Told] = []
        self.updates: list[tuple[float, float]] = []

    @contextmanager
    def running(self) -> Iterator[None]:
        """Send from three clients in the block: a plain call, a keyed one, a job."""
        senders: tuple[Callable[[str], None], ...] = (self._call, self._keyed, self._accept)
        threads = [threading.Thread(target=self._repeat, args=(send,)) for send in senders]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._ends.set()
            for thread in threads:
                thread.join()

    @contextmanager
    def updating(self) -> Iterator[None]:
        """Note the time that an update takes."""
        begun = time.monotonic()
        yield
        self.updates.append((begun, time.monotonic()))

    @property
    def failed(self) -> list[Told]:
        """Responses from 500 on."""
        return [told for told in self.told if told.status >= 500]

    @property
    def failed_between_updates(self) -> list[Told]:
        """Those of requests during which nothing was updated."""
        return [
            told
            for told in self.failed
            if all(told.ended < begun or told.begun > ended for begun, ended in self.updates)
        ]

    @property
    def statuses(self) -> set[int]:
        """The statuses of those that didn't fail."""
        return {told.status for told in self.told} - {told.status for told in self.failed}

    def jobs(self) -> list[str]:
        """The ids of the jobs that were accepted."""
        return [json.loads(told.text)["job_id"] for told in self.told if told.status == 202]

    def _repeat(self, send: Callable[[str], None]) -> None:
        while not self._ends.wait(self._pause):
            send(str(next(self._numbers)))

    def _call(self, number: str) -> None:
        self.send("GET", f"/core/roll/hail?name=n{number}")

    def _keyed(self, number: str) -> None:
        self.send("POST", "/core/roll/keyed", {}, {"idempotency-key": f"{self._name}-{number}"})

    def _accept(self, number: str) -> None:
        self.send("POST", "/core/roll/note", {"title": number})

    def send(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> Told:
        """Send a request and note what came back."""
        begun = time.monotonic()
        content = None if body is None else json.dumps(body).encode()
        response = self._api.request(method, path, body=content, headers={**KEY, **(headers or {})})
        told = Told(f"{method} {path}", begun, time.monotonic(), response.status, response.text)
        self.told.append(told)
        return told
