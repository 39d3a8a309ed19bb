"""``openapi``: what a key may call, as the gateway describes it."""

import json
from pathlib import Path

import click

from silvaengine.registry.model import KeyAccess
from silvaengine.registry.registry import Registry
from silvaengine_cli.client_options import api_key_option
from silvaengine_cli.deployment import Deployment, deployment_options
from silvaengine_cli.output_file import check_new, output_options
from silvaengine_cli.registry.lookup import open_registry, read_key_access
from silvaengine_http.openapi import document_of


@click.command()
@click.argument("endpoint")
@click.option("--area", help="Area of the functions.  [default: the only one]")
@api_key_option
@click.option("--url", help="URL of the deployment in the document.  [default: the stack's ApiUrl]")
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
    registry = open_registry(deployment)
    area = area or _only_area(registry, read_key_access(registry, endpoint, api_key))
    key_access = read_key_access(registry, endpoint, api_key, area, deployment.output("Stage"))
    full_event_areas = map(str.strip, deployment.parameter("FullEventAreas").split(","))
    address = f"{(url or deployment.output('ApiUrl')).rstrip('/')}/{area}/{endpoint}"
    document = document_of(registry, key_access, area, address, is_raw=area in full_event_areas)
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    if output is None:
        click.echo(text, nl=False)
    else:
        output.write_text(text)
        click.echo(f"wrote {output}: {len(document['paths'])} paths", err=True)


def _only_area(registry: Registry, key_access: KeyAccess) -> str:
    areas = sorted(registry.areas(key_access))
    if len(areas) != 1:
        found = f"it has functions in {', '.join(areas)}" if areas else "it has no functions"
        raise click.ClickException(f"--area says which area of the key is meant: {found}")
    return areas[0]
