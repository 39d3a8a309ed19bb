"""The releases of packages that are pinned for a tenant."""

from collections.abc import Iterable

from silvaengine_cli.deployment import Deployment
from silvaengine_cli.publishing.releases import PackageReleases, read_pointers
from silvaengine_cli.registry.rows import Row


class Pins:
    """A tenant's pins."""

    def __init__(self, deployment: Deployment, endpoint_id: str) -> None:
        self._deployment = deployment
        self._endpoint_id = endpoint_id

    def find(self) -> list[Row]:
        """Return the pointers of the packages that have a pin of the tenant."""
        pointers = read_pointers(self._deployment.client("dynamodb"), self._deployment.table_prefix)
        return [row for row in pointers if self._endpoint_id in row["pins"]]

    def delete(self, pointers: Iterable[Row]) -> None:
        """Take the tenant's pin out of pointers; raises ChangedMeanwhileError."""
        for row in pointers:
            pins = {name: number for name, number in row["pins"].items() if name != self._endpoint_id}
            PackageReleases(self._deployment, row["package"]).turn(row, row["release"], pins)
