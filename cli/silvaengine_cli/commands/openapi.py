"""``openapi`` and ``client``: what a key may call, as the gateway describes it, and clients for it."""

import json
from pathlib import Path
from typing import Any

import click

from silvaengine_cli.client_options import key_area_options
from silvaengine_cli.clients import GENERATORS, client_name, write_client
from silvaengine_cli.deployment import Deployment, deployment_options
from silvaengine_cli.output_file import check_new, output_options
from silvaengine_cli.registry.lookup import KeyArea, read_key_area
from silvaengine_http.openapi import document_of


@click.command()
@key_area_options
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
    document = _document(deployment, read_key_area(deployment, endpoint, area, api_key, url))
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    if output is None:
        click.echo(text, nl=False)
    else:
        output.write_text(text)
        click.echo(f"wrote {output}: {len(document['paths'])} paths", err=True)


@click.command()
@key_area_options
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
    key_area = read_key_area(deployment, endpoint, area, api_key, url)
    document, name = _document(deployment, key_area), client_name(endpoint, key_area.name)
    write_client(GENERATORS[lang], document, name, output)
    operations = sum(len(item) for item in document["paths"].values())
    click.echo(f"wrote {output}: {name}, {operations} operations")


def _document(deployment: Deployment, key_area: KeyArea) -> dict[str, Any]:
    registry, area, key_access, address = key_area
    full_event_areas = map(str.strip, deployment.parameter("FullEventAreas").split(","))
    return document_of(registry, key_access, area, address, is_raw=area in full_event_areas)
