"""Published packages: which release of a package serves a tenant, and what a release says of its functions.

A package is a Lambda of its own, ``<stack>-pkg-<package>``; a release is a published version of it and has
the version's number, which Lambda never uses twice. The table has two kinds of items under the Lambda's ARN:
the pointer, which says which release serves, and the releases, which never change.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

from silvaengine.errors import ConfigurationError, NotFoundError
from silvaengine.lru import LruCache
from silvaengine.settings import PACKAGE_MARK

if TYPE_CHECKING:
    from silvaengine.aws.table_client import Row
    from silvaengine.registry.canary import Canary
    from silvaengine.registry.model import FunctionEntry, KeyAccess
    from silvaengine.registry.rows import RegistryRows

PROTOCOL = 1  # of payloads and release rows
SERVED_PROTOCOLS = (PROTOCOL - 1, PROTOCOL)  # of releases that a gateway serves: the last platform's, too
POINTER_ITEM = "pointer"
CANARIES = "canaries"  # in place of an ARN: the marks of canaries, by the ARN of their package
MAX_RELEASES = 64  # kept in memory


class Pointer(NamedTuple):
    """Which release of a package serves: one for all tenants, but for those that are pinned to another.

    While a canary runs, it serves those whom it covers.
    """

    package: str
    release: int
    pins: Mapping[str, int]
    canary: "Canary | None" = None

    @classmethod
    def from_row(cls, row: "Row") -> "Pointer":
        """Read the pointer's item."""
        pins = {endpoint_id: int(number) for endpoint_id, number in (row.get("pins") or {}).items()}
        return cls(row["package"], int(row["release"]), pins, _canary_of(row))

    def choose(self, endpoint_id: str) -> int:
        """Return the number of the release that serves a tenant."""
        if self.canary is not None and self.covers(endpoint_id):
            return self.canary.release
        return self.pins.get(endpoint_id, self.release)

    def covers(self, endpoint_id: str) -> bool:
        """Return whether a canary serves a tenant, which then isn't pinned."""
        canary = self.canary
        return (
            canary is not None and endpoint_id not in self.pins and canary.covers(self.package, endpoint_id)
        )


class PackageEntry(NamedTuple):
    """A key row's entry of a published package, by its Lambda's ARN, or of one ``function`` of it.

    The ARN of a version fixes the release. ``setting_id`` overrides the settings of what it opens.
    """

    function_arn: str
    setting_id: str
    function: str = ""


class Release(NamedTuple):
    """A release: ``arn`` is that of the Lambda's version.

    ``functions`` are rows like those of the functions table, by public name. ``digest`` names code and
    functions; the worker of the version has it in its artefact and refuses a call with another.
    """

    arn: str
    package: str
    number: int
    digest: str
    is_isolated: bool
    functions: "Mapping[str, Row]"

    @property
    def fields(self) -> dict[str, str | int]:
        """What a log line and an alert say of it."""
        return {"package": self.package, "release": self.number}

    @classmethod
    def from_row(cls, row: "Row") -> "Release":
        """Read a release's item.

        Raises:
            ConfigurationError: the row was altered, or is of a protocol that this platform doesn't know; its
                ``fields`` name the release.
        """
        function_arn, item = row["function_arn"], row["item"]
        number, package = int(item.partition(":")[2]), function_arn.rpartition(PACKAGE_MARK)[2]
        protocol = row.get("protocol")
        if protocol not in SERVED_PROTOCOLS:
            reason = f"its protocol is {protocol}, this platform's {PROTOCOL}: `silvaengine packages update`"
            raise _unusable(package, number, reason)
        is_isolated, text = bool(row.get("isolated")), row.get("functions", "")
        digest = release_digest(
            package, row.get("code", ""), text, is_isolated=is_isolated, protocol=int(protocol)
        )
        if digest != row.get("digest") or row.get("release") != number:
            raise _unusable(package, number, "its row was altered, it doesn't have its digest or number")
        functions: dict[str, Any] = json.loads(text)
        return cls(f"{function_arn}:{number}", package, number, digest, is_isolated, functions)


class Releases:
    """Finds the releases of packages.

    Args:
        rows: reads pointers and releases.
        memory: keeps pointers until the registry's generation changes.
        ttl: seconds for which a release is kept, whatever the generation: it never changes.
        clock: returns seconds that go on in a freeze.
    """

    def __init__(
        self, rows: "RegistryRows", memory: LruCache, ttl: float, clock: Callable[[], float]
    ) -> None:
        self._rows = rows
        self._memory = memory
        self._releases = LruCache(ttl, MAX_RELEASES, clock)

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
        """Yield their rows with name and description, which may be empty; raises like ``serving``."""
        said: dict[str, Mapping[str, Any]] = {}
        for name, row, release in self.functions(key_access):
            if release.arn not in said:
                said[release.arn] = self.descriptions(release)
            description = said[release.arn].get(call_of(name, row["config"]), {})
            yield {**row, "function": name, "description": description}

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


def _canary_of(row: "Row") -> "Canary | None":
    if not row.get("canary"):
        return None
    from silvaengine.registry.canary import Canary  # lazy: few packages have one

    return Canary.from_row(row["canary"])


def call_of(name: str, config: Mapping[str, Any]) -> str:
    """Return what a function calls, ``module:Class.function``, by its name and its ``config``."""
    path = ".".join(filter(None, (config.get("class_name"), config.get("function_name") or name)))
    return f"{config['module_name']}:{path}"


def split_packages(
    row: "Row", entries: "dict[str, FunctionEntry]", package_prefix: str
) -> tuple[PackageEntry, ...]:
    """Return a key row's entries of packages; take those of their functions out of ``entries``."""
    names = [name for name, entry in entries.items() if entry.aws_lambda_arn.startswith(package_prefix)]
    own = [PackageEntry(*entries.pop(name)[:2], name) for name in names]
    listed = [
        PackageEntry(package_prefix + entry["package"], entry.get("setting") or "")
        for entry in row.get("packages") or ()
    ]
    return (*own, *listed)


def release_item(number: int) -> str:
    """Return the sort key of a release's item: the numbers' order is the items'."""
    return f"release:{number:08}"


def release_digest(
    package: str, code: str, functions: str, *, is_isolated: bool, protocol: int = PROTOCOL
) -> str:
    """Return a release's digest: of its package, its code's digest and its functions as JSON text."""
    return sha256(json.dumps([protocol, package, code, functions, is_isolated]).encode()).hexdigest()


def _unusable(package: str, number: int, reason: str) -> ConfigurationError:
    return ConfigurationError(
        "The function is misconfigured",
        detail=f"release {number} of package {package!r}: {reason}",
        fields={"package": package, "release": number},
    )
