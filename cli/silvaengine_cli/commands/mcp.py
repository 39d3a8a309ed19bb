"""``mcp``: how the usual clients reach an endpoint's MCP server."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import click

from silvaengine.tables import DEFAULT_API_KEY
from silvaengine_cli.client_options import api_key_option
from silvaengine_cli.deployment import Deployment, deployment_options
from silvaengine_cli.registry.lookup import only_area, open_registry, read_key_access
from silvaengine_http.mcp.tools import SETTING, read_tools

VARIABLE = "SILVAENGINE_API_KEY"

type Members = dict[str, Any]


def _claude(name: str, url: str, *, has_key: bool) -> Members:
    """code.claude.com/docs/en/mcp, "Environment variable expansion in .mcp.json"."""
    return {
        "mcpServers": {name: {"type": "http", "url": url, **_headers(f"${{{VARIABLE}}}", has_key=has_key)}}
    }


def _cursor(name: str, url: str, *, has_key: bool) -> Members:
    """cursor.com/docs/context/mcp, "Config interpolation"."""
    return {"mcpServers": {name: {"url": url, **_headers(f"${{env:{VARIABLE}}}", has_key=has_key)}}}


def _vscode(name: str, url: str, *, has_key: bool) -> Members:
    """code.visualstudio.com/docs/copilot/reference/mcp-configuration, "Input variables"."""
    asked = {"type": "promptString", "id": "api-key", "description": f"API key of {name}", "password": True}
    server = {"type": "http", "url": url, **_headers("${input:api-key}", has_key=has_key)}
    return {**({"inputs": [asked]} if has_key else {}), "servers": {name: server}}


CLIENTS: Mapping[str, Callable[..., Members]] = {"claude": _claude, "cursor": _cursor, "vscode": _vscode}


@click.command()
@click.argument("endpoint")
@click.option("--area", help="Area of the functions.  [default: the only one]")
@click.option(
    "--client", type=click.Choice(list(CLIENTS)), default="claude", show_default=True, help="Whose form."
)
@click.option("--url", help="URL of the deployment.  [default: the stack's ApiUrl]")
@api_key_option
@deployment_options
def mcp(
    deployment: Deployment, endpoint: str, area: str | None, client: str, url: str | None, api_key: str
) -> None:
    """Print how clients reach ENDPOINT's MCP server.

    The key isn't in it: clients read it from the variable SILVAENGINE_API_KEY, or ask for it.

    \b
    Examples:
      silvaengine mcp demo --local > .mcp.json
      silvaengine mcp acme --api-key acme-key --client vscode > .vscode/mcp.json
    """
    registry = open_registry(deployment)
    area = area or only_area(registry, read_key_access(registry, endpoint, api_key))
    key_access = read_key_access(registry, endpoint, api_key, area, deployment.output("Stage"))
    are_all = key_access.settings.get(SETTING) is True
    tools = read_tools(registry.function_rows(key_access), area, are_all=are_all)
    if not tools:
        words = f"the key opens no tools in area {area!r}: functions need `mcp: true`"
        raise click.ClickException(words)
    address = f"{(url or deployment.output('ApiUrl')).rstrip('/')}/{area}/{endpoint}/mcp"
    configuration = CLIENTS[client](f"{endpoint}-{area}", address, has_key=api_key != DEFAULT_API_KEY)
    click.echo(json.dumps(configuration, indent=2))
    click.echo(f"tools at {address}: {len(tools)}", err=True)


def _headers(value: str, *, has_key: bool) -> Members:
    return {"headers": {"x-api-key": value}} if has_key else {}
