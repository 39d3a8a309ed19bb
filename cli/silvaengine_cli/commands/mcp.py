"""``mcp``: how the usual clients reach an endpoint's MCP server."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import click

from silvaengine.tables import DEFAULT_API_KEY
from silvaengine_cli.client_options import key_area_options
from silvaengine_cli.deployment import Deployment, deployment_options
from silvaengine_cli.registry.lookup import read_key_area
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
@key_area_options
@click.option(
    "--client", type=click.Choice(list(CLIENTS)), default="claude", show_default=True, help="Whose form."
)
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
    registry, name, key_access, address = read_key_area(deployment, endpoint, area, api_key, url)
    are_all = key_access.settings.get(SETTING) is True
    tools = read_tools(registry.function_rows(key_access), name, are_all=are_all)
    if not tools:
        words = f"the key opens no tools in area {name!r}: functions need `mcp: true`"
        raise click.ClickException(words)
    server = f"{address}/mcp"
    configuration = CLIENTS[client](f"{endpoint}-{name}", server, has_key=api_key != DEFAULT_API_KEY)
    click.echo(json.dumps(configuration, indent=2))
    click.echo(f"tools at {server}: {len(tools)}", err=True)


def _headers(value: str, *, has_key: bool) -> Members:
    return {"headers": {"x-api-key": value}} if has_key else {}
