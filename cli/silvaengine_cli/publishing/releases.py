"""The table of packages as publishers write it: a release is put once, and the pointer turns on condition."""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import click

from silvaengine.aws.attribute_values import decode_row, encode_row
from silvaengine.aws.backoff import Backoff
from silvaengine.aws.botocore import BotocoreApi
from silvaengine.aws.table_client import Row, TableWriter
from silvaengine.registry.packages import POINTER_ITEM, Release, release_item
from silvaengine.registry.turns import turn
from silvaengine.settings import package_prefix
from silvaengine.tables import CONFIG_DATA, GENERATION_KEY, PACKAGES
from silvaengine_cli import AwsClient
from silvaengine_cli.closest import closest
from silvaengine_cli.deployment import Deployment

CONFLICTS = Backoff(0.1, 8)  # another transaction on the generation is over in milliseconds


class ChangedMeanwhileError(click.ClickException):
    """Somebody else has turned the pointer since it was read."""


class _TransactionConflictError(Exception):
    """Another write was under way on one of the rows."""


class PackageReleases:
    """A package's releases, and the pointer to those that serve.

    Args:
        deployment: whose package it is.
        package: its name; there may be no such package yet.
    """

    def __init__(self, deployment: Deployment, package: str) -> None:
        self.package: Final = package
        self.function_arn: Final = package_arn(deployment.worker_arn, package)
        self._deployment = deployment
        self._dynamodb = deployment.client("dynamodb")
        self._prefix = deployment.table_prefix
        api = BotocoreApi(self._dynamodb)
        self._writer = TableWriter(lambda: api, self._prefix)

    @property
    def function_name(self) -> str:
        """The name of the package's Lambda."""
        return self.function_arn.rpartition(":")[2]

    def read_pointer(self) -> Row | None:
        """Return the pointer's row; None for a package without a release that serves."""
        return self._get(POINTER_ITEM)

    def pointer(self) -> Row:
        """Return the pointer's row; raise ClickException if the package has none."""
        row = self.read_pointer()
        if row is None:
            known = [each["package"] for each in read_pointers(self._dynamodb, self._prefix)]
            raise click.ClickException(
                f"there is no package {self.package!r}{did_you_mean(self.package, known)}"
            )
        return row

    def read(self, number: int) -> Row | None:
        """Return a release's row, or None."""
        return self._get(release_item(number))

    def release(self, number: int) -> Row:
        """Return the row of a release that can serve; raise ClickException where it is missing or altered."""
        row = self.read(number)
        if row is None:
            known = ", ".join(str(each["release"]) for each in self.all()) or "none"
            raise click.ClickException(f"package {self.package!r} has no release {number}: it has {known}")
        Release.from_row(row)
        return row

    def all(self) -> list[Row]:
        """Return the rows of all releases, the oldest first."""
        pages = self._dynamodb.get_paginator("query").paginate(
            TableName=self._table,
            ConsistentRead=True,
            KeyConditionExpression="#arn = :arn AND begins_with(#item, :release)",
            ExpressionAttributeNames={"#arn": PACKAGES.hash_key, "#item": PACKAGES.range_key},
            ExpressionAttributeValues=encode_row({":arn": self.function_arn, ":release": "release:"}),
        )
        return [decode_row(item) for page in pages for item in page["Items"]]

    def put(self, row: Row) -> Row:
        """Put a release's row, or find that it is there; return what is there.

        Raises:
            ClickException: there is another release of that number.
        """
        row = {"function_arn": self.function_arn, "item": release_item(row["release"]), **row}
        try:
            self._dynamodb.put_item(
                TableName=self._table,
                Item=encode_row(row),
                ConditionExpression=f"attribute_not_exists({PACKAGES.hash_key})",
            )
        except self._dynamodb.exceptions.ConditionalCheckFailedException:
            found = self.release(row["release"])
            if found["digest"] != row["digest"]:
                name = f"release {row['release']} of {self.package!r}"
                raise click.ClickException(f"{name} is there and says something else") from None
            return found
        return row

    def turn(self, seen: Row | None, release: int, pins: Mapping[str, int], canary: Row | None = None) -> Row:
        """Turn the pointer to a release, and raise the registry's generation by the same write.

        Args:
            seen: the pointer's row as it was read, None if there was none.
            release: the number of the release that serves from now on.
            pins: the tenants that another release serves, with its number.
            canary: the pointer's attribute; None if no canary runs from now on.

        Returns:
            The pointer's new row.

        Raises:
            ChangedMeanwhileError: it was turned since it was read; nothing was written.
            ClickException: a release that it would name isn't there.
        """
        before = seen or {"function_arn": self.function_arn, "package": self.package}
        by, now = self._deployment.caller_arn, time.time()
        return self._written(
            lambda: turn(self._writer, before, release=release, pins=pins, canary=canary, by=by, now=now)
        )

    def end(self, seen: Row) -> None:
        """Delete the pointer, and raise the registry's generation by the same write: nothing serves any more.

        Raises:
            ChangedMeanwhileError: it was turned since it was read.
        """
        self._transact({"Delete": self._pointer_as(seen)}, self._next_generation())

    def delete(self, number: int, seen: Row | None) -> None:
        """Delete a release's row; raise ChangedMeanwhileError if the pointer has turned since it was read."""
        release = {"TableName": self._table, "Key": self._row_key(release_item(number))}
        self._transact({"ConditionCheck": self._pointer_as(seen)}, {"Delete": release})

    def _pointer_as(self, seen: Row | None) -> Row:
        return {"TableName": self._table, "Key": self._row_key(POINTER_ITEM), **_as_seen(seen)}

    def _next_generation(self) -> Row:
        update = {
            "TableName": self._prefix + CONFIG_DATA.name,
            "Key": encode_row(GENERATION_KEY),
            "UpdateExpression": "ADD #value :one",
            "ExpressionAttributeNames": {"#value": "value"},
            "ExpressionAttributeValues": encode_row({":one": 1}),
        }
        return {"Update": update}

    def _transact(self, *items: Row) -> None:
        self._written(lambda: self._dynamodb.transact_write_items(TransactItems=items))

    def _written[T](self, write: Callable[[], T]) -> T:
        """Return what a transaction on the pointer and then on others returns, once it wasn't in conflict."""

        def attempt() -> T:
            try:
                return write()
            except self._dynamodb.exceptions.TransactionCanceledException as error:
                codes = [reason["Code"] for reason in error.response["CancellationReasons"]]
                if codes[0] == "ConditionalCheckFailed":
                    raise ChangedMeanwhileError(
                        f"somebody else has published, taken back or pinned {self.package!r} meanwhile; "
                        f"nothing of yours was turned: look at `silvaengine releases list {self.package}`"
                    ) from None
                if "ConditionalCheckFailed" in codes:
                    raise click.ClickException(
                        f"a release of {self.package!r} was pruned meanwhile"
                    ) from None
                raise _TransactionConflictError(str(error)) from error

        try:
            return CONFLICTS.run(attempt, _TransactionConflictError)
        except _TransactionConflictError as error:
            raise click.ClickException(f"the tables are too busy, try again: {error}") from error

    def _get(self, item: str) -> Row | None:
        found = self._dynamodb.get_item(TableName=self._table, Key=self._row_key(item), ConsistentRead=True)
        return decode_row(found["Item"]) if "Item" in found else None

    @property
    def _table(self) -> str:
        return self._prefix + PACKAGES.name

    def _row_key(self, item: str) -> Row:
        return encode_row({"function_arn": self.function_arn, "item": item})


