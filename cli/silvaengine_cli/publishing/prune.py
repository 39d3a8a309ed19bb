"""Deleting releases that nobody needs any more: rows, then their versions and objects."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from silvaengine.aws.table_client import Row
from silvaengine.ledger.execution import DAY, LIVE
from silvaengine.registry.turns import serving
from silvaengine_cli import AwsClient
from silvaengine_cli.deployment import Deployment
from silvaengine_cli.jobs import Jobs
from silvaengine_cli.publishing.patience import Patience
from silvaengine_cli.publishing.releases import PackageReleases
from silvaengine_cli.publishing.versions import Versions

KEPT_SECONDS = 15 * DAY  # a day more than a dead-letter queue keeps the message about a job

OBJECTS = "packages/{}/"


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was deleted, or would be: releases and versions by number, objects by key; ``busy`` have jobs."""

    releases: list[int]
    versions: list[int]
    objects: list[str]
    busy: list[int]


class Pruning:
    """Deletes what has served nobody for long.

    A release whose row is gone can't be turned to any more. What a publication that broke off has left, a
    version or an object without a release, goes like theirs.

    Args:
        deployment: whose package it is.
        releases: the package's.
        versions: those of its Lambda.
        before: epoch seconds, since when it served nobody.
    """

    def __init__(
        self, deployment: Deployment, releases: PackageReleases, versions: Versions, before: float
    ) -> None:
        self._deployment = deployment
        self._releases = releases
        self._versions = versions
        self._before = before

    def run(self, *, dry_run: bool) -> Pruned:
        """Delete what is old, or say what would be deleted.

        Raises:
            ChangedMeanwhileError: the pointer was turned meanwhile; what wasn't deleted is as it was.
        """
        pointer, rows = self._releases.pointer(), self._releases.all()
        old = [row["release"] for row in rows if self._is_old(row, pointer)]
        needed = self._needed_by_jobs() if old else set[int]()
        releases = [number for number in old if number not in needed]
        kept = [row for row in rows if row["release"] not in releases]
        versions, objects = list(self._old_versions(kept)), list(self._old_objects(kept))
        if not dry_run:
            for number in releases:
                self._releases.delete(number, pointer)
            for number in versions:
                self._versions.delete(number)
            for key in objects:
                self._s3.delete_object(Bucket=self._bucket, Key=key)
        return Pruned(releases, versions, objects, sorted(needed.intersection(old)))

    def _is_old(self, row: Row, pointer: Row) -> bool:
        left = pointer["left"].get(str(row["release"]), row["created_at"])
        return row["release"] not in serving(pointer) and left <= self._before

    def _needed_by_jobs(self) -> set[int]:
        live = (each for each in Jobs(self._deployment).scan() if each.state in LIVE)
        parts = (each.aws_lambda_arn.rpartition(":") for each in live)
        return {int(number) for arn, _, number in parts if arn == self._releases.function_arn}

    def _old_versions(self, kept: list[Row]) -> Iterator[int]:
        numbers = {row["release"] for row in kept}
        for number, published in self._versions.numbers():
            if number not in numbers and datetime.fromisoformat(published).timestamp() <= self._before:
                yield number

    def _old_objects(self, kept: list[Row]) -> Iterator[str]:
        keys = {row["object"] for row in kept} | self._named_by_stack()
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=OBJECTS.format(self._releases.package)
        )
        for each in (each for page in pages for each in page.get("Contents", ())):
            if each["Key"] not in keys and each["LastModified"].timestamp() <= self._before:
                yield each["Key"]

    def _named_by_stack(self) -> set[str]:
        """Return what the parameters of the package's stack say, a key among it: CloudFormation reads it."""
        cloudformation = self._deployment.client("cloudformation")
        (stack,) = cloudformation.describe_stacks(StackName=self._releases.function_name)["Stacks"]
        return {each["ParameterValue"] for each in stack.get("Parameters", ())}

    @property
    def _s3(self) -> AwsClient:
        return self._deployment.client("s3")

    @property
    def _bucket(self) -> str:
        return self._deployment.output("PayloadBucket")


def prune_before_latest(count: int, deployment: Deployment, package: str) -> None:
    """Delete what of a package has served nobody since the first of its latest releases was written."""
    releases = PackageReleases(deployment, package)
    rows = releases.all()
    if len(rows) > count:
        functions = deployment.client("lambda")
        versions = Versions(functions, releases.function_name, Patience(lambda _line: None))
        Pruning(deployment, releases, versions, rows[-count]["created_at"]).run(dry_run=False)
