"""``ws``: talk over a WebSocket, list connections, push to all of them, and close them."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import click

from silvaengine.aws.table_client import Row
from silvaengine_cli.client_options import header_options
from silvaengine_cli.deployment import Deployment, deployment_options, list_options, operator_options
from silvaengine_cli.open_connections import OpenConnections, facts
from silvaengine_cli.operator import operate
from silvaengine_cli.output import console, print_result, print_table
from silvaengine_cli.registry.rows import mask

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection

COLUMNS = ("connection", "endpoint", "area", "key", "principal", "since (UTC)")
PROMPT = "> "
HANDSHAKE_SECONDS = 15  # it may wait for two cold starts
_SUBPROTOCOLS = "sec-websocket-protocol"


@click.group()
def ws() -> None:
    """Talk over a WebSocket, and list, push to or close connections.

    \b
    Examples:
      silvaengine ws connect demo --local
      silvaengine ws list acme --stack silvaengine
      silvaengine ws broadcast hello --endpoint acme --stack silvaengine
      silvaengine ws kick acme L0SM9cOFvHcCIhw= --stack silvaengine
    """


@ws.command()
@click.argument("endpoint")
@click.option("--area", default="core", show_default=True, help="Area of the functions.")
@header_options
@click.option("--url", help="Where the WebSocket API is.  [default: the stack's WebsocketUrl]")
@operator_options
def connect(
    deployment: Deployment,
    endpoint: str,
    area: str,
    api_key: str,  # noqa: ARG001 - it is among the headers
    headers: dict[str, str],
    url: str | None,
    as_json: bool,
) -> None:
    """Connect to ENDPOINT; type calls and see the frames that arrive.

    A line is FUNCTION NAME=VALUE ..., where a VALUE that is JSON is read as JSON; or FUNCTION {...}; or a
    whole message in JSON; or ping. Ctrl-D ends it. Lines that are piped in are sent, and their responses
    waited for; it exits with 1 when the connection was refused or lost.

    \b
    Examples:
      silvaengine ws connect demo --local
      silvaengine ws connect acme --api-key demo-key-acme --area core --stack silvaengine
      silvaengine ws connect acme --token "$TOKEN" --area members --stack silvaengine
      echo 'countdown start=3' | silvaengine ws connect demo --json --local
    """
    where = urlencode({"endpointId": endpoint, "area": area})
    with open_connection(f"{url or deployment.output('WebsocketUrl')}?{where}", headers) as connection:
        is_lost = _talk(connection, f"connected to {endpoint}, area {area}", as_json=as_json)
    if is_lost:
        raise click.ClickException("the connection was lost")


@contextmanager
def open_connection(address: str, headers: dict[str, str]) -> Iterator["ClientConnection"]:
    """Open a connection whose handshake has these headers, for subprotocols too.

    Raises:
        ClickException: the address is none, or the handshake failed.
    """
    # lazy: only `connect` needs it
    from websockets.exceptions import InvalidStatus, WebSocketException
    from websockets.sync.client import connect as open_socket

    others = {name: value for name, value in headers.items() if name.lower() != _SUBPROTOCOLS}
    # The library refuses the answer to subprotocols that it doesn't know of.
    wanted = [each.strip() for name in headers.keys() - others for each in headers[name].split(",")]
    # Conversation sends pings of its own: whether API Gateway counts the protocol's isn't documented.
    options: dict[str, Any] = {"open_timeout": HANDSHAKE_SECONDS, "ping_interval": None, "max_size": None}
    options["subprotocols"] = wanted or None
    try:
        connection = open_socket(address, additional_headers=others, **options)
    except InvalidStatus as error:
        status = error.response.status_code
        message = f"refused with {status}: check endpoint, area, API key, token and Origin"
        raise click.ClickException(message) from error
    except (WebSocketException, OSError, ValueError) as error:  # a ValueError is about the URL
        raise click.ClickException(f"{address.partition('?')[0]}: {error}") from error
    with connection:
        yield connection


def _talk(connection: "ClientConnection", greeting: str, *, as_json: bool) -> bool:
    """Have the conversation; return whether the connection was lost."""
    from silvaengine_cli.conversation import (  # lazy: only `connect` needs it
        Conversation,
        above_prompt,
        typed_lines,
    )

    screen = console()
    coloured = partial(screen.print, soft_wrap=True)
    if as_json or not sys.stdin.isatty():
        show = (lambda text: click.echo(text.plain)) if as_json else coloured
        conversation = Conversation(connection, show, as_json=as_json)
        conversation.hold(sys.stdin)
        return conversation.is_lost
    screen.print(f"{greeting}: FUNCTION NAME=VALUE …; Ctrl-D ends it", style="dim")
    conversation = Conversation(connection, above_prompt(PROMPT, coloured))
    with suppress(KeyboardInterrupt):
        conversation.hold(typed_lines(PROMPT), interrupt=True)
    screen.print()
    return conversation.is_lost


@ws.command("list")
@click.argument("endpoint", required=False)
@list_options
def list_(deployment: Deployment, endpoint: str | None, as_json: bool, wide: bool) -> None:
    """List the connections of ENDPOINT, or of all. Some that broke may still be listed.

    \b
    Examples:
      silvaengine ws list --local
      silvaengine ws list acme --stack silvaengine --json
    """
    rows = list(OpenConnections(deployment).scan(endpoint))
    title = f"{len(rows)} connections"
    print_table(title, COLUMNS, map(_cells, rows), list(map(facts, rows)), as_json=as_json, wide=wide)


@ws.command()
@click.argument("endpoint")
@click.argument("connection_ids", nargs=-1, metavar="[CONNECTION]...")
@click.option("--all", "everybody", is_flag=True, help="All connections of the endpoint.")
@deployment_options
def kick(deployment: Deployment, endpoint: str, connection_ids: tuple[str, ...], everybody: bool) -> None:
    """Close connections of ENDPOINT at once; a stream that runs for one stops at its next item.

    Clients may connect again, unless you revoke their key or take it out of the registry first.

    \b
    Examples:
      silvaengine ws kick acme L0SM9cOFvHcCIhw= --stack silvaengine
      silvaengine ws kick demo --all --local
    """
    if bool(connection_ids) == everybody:
        raise click.UsageError("name connections, or use --all")
    connections = OpenConnections(deployment)
    connections.check(endpoint, connection_ids)
    ids = connection_ids or [row["connection_id"] for row in connections.scan(endpoint)]
    for connection_id, outcome in connections.close(endpoint, ids):
        click.echo(f"{connection_id} {outcome}")


@ws.command()
@click.argument("frame")
@click.option("--endpoint", "endpoint_id", required=True, help="The connections' endpoint.")
@click.option("--area", help="Only those of this area.  [default: all areas]")
@click.option(
    "--where",
    "conditions",
    metavar="NAME=VALUE",
    multiple=True,
    help="Only those with this datum, such as user_id=ada; may be repeated.",
)
@operator_options
def broadcast(
    deployment: Deployment,
    frame: str,
    endpoint_id: str,
    area: str | None,
    conditions: tuple[str, ...],
    *,
    as_json: bool,
) -> None:
    """Push FRAME, as it is, to the open connections of an endpoint.

    \b
    Examples:
      silvaengine ws broadcast '{"news": "back at noon"}' --endpoint acme --local
      silvaengine ws broadcast hello --endpoint acme --where user_id=ada --stack silvaengine
    """
    counts = operate(
        deployment,
        "ws_broadcast",
        gateway="WebsocketGatewayArn",
        endpoint_id=endpoint_id,
        frame=frame,
        area=area,
        where=dict(_parse_condition(text) for text in conditions),
    )
    text = f"sent to {counts['sent']}, gone {counts['gone']}, failed {counts['failed']}"
    print_result(counts, text, as_json=as_json)


def _cells(row: Row) -> tuple[object, ...]:
    principal = (row.get("data") or {}).get("principalId", "")
    since = str(row.get("created_at")).partition(".")[0].replace("T", " ")
    return (
        row["connection_id"],
        row["endpoint_id"],
        row.get("area"),
        mask(str(row["api_key"])),
        principal,
        since,
    )


def _parse_condition(text: str) -> tuple[str, str]:
    name, mark, value = text.partition("=")
    if not (name and mark):
        raise click.BadParameter(f"{text!r} must be NAME=VALUE", param_hint="--where")
    return name, value
