"""Keys that open too much, and packages that are behind the platform."""

from collections.abc import Iterator

from silvaengine.aws.table_client import Row
from silvaengine_cli.api_keys import find_unrestricted_keys
from silvaengine_cli.deployment import Deployment
from silvaengine_cli.publishing.behind import packages_behind
from silvaengine_cli.publishing.releases import read_pointers
from silvaengine_cli.registry.collisions import colliding_settings
from silvaengine_cli.registry.plan import REGISTRY_TABLES


def check_keys(deployment: Deployment) -> Iterator[str]:
    """Yield the keys that open every endpoint, and settings that two endpoints would share."""
    tables = deployment.tables()
    yield from find_unrestricted_keys(tables)
    rows = ((table, row) for table in REGISTRY_TABLES for row in tables.scan(table))
    for setting_id, complaint in colliding_settings(rows):
        yield f"settings {setting_id}: {complaint}"


def check_packages(deployment: Deployment) -> Iterator[str]:
    """Yield the releases that serve and lack something of the platform's."""
    pointers = read_pointers(deployment.client("dynamodb"), deployment.table_prefix)
    yield from behind(deployment, pointers)


def behind(deployment: Deployment, pointers: list[Row]) -> Iterator[str]:
    """Yield the same of these packages."""
    for package, releases in packages_behind(deployment, pointers).items():
        for number, lacks in releases.items():
            yield (
                f"package {package}: release {number} lacks {', '.join(lacks)}: "
                f"`silvaengine packages update {package}`"
            )
