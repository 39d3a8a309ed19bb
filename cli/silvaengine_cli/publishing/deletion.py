"""The end of a package: its pointer, releases, rows and stack; what holds its data stays.

The stack goes last, so that what broke off is found again, and repeated.
"""

from collections.abc import Callable
from dataclasses import dataclass

import click

from silvaengine.aws.table_client import Row
from silvaengine.ledger.execution import LIVE
from silvaengine.tables import CONNECTIONS, FUNCTIONS
from silvaengine_cli.deployment import Deployment
from silvaengine_cli.jobs import Jobs
from silvaengine_cli.operator import announce_rows
from silvaengine_cli.publishing.bindings import write_bindings
from silvaengine_cli.publishing.prune import OBJECTS
from silvaengine_cli.publishing.releases import PackageReleases, did_you_mean, read_pointers
from silvaengine_cli.registry.packages import Packages
from silvaengine_cli.stack_deletion import delete_stack, find_stack


@dataclass(frozen=True, slots=True)
class Remains:
    """What there is of a package.

    Args:
        releases: their numbers.
        pins: the tenants that are pinned to one.
        jobs: how many wait or run.
        connections: the endpoints with connections that list it, or functions of it; ``1`` for all endpoints.
        stack: the id of its stack, None without one.
    """

    releases: list[int]
    pins: list[str]
    jobs: int
    connections: list[str]
    stack: str | None


class Deletion:
    """The deletion of one package.

    Args:
        deployment: whose package it is.
        package: its name.
    """

    def __init__(self, deployment: Deployment, package: str) -> None:
        self._deployment = deployment
        self._releases = PackageReleases(deployment, package)
        self._tables = deployment.tables()

    def find(self) -> Remains:
        """Return what there is of the package; raise ClickException if it is nothing."""
        releases, pointer = self._releases, self._releases.read_pointer()
        numbers = [row["release"] for row in releases.all()]
        stack = find_stack(self._deployment.client("cloudformation"), releases.function_name)
        if not (pointer or numbers or stack or self._function_rows()):
            pointers = read_pointers(self._deployment.client("dynamodb"), self._deployment.table_prefix)
            hint = did_you_mean(releases.package, [each["package"] for each in pointers])
            raise click.ClickException(f"there is no package {releases.package!r}{hint}")
        pins = sorted(pointer["pins"]) if pointer else []
        return Remains(numbers, pins, self._live_jobs(), self._connections(), stack)

    def run(self, say: Callable[[str], None]) -> list[str]:
        """Delete the package, or what a deletion that broke off has left; return what its stack retained.

        Raises:
            ChangedMeanwhileError: somebody has published it meanwhile.
        """
        retained: list[str] = []
        for title, step in STEPS:
            say(f"{self._releases.package}: {title}")
            retained += step(self) or []
        return retained

    def end_pointer(self) -> None:
        """Delete the pointer: gateways find no function of the package any more."""
        if pointer := self._releases.read_pointer():
            self._releases.end(pointer)
        announce_rows(self._deployment)  # once more, as after a turn: see `silvaengine.registry.turns`

    def end_bindings(self) -> None:
        """Bind no source of events to its functions any more."""
        if write_bindings(self._tables, self._releases.package, ()):
            self._tables.bump_generation()

    def delete_releases(self) -> None:
        """Delete the releases; jobs of theirs end with their next attempt."""
        for row in self._releases.all():
            self._releases.delete(row["release"], None)

    def delete_rows(self) -> None:
        """Delete the functions' rows."""
        for row in self._function_rows():
            self._tables.delete(FUNCTIONS, row)

    def delete_stack(self) -> list[str]:
        """Delete the stack, with the Lambda and its versions; return what it retained."""
        stack = find_stack(self._deployment.client("cloudformation"), self._releases.function_name)
        return delete_stack(self._deployment, stack) if stack else []

    @property
    def objects(self) -> str:
        """Where the code of its releases is."""
        return f"s3://{self._deployment.output('PayloadBucket')}/{OBJECTS.format(self._releases.package)}"

    def _function_rows(self) -> list[Row]:
        return list(self._tables.query(FUNCTIONS, self._releases.function_arn))

    def _live_jobs(self) -> int:
        arn = f"{self._releases.function_arn}:"
        jobs = Jobs(self._deployment).scan()
        return sum(each.state in LIVE and each.aws_lambda_arn.startswith(arn) for each in jobs)

    def _connections(self) -> list[str]:
        package, packages = self._releases.package, Packages(self._tables, self._deployment.worker_arn)
        return sorted(
            {
                row["endpoint_id"]
                for row in self._tables.scan(CONNECTIONS)
                if package in (entry["package"] for entry in row.get("packages") or ())
                or package in map(packages.owner, row.get("functions") or ())
            }
        )


type Step = tuple[str, Callable[[Deletion], list[str] | None]]

STEPS: tuple[Step, ...] = (
    ("end the pointer", Deletion.end_pointer),
    ("end the bindings of events", Deletion.end_bindings),
    ("delete the releases", Deletion.delete_releases),
    ("delete the rows for other readers", Deletion.delete_rows),
    ("delete the stack", Deletion.delete_stack),
)
