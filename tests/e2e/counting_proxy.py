"""A proxy at the Lambdas' AWS endpoint that writes down each call, so that no client escapes the count."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import sleep
from typing import Self
from urllib.parse import urlsplit

from silvaengine_cli.strict.calls import Call
from silvaengine_cli.strict.http import Request, Response
from silvaengine_cli.strict.proxy import Proxy, forward
from silvaengine_cli.strict.refusals import throttled


class CountingProxy:
    """Passes calls on to the engine unchanged (their signatures hold) and keeps their names in order."""

    def __init__(self, target: str, note: Callable[[str, bytes, bytes], None] | None = None) -> None:
        """Take the engine's URL, and what gets each call's name, its request and its response."""
        self._note = note
        self._target = urlsplit(target).port or 0
        self._calls: list[str] = []
        self._refused: set[str] = set()
        self.tenant_ids: dict[str, set[str | None]] = {}  # those that a Lambda was invoked with, by its name
        self._proxy = Proxy(self._answer)

    @property
    def url(self) -> str:
        """The address to give to the Lambdas."""
        return f"http://127.0.0.1:{self._proxy.port}"

    @contextmanager
    def recorded(self) -> Iterator[list[str]]:
        """Return a list that holds, after the block, the calls that were made within it."""
        start, calls = len(self._calls), list[str]()
        yield calls
        calls.extend(self._calls[start:])

    def wait_until_quiet(self, seconds: float = 0.5) -> None:
        """Wait until nobody has called for so long: what an earlier test has begun may end late."""
        seen = -1
        while seen != len(self._calls):
            seen = len(self._calls)
            sleep(seconds)

    @contextmanager
    def throttling(self, *operations: str) -> Iterator[None]:
        """Refuse these calls within the block as a service does that has no capacity left."""
        self._refused |= set(operations)
        yield
        self._refused -= set(operations)

    def __enter__(self) -> Self:
        """Start to serve."""
        self._proxy.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        """End the server and its thread."""
        self._proxy.__exit__()

    def _answer(self, request: Request) -> Response:
        call = Call(request)
        self._calls.append(call.name)
        if call.name == "Lambda.Invoke":
            tenant = request.header("x-amz-tenant-id") or None
            self.tenant_ids.setdefault(call.function, set()).add(tenant)
        response = throttled(call) if call.name in self._refused else forward(request, self._target)
        if self._note:
            self._note(call.name, request.body, response.body)
        return response
