"""The alias of the worker that calls go to: which version it points to, and which it pointed to before.

docs.aws.amazon.com/lambda/latest/dg/configuration-aliases.html
"""

from dataclasses import dataclass
from typing import Any

import click

from silvaengine_cli.deployment import Deployment


@dataclass(frozen=True, slots=True)
class Move:
    """A move of the alias; ``before`` is empty if it was made."""

    alias: str
    before: str
    version: str


class WorkerAlias:
    """A worker's alias and versions.

    Args:
        deployment: whose worker it is.
        name: of the alias; empty for the stack's WorkerAlias.

    Raises:
        ClickException: calls go to no alias, and none is named.
    """

    def __init__(self, deployment: Deployment, name: str = "") -> None:
        self._name = name or deployment.parameter("WorkerAlias")
        if not self._name:
            raise click.ClickException(
                f"calls of stack {deployment.stack!r} go to the worker's newest code: name an alias with "
                "`silvaengine worker release --alias NAME`, then deploy with WorkerAlias=NAME"
            )
        self._worker = deployment.output("WorkerArn")
        self._lambda = deployment.client("lambda")

    def release(self) -> Move:
        """Publish the worker's newest code as a version, and point the alias to it; make it if need be."""
        published = self._lambda.publish_version(FunctionName=self._worker)["Version"]
        waiter = self._lambda.get_waiter("published_version_active")
        waiter.wait(FunctionName=self._worker, Qualifier=published)
        return self._point_to(published)

    def roll_back(self, version: int | None = None) -> Move:
        """Point the alias to a version, by default the one before.

        Raises:
            ClickException: there is no such alias or version.
        """
        current = self._read()
        if current is None:
            raise click.ClickException(f"the worker has no alias {self._name!r}")
        versions = self._versions()
        at = int(current["FunctionVersion"])
        target = version or max((each for each in versions if each < at), default=0)
        if target not in versions:
            known = ", ".join(map(str, versions)) or "none"
            what = f"version {version}" if version else f"version before {at}"
            raise click.ClickException(f"the worker has no {what}; it has {known}")
        return self._point_to(str(target))

    def _point_to(self, version: str) -> Move:
        current = self._read()
        names = {"FunctionName": self._worker, "Name": self._name, "FunctionVersion": version}
        if current is None:
            self._lambda.create_alias(**names)
            return Move(self._name, "", version)
        # Refused if somebody else has moved it since; and whatever share another version had ends.
        self._lambda.update_alias(
            **names, RevisionId=current["RevisionId"], RoutingConfig={"AdditionalVersionWeights": {}}
        )
        return Move(self._name, current["FunctionVersion"], version)

    def _read(self) -> dict[str, Any] | None:
        try:
            alias: dict[str, Any] = self._lambda.get_alias(FunctionName=self._worker, Name=self._name)
        except self._lambda.exceptions.ResourceNotFoundException:
            return None
        return alias

    def _versions(self) -> list[int]:
        pages = self._lambda.get_paginator("list_versions_by_function").paginate(FunctionName=self._worker)
        found = (each["Version"] for page in pages for each in page["Versions"])
        return sorted(int(version) for version in found if version.isdecimal())
