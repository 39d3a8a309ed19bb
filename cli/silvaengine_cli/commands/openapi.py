"""``openapi`` and ``client``: what a key may call, as the gateway describes it, and clients for it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from silvaengine_cli.client_options import api_key_option
from silvaengine_cli.clients import GENERATORS, client_name, write_client
from silvaengine_cli.deployment import Deployment, deployment_options
from silvaengine_cli.output_file import check_new, output_options
from silvaengine_cli.registry.lookup import only_area, open_registry, read_key_access
from silvaengine_http.openapi import document_of


def _document_options[R](command: Callable[..., R]) -> Callable[..., R]:
    """Add what says whose document is meant, as the parameters of ``_read_document``."""
    url = click.option("--url", help="URL of the deployment in the document.  [default: the stack's ApiUrl]")
    area = click.option("--area", help="Area of the functions.  [default: the only one]")
    return click.argument("endpoint")(area(api_key_option(url(command))))


@click.command()
@_document_options
@output_options
@deployment_options
def openapi(
    deployment: Deployment,
    endpoint: str,
    area: str | None,
    api_key: str,
    url: str | None,
    output: Path | None,
    force: bool,
) -> None:
    """Write the OpenAPI document of what a key may call at ENDPOINT.

    It is the gateway's openapi.json, with the address of the deployment, and is also written where the
    endpoint's settings switch that off.

    \b
    Examples:
      silvaengine openapi demo --local
      silvaengine openapi acme --api-key acme-key --area core --output openapi.json
    """
    check_new(output, force=force)
    _, document = _read_document(deployment, endpoint, area, api_key, url)
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    if output is None:
        click.echo(text, nl=False)
    else:
        output.write_text(text)
        click.echo(f"wrote {output}: {len(document['paths'])} paths", err=True)


@click.command()
@_document_options
@click.option("--lang", required=True, type=click.Choice(list(GENERATORS)), help="The client's language.")
@click.option(
    "--output",
    "-o",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder to write: a new one, an empty one, or that of an earlier client.",
)
@deployment_options
def client(
    deployment: Deployment,
    endpoint: str,
    area: str | None,
    api_key: str,
    url: str | None,
    lang: str,
    output: Path,
) -> None:
    """Write a client for what a key may call at ENDPOINT.

    It replaces what it wrote into the folder before, and nothing else. The API key is not written.

    \b
    Examples:
      silvaengine client acme --api-key acme-key --lang typescript --output clients/acme --local
      silvaengine client demo --area core --lang python --output clients/demo --stack silvaengine
    """
    area, document = _read_document(deployment, endpoint, area, api_key, url)
    name = client_name(endpoint, area)
    write_client(GENERATORS[lang], document, name, output)
    operations = sum(len(item) for item in document["paths"].values())
    click.echo(f"wrote {output}: {name}, {operations} operations")


def _read_document(
    deployment: Deployment, endpoint: str, area: str | None, api_key: str, url: str | None
) -> tuple[str, dict[str, Any]]:
    """Return the area that is meant, and the key's document of it."""
    registry = open_registry(deployment)
    area = area or only_area(registry, read_key_access(registry, endpoint, api_key))
    key_access = read_key_access(registry, endpoint, api_key, area, deployment.output("Stage"))
    full_event_areas = map(str.strip, deployment.parameter("FullEventAreas").split(","))
    address = f"{(url or deployment.output('ApiUrl')).rstrip('/')}/{area}/{endpoint}"
    return area, document_of(registry, key_access, area, address, is_raw=area in full_event_areas)