def read_pointers(dynamodb: AwsClient, prefix: str) -> list[Row]:
    """Return the pointers of all packages of the deployment's tables, by package."""
    pages = dynamodb.get_paginator("scan").paginate(
        TableName=prefix + PACKAGES.name, ConsistentRead=True, FilterExpression="attribute_exists(pins)"
    )
    rows = [decode_row(item) for page in pages for item in page["Items"]]
    return sorted(rows, key=lambda row: row["package"])


def package_arn(worker_arn: str, package: str) -> str:
    """Return the ARN of a package's Lambda, which stands beside the stack's worker.

    Raises:
        ClickException: the worker isn't a stack's.
    """
    prefix = package_prefix(worker_arn)
    if prefix is None:
        raise click.ClickException(f"{worker_arn} is no stack's worker: packages are published to a stack")
    return prefix + package


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a hint at the closest of the known names, else which there are."""
    names = sorted(known)
    return closest(name, names) or f"; there are {', '.join(names) or 'none'}"


def _as_seen(seen: Row | None) -> Row:
    if seen is None:
        return {"ConditionExpression": f"attribute_not_exists({PACKAGES.hash_key})"}
    values = encode_row({":seen": seen["revision"]})
    return {"ConditionExpression": "revision = :seen", "ExpressionAttributeValues": values}
