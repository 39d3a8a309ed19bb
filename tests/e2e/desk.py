"""A package of typed functions with all kinds of parameters, for those who read its description."""

from pathlib import Path

from silvaengine_cli.deployment import Deployment
from silvaengine_cli.publishing.publisher import Published, publish

from .registry_rows import Rows

ENDPOINT = "desk"
KEY = "desk-key"
MANIFEST = """\
package: desk
mcp: true
memory: 256
timeout: 15
functions:
  ticket: {call: "desk:ticket", area: core, route: "GET /tickets/{number}"}
  find_tickets: {call: "desk:find_tickets", area: core, route: GET /tickets}
  open_ticket: {call: "desk:open_ticket", area: core, route: POST /tickets}
  change_ticket: {call: "desk:change_ticket", area: core, route: "PUT /tickets/{number}"}
  count_tickets: {call: "desk:count_tickets", area: core, type: Event, methods: [POST]}
"""
SOURCE = '''\
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from msgspec import Meta
from silvaengine_base import FunctionError, Header

State = Literal["open", "closed"]
Number = Annotated[int, Meta(ge=1, le=1_000_000)]


@dataclass
class Ticket:
    number: Number
    title: Annotated[str, Meta(min_length=1, examples=["It's broken"])]
    state: State = "open"
    labels: list[str] = field(default_factory=list)
    due: date | None = None


def ticket(number: Number) -> Ticket:
    """Return a ticket.

    Raises:
        FunctionError: 404, there is no such ticket.
    """
    if number > 9:
        raise FunctionError("There is no such ticket", status_code=404)
    return Ticket(number, "It's broken")


def find_tickets(
    state: State | None = None,
    limit: Annotated[int, Meta(ge=1, le=10)] = 10,
    tag: list[str] | None = None,
    since: datetime | None = None,
    exact: bool = False,
    trace: Annotated[str, Header("X-Trace")] = "",
) -> list[Ticket]:
    """Return tickets.

    Args:
        tag: labels of which one is enough.
    """
    return [Ticket(number, "It's broken", state or "open", tag or []) for number in range(1, limit + 1)]


def open_ticket(
    title: Annotated[str, Meta(min_length=1)],
    urgent: bool = False,
    costs: Decimal = Decimal(0),
    watcher: UUID | None = None,
    hours: dict[str, float] | None = None,
) -> Ticket:
    """Open a ticket."""
    return Ticket(1, title, labels=["urgent"] if urgent else [])


def change_ticket(number: Number, body: Ticket) -> Ticket:
    """Replace a ticket."""
    return body


def count_tickets(states: set[State]) -> dict[str, int]:
    """Count tickets, as a job."""
    return dict.fromkeys(states, 1)
'''


class Desk:
    """A package's folder, and where it is published."""

    def __init__(self, folder: Path, deployment: Deployment) -> None:
        self.folder = folder
        self._deployment = deployment
        folder.mkdir(parents=True)
        (folder / "requirements.txt").touch()

    def publish(
        self,
        source: str = SOURCE,
        manifest: str = MANIFEST,
        *,
        dry_run: bool = False,
        allow_breaking: bool = False,
    ) -> Published:
        """Publish sources; raises as ``publish``."""
        (self.folder / "package.yaml").write_text(manifest)
        (self.folder / "desk.py").write_text(source)
        return publish(
            self._deployment,
            self.folder,
            "",
            lambda _line: None,
            dry_run=dry_run,
            allow_breaking=allow_breaking,
        )


def open_to_key(rows: Rows) -> None:
    """Let a key of a tenant's call the package's functions."""
    rows.put("endpoints", endpoint_id=ENDPOINT, special_connection=True)
    packages = [{"package": "desk"}]
    rows.put(
        "connections", endpoint_id=ENDPOINT, api_key=KEY, functions=[], packages=packages, grants=["jobs"]
    )
