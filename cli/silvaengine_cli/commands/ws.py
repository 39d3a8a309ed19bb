"""``ws``: the WebSocket connections of a deployment."""

import click

from silvaengine_cli.operator import operate
from silvaengine_cli.output import json_option, print_json
from silvaengine_cli.target import Target, target_options


@click.group()
def ws() -> None:
    """Speak to clients that are connected by a WebSocket."""


@ws.command()
@click.argument("frame")
@click.option("--endpoint", "endpoint_id", required=True, help="Whose connections.")
@click.option("--area", help="Only those of this area.  [default: all areas]")
@click.option(
    "--where",
    "wanted",
    metavar="NAME=VALUE",
    multiple=True,
    help="Only those about whom that was said.",
)
@json_option
@target_options
def broadcast(
    target: Target, frame: str, endpoint_id: str, area: str | None, wanted: tuple[str, ...], *, as_json: bool
) -> None:
    """Push FRAME, as it is, to the open connections of an endpoint.

    \b
    Examples:
      silvaengine ws broadcast '{"news": "back at noon"}' --endpoint acme --local
      silvaengine ws broadcast hello --endpoint acme --where user_id=ada --stack silvaengine
    """
    counts = operate(
        target,
        "ws_broadcast",
        gateway="WebsocketGatewayArn",
        endpoint_id=endpoint_id,
        frame=frame,
        area=area,
        where=dict(_pair(text) for text in wanted),
    )
    if as_json:
        print_json(counts)
    else:
        click.echo(f"sent to {counts['sent']}, gone {counts['gone']}, failed {counts['failed']}")


def _pair(text: str) -> tuple[str, str]:
    name, mark, value = text.partition("=")
    if not (name and mark):
        raise click.BadParameter(f"{text!r} must be NAME=VALUE", param_hint="--where")
    return name, value
