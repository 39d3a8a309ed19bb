"""Published packages: which release serves a tenant, and the functions that it has."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from silvaengine.errors import ConfigurationError, NotFoundError
from silvaengine.lru import Budget, LruCache
from silvaengine.registry.packages import POINTER_ITEM, PackageEntry, Pointer, Release, call_of, release_item
from silvaengine.settings import PACKAGE_MARK

if TYPE_CHECKING:
    from silvaengine.aws.table_client import Row
    from silvaengine.registry.model import KeyAccess
    from silvaengine.registry.rows import RegistryRows


class Releases:
    """Finds the releases of packages.

    Args:
        rows: reads pointers and releases.
        memory: keeps pointers until the registry's generation changes.
        budget: what the registry may keep in memory.
        ttl: seconds for which a release is kept, whatever the generation: it never changes.
        clock: returns seconds that go on in a freeze.
    """

    def __init__(
        self,
        rows: "RegistryRows",
        memory: LruCache,
        budget: Budget,
        ttl: float,
        clock: Callable[[], float],
    ) -> None:
        self._rows = rows
        self._memory = memory
        self._releases = LruCache(ttl, budget, clock)

    def serving(
        self, packages: Sequence[PackageEntry], endpoint_id: str
    ) -> Iterator[tuple[PackageEntry, Release, Pointer | None]]:
        """Yield the packages that have a release which serves a tenant, it and what chose it, in their order.

        Raises:
            ConfigurationError: a release can't be used; the others were yielded before.
        """
        arns = tuple(dict.fromkeys(entry.function_arn for entry in packages))
        pointers: dict[str, Pointer] = self._memory.get_or_load(
            ("pointers", arns), lambda: self._load_pointers(arns)
        )
        failure: ConfigurationError | None = None
        for entry in packages:
            function_arn, _, version = entry.function_arn.rpartition(":")
            pointer = pointers.get(entry.function_arn)
            if version.isdecimal():
                number = int(version)
            elif pointer:
                function_arn, number = entry.function_arn, pointer.choose(endpoint_id)
            else:
                continue
            try:
                yield entry, self.get(function_arn, number), pointer
            except NotFoundError:
                continue
            except ConfigurationError as error:
                failure = error
        if failure:
            raise failure

    def find(self, key_access: "KeyAccess", name: str) -> tuple[PackageEntry, Release, Pointer | None] | None:
        """Return the package that has a function for a key, its release and what chose it; None if none has.

        An entry for the function goes before those for whole packages. Raises like ``serving``.
        """
        own = [entry for entry in key_access.packages if entry.function == name]
        opened = own or [entry for entry in key_access.packages if not entry.function]
        serving = self.serving(opened, key_access.endpoint_id)
        return next((found for found in serving if name in found[1].functions), None)

    def functions(self, key_access: "KeyAccess") -> Iterator[tuple[str, "Row", Release]]:
        """Yield the published functions that a key opens: name, row, release; raises like ``serving``."""
        seen = set(key_access.functions)
        for package, release, _ in self.serving(key_access.packages, key_access.endpoint_id):
            for name, row in release.functions.items():
                if name not in seen and package.function in {"", name}:
                    seen.add(name)
                    yield name, row, release

    def described_rows(self, key_access: "KeyAccess") -> "Iterator[Row]":
        """Yield their rows, with release, name and description, perhaps empty; raises like ``serving``."""
        said: dict[str, Mapping[str, Any]] = {}
        for name, row, release in self.functions(key_access):
            if release.arn not in said:
                said[release.arn] = self.descriptions(release)
            description = said[release.arn].get(call_of(name, row["config"]), {})
            owner = {"aws_lambda_arn": release.arn, **release.fields}
            yield {**row, **owner, "function": name, "description": description}

    def _load_pointers(self, arns: Sequence[str]) -> dict[str, Pointer]:
        rows = self._rows.packages(POINTER_ITEM, *arns)
        return {row["function_arn"]: Pointer.from_row(row) for row in rows}

    def get(self, function_arn: str, number: int) -> Release:
        """Return a release.

        Raises:
            NotFoundError: there is none any more.
            ConfigurationError: it can't be used; see ``Release.from_row``.
        """

        def load() -> Release:
            for row in self._rows.packages(release_item(number), function_arn):
                return Release.from_row(row)
            package = function_arn.rpartition(PACKAGE_MARK)[2]
            raise NotFoundError(f"Release {number} of package {package!r} does not exist any more")

        release: Release = self._releases.get_or_load((function_arn, number), load)
        return release

    def descriptions(self, release: Release) -> Mapping[str, Any]:
        """Return what a release's version says of its functions, by ``module:Class.function``."""
        function_arn = release.arn.rpartition(":")[0]
        for row in self._rows.packages(release_item(release.number), function_arn):
            found: Mapping[str, Any] = json.loads(row.get("descriptions") or "{}")
            return found
        return {}
