"""What the console's pages work on, and may do."""

import shlex
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property
from math import inf
from secrets import token_urlsafe
from threading import Lock, Thread
from typing import Any

from silvaengine_cli.deployment import Deployment, local_folder
from silvaengine_cli.logs import Line
from silvaengine_cli.logs.tail import pause_of
from silvaengine_cli.status.recent import RecentLines
from silvaengine_cli.status.state import State, read_state

MOST_DONE = 100  # forms whose outcome is kept
STATE_PAUSES = 10  # after so many looks' time, what seldom changes is read anew


class Kept[T]:
    """A value that is slow to read, and is read anew once it is old; whoever asks meanwhile waits, too.

    Args:
        read: returns it.
        seconds: after which it is old.
    """

    def __init__(self, read: Callable[[], T], seconds: float) -> None:
        self.last: T | None = None
        """The value that was read last, however old; None before the first."""
        self._read = read
        self._seconds = seconds
        self._read_at = 0.0
        self._lock = Lock()

    def __call__(self) -> T:
        """Return it; raise what reading raises."""
        with self._lock:
            if self.last is None or time.monotonic() - self._read_at >= self._seconds:
                self.last = self._read()
                self._read_at = time.monotonic()
            return self.last


@dataclass
class Session:
    """A run of the console on a deployment.

    Args:
        deployment: whose clients the pages' operations use.
        may_write: whether pages may change something.
    """

    deployment: Deployment
    may_write: bool = False
    outcomes: dict[str, str] = field(default_factory=dict)
    """What actions did, by ids that the pages after them have in their addresses."""
    streams: int = 0
    """How many live parts are open."""
    _done: OrderedDict[str, Kept[Any]] = field(default_factory=OrderedDict)
    _looked_at: float = field(default_factory=time.monotonic)

    def command(self, *arguments: str) -> str:
        """Return the command line that does the same on this deployment, to be copied to a shell."""
        deployment = self.deployment
        if local_folder(deployment):
            return shlex.join(["silvaengine", *arguments, "--local"])
        options = ["--stack", deployment.stack]
        for name, value in (("--region", deployment.region), ("--endpoint-url", deployment.endpoint_url)):
            options += [name, value] if value else []
        return shlex.join(["silvaengine", *arguments, *options])

    def open_clients(self) -> None:
        """Make the clients of AWS that pages use, in a thread: each takes some tenths of a second, once."""
        services = ("cloudformation", "dynamodb", "logs", "sqs", "cloudwatch", "lambda")
        Thread(target=lambda: [*map(self.deployment.client, services)], daemon=True).start()

    def look_again(self) -> None:
        """Have the stack read anew if that is long ago: it may have been deployed meanwhile."""
        if time.monotonic() - self._looked_at > self._state_seconds:
            self._looked_at = time.monotonic()
            self.deployment.look_again()

    @cached_property
    def state(self) -> Kept[State]:
        """What the deployment's tables, queues and alarms say."""
        return Kept(lambda: read_state(self.deployment), self._state_seconds)

    @cached_property
    def recent(self) -> Kept[tuple[list[Line], int]]:
        """The lines of the last hour, as ``RecentLines`` has them."""
        read_first = cache(lambda: RecentLines(self.deployment))
        return Kept(lambda: read_first().read(), pause_of(self.deployment) / 2)

    @property
    def _state_seconds(self) -> float:
        return STATE_PAUSES * pause_of(self.deployment)

    @property
    def is_production(self) -> bool:
        """Return whether the stack is called `prod`, or its stage is."""
        return "prod" in (self.deployment.stack, self.deployment.parameter("Stage", ""))

    def once[T](self, form: Mapping[str, str], do: Callable[[], T]) -> T:
        """Do something for a form; one that is sent again, by a double click, gets what was done first."""
        done: Kept[T] = self._done.setdefault(form.get("once") or token_urlsafe(), Kept(do, inf))
        if len(self._done) > MOST_DONE:
            self._done.popitem(last=False)
        return done()
