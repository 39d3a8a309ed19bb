"""Releases that serve, and what of the platform they don't have yet."""

from collections.abc import Collection, Iterator
from typing import Any

from silvaengine.aws.table_client import Row
from silvaengine.registry.packages import PROTOCOL, SERVED_PROTOCOLS
from silvaengine.registry.turns import serving
from silvaengine_cli import AwsClient
from silvaengine_cli.deployment import Deployment
from silvaengine_cli.publishing.coverage import with_outcomes
from silvaengine_cli.publishing.platform import Platform
from silvaengine_cli.publishing.releases import PackageReleases, read_pointers
from silvaengine_cli.publishing.versions import Answer
from silvaengine_cli.publishing.worker_code import deployed_worker, digest_of_worker

_NETWORK = ("SubnetIds", "SecurityGroupIds")


class CurrentPlatform:
    """What a deployment gives its packages now.

    Args:
        deployment: whose packages are compared with it.
    """

    def __init__(self, deployment: Deployment) -> None:
        self.platform = Platform.read(deployment)
        self.worker = deployed_worker(deployment)
        self._worker_digest = digest_of_worker(self.worker)
        self._functions: AwsClient = deployment.client("lambda")

    def behind(self, releases: PackageReleases, pointer: Row) -> dict[int, list[str]]:
        """Return what each release that serves doesn't have yet; those that have all of it are left out."""
        found = {number: list(self._lacks(releases, number)) for number in sorted(serving(pointer))}
        return {number: lacks for number, lacks in found.items() if lacks}

    def _lacks(self, releases: PackageReleases, number: int) -> Iterator[str]:
        row = releases.read(number)
        if row is None:  # a gateway says so at each call
            return
        if row["protocol"] != PROTOCOL:
            yield f"protocol {PROTOCOL} (it has {row['protocol']})"
        if row.get("worker") != self._worker_digest:
            yield "the worker's code"
        try:
            version = configuration_of(self._functions, releases.function_name, number)
        except self._functions.exceptions.ResourceNotFoundException:
            yield "its version, which was deleted: publish the package again"
        else:
            yield from self._differs(row, version)

    def _differs(self, row: Row, version: Answer) -> Iterator[str]:
        platform = self.platform
        if [each["Arn"] for each in version.get("Layers") or ()] != [platform.layer]:
            yield "the layer"
        if version["Runtime"] != platform.runtime:
            yield "the runtime"
        network = version.get("VpcConfig") or {}
        if {name: network[name] for name in _NETWORK if network.get(name)} != dict(platform.network):
            yield "the network"
        own = set(row.get("own_variables", ()))
        variables = {
            name: value for name, value in version["Environment"]["Variables"].items() if name not in own
        }
        names = variables.keys() | platform.environment.keys()
        if changed := sorted(name for name in names if variables.get(name) != platform.environment.get(name)):
            yield f"variables: {', '.join(changed)}"


def configuration_of(functions: AwsClient, name: str, number: int) -> Answer:
    """Return the configuration of a version of a Lambda."""
    found: dict[str, Any] = functions.get_function(FunctionName=name, Qualifier=str(number))
    configuration: Answer = found["Configuration"]
    return configuration


def packages_behind(deployment: Deployment, pointers: Collection[Row]) -> dict[str, dict[int, list[str]]]:
    """Return by package what the releases that serve lack; nothing where the deployment is no stack."""
    if not pointers or not deployment.has_output("PackageServiceRole"):
        return {pointer["package"]: {} for pointer in pointers}
    current = CurrentPlatform(deployment)
    return {
        pointer["package"]: current.behind(PackageReleases(deployment, pointer["package"]), pointer)
        for pointer in pointers
    }


def read_packages(deployment: Deployment) -> list[Row]:
    """Return all packages' pointers with outcomes and, as ``behind``, what ``packages_behind`` says."""
    pointers = read_pointers(deployment.client("dynamodb"), deployment.table_prefix)
    behind, tables = packages_behind(deployment, pointers), deployment.tables()
    return [with_outcomes(row, tables) | {"behind": behind[row["package"]]} for row in pointers]


def packages_before_upgrade(deployment: Deployment) -> dict[str, list[int]]:
    """Return a deployment's packages, with the releases that serve and this version's gateways refuse."""
    if not deployment.has_output("PackageServiceRole"):
        return {}
    return {
        pointer["package"]: sorted(_refused(PackageReleases(deployment, pointer["package"]), pointer))
        for pointer in read_pointers(deployment.client("dynamodb"), deployment.table_prefix)
    }


def _refused(releases: PackageReleases, pointer: Row) -> Iterator[int]:
    for number in serving(pointer):
        row = releases.read(number)
        if row and row["protocol"] not in SERVED_PROTOCOLS:
            yield number
