"""Deleting a tenant: each step finds anew what it deletes, so that a repetition finishes what broke off."""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

from silvaengine.tables import CONFIG_DATA, USAGE
from silvaengine_cli.deployment import Deployment
from silvaengine_cli.jobs import Jobs
from silvaengine_cli.open_connections import OpenConnections
from silvaengine_cli.operator import announce_rows, operate
from silvaengine_cli.registry.rows import Row
from silvaengine_cli.tenants.pins import Pins
from silvaengine_cli.tenants.rows import TenantRow, internal_rows, read_tenant_rows
from silvaengine_tasks.usage.rows import deletion_row

MOST_SECONDS = 60.0  # what instances that look at the registry more rarely write meanwhile is left, and said


class Step(NamedTuple):
    """A kind of what a tenant has: what there is of it, and its deletion."""

    name: str
    find: Callable[[], Sequence[Any]]
    delete: Callable[[Sequence[Any]], object]


class TenantDeletion:
    """What a deployment has of a tenant.

    Args:
        deployment: the stack; its gateway finds and deletes what is in Redis.
        endpoint_id: the tenant.
    """

    def __init__(self, deployment: Deployment, endpoint_id: str) -> None:
        self._deployment = deployment
        self._endpoint_id = endpoint_id
        self._tables = deployment.tables()
        self._connections = OpenConnections(deployment)
        self._jobs = Jobs(deployment)
        self._pins = Pins(deployment, endpoint_id)

    def found(self) -> dict[str, int]:
        """Return how much there is, by step; raises what ``read_tenant_rows`` raises."""
        return {step.name: len(step.find()) for step in self._steps()}

    def run(self) -> dict[str, int]:
        """Delete everything; return what is left, such as what a running function has written meanwhile.

        Raises:
            ClickException: settings may be another tenant's; nothing was deleted.
            ConditionFailedError: a row was changed meanwhile; a repetition goes on.
        """
        access, *others, redis = self._steps()
        access.delete(access.find())
        announce_rows(self._deployment)
        time.sleep(min(float(self._deployment.parameter("RegistryRefreshSeconds")), MOST_SECONDS))
        for step in others:
            step.delete(step.find())
        announce_rows(self._deployment)
        redis.delete(redis.find())
        return {name: number for name, number in self.found().items() if number}

    def _steps(self) -> Iterator[Step]:
        """Return the steps: access first, without which no key opens anything, and the copies in Redis last.

        Key rows come after the settings that they name, so that a repetition finds those.
        """
        rows, endpoint_id = read_tenant_rows(self._tables, self._endpoint_id), self._endpoint_id
        yield Step("endpoint", lambda: rows.endpoint, self._delete)
        connections, jobs = self._connections, self._jobs
        yield Step("connections", lambda: connections.ids(endpoint_id), self._delete_connections)
        yield Step("jobs", lambda: jobs.ids(endpoint_id), jobs.delete)
        yield Step("settings", lambda: rows.settings, self._delete)
        yield Step("hooks", lambda: rows.hooks, self._delete)
        yield Step("bindings", lambda: rows.bindings, self._delete)
        yield Step("usage", lambda: rows.usage, self._delete_usage)
        yield Step("pins", self._pins.find, self._pins.delete)
        yield Step("uses and clears", lambda: internal_rows(self._tables, endpoint_id), self._delete_internal)
        yield Step("API keys", lambda: rows.keys, self._delete)
        yield Step("keys in Redis", lambda: range(self._forget()), lambda _: self._forget(deletes=True))

    def _delete(self, rows: Sequence[TenantRow]) -> None:
        for each in rows:
            if each.rest is None:
                self._tables.delete(each.table, each.before)
            else:
                self._tables.update(each.table, each.before, each.rest)

    def _delete_usage(self, rows: Sequence[TenantRow]) -> None:
        """Delete usage; what the logs still say of it until now isn't counted again."""
        tombstone = deletion_row(self._endpoint_id, time.time())
        if before := self._tables.get(USAGE, *USAGE.key_of(tombstone)):
            self._tables.delete(USAGE, before)
        self._tables.create(USAGE, tombstone)
        self._delete(rows)

    def _delete_internal(self, rows: Sequence[Row]) -> None:
        for row in rows:
            self._tables.delete(CONFIG_DATA, row)

    def _delete_connections(self, connection_ids: Sequence[str]) -> None:
        self._connections.delete(self._endpoint_id, connection_ids)

    def _forget(self, *, deletes: bool = False) -> int:
        response = operate(self._deployment, "tenant_forget", endpoint_id=self._endpoint_id, deletes=deletes)
        return int(response["keys"])
