"""Published packages as the registry's commands see them: whose a function is, and which releases serve."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType

import click

from silvaengine.registry.model import opens_endpoint
from silvaengine.registry.packages import POINTER_ITEM, Pointer, Release, release_item
from silvaengine.settings import package_prefix
from silvaengine.tables import COMMON_ENDPOINT, CONNECTIONS, ENDPOINTS, FUNCTIONS, PACKAGES
from silvaengine_cli.publishing.releases import did_you_mean, package_arn
from silvaengine_cli.registry.routes import route_conflicts
from silvaengine_cli.registry.rows import Row, key_row_endpoint, row_name
from silvaengine_cli.registry.tables import RegistryTables

type Routes = Mapping[str, str | None]
"""The routes of functions, by name; None for one without."""

_NOTHING: Mapping[str, Routes] = MappingProxyType({})


class Packages:
    """The packages of one deployment.

    Args:
        tables: the registry's tables.
        worker_arn: the ARN of the stack's worker; the packages' Lambdas are named after the stack.
    """

    def __init__(self, tables: RegistryTables, worker_arn: str) -> None:
        self._tables = tables
        self._worker_arn = worker_arn
        self._prefix = package_prefix(worker_arn) or ""

    def owner(self, function: Row) -> str:
        """Return the package that a function's row, or a key row's entry for it, belongs to; "" for none."""
        if package := function.get("package"):
            return str(package)
        arn = str(function.get(FUNCTIONS.hash_key, ""))
        is_ours = bool(self._prefix) and arn.startswith(self._prefix)
        return arn.removeprefix(self._prefix).partition(":")[0] if is_ours else ""

    def pointer(self, package: str) -> Pointer | None:
        """Return a package's pointer, None if it has no release; raise as ``package_arn``."""
        row = self._tables.get(PACKAGES, package_arn(self._worker_arn, package), POINTER_ITEM)
        return Pointer.from_row(row) if row else None

    def release(self, package: str, number: int) -> Release:
        """Return a release; raise ClickException if there is none of the number, and as ``from_row``."""
        row = self._tables.get(PACKAGES, package_arn(self._worker_arn, package), release_item(number))
        if row is None:
            raise click.ClickException(
                f"package {package!r} has no release {number}, to which its pointer leads"
            )
        return Release.from_row(row)

    def opened(self, function_arn: str, endpoint_id: str) -> Release | None:
        """Return the release that a key row opens by an ARN: of the version, else the one that serves.

        It is None if the package has none; raises as ``release``.
        """
        package, version = self.owner({FUNCTIONS.hash_key: function_arn}), version_of(function_arn)
        if version is not None:
            return self.release(package, version)
        pointer = self.pointer(package)
        return pointer and self.release(package, pointer.choose(endpoint_id))

    def functions(self, package: str, endpoint_id: str) -> set[str]:
        """Return the names of the functions of the releases that serve those whom a key row is for."""
        pointer = self.pointer(package)
        if pointer is None:
            return set()
        canary = {pointer.canary.release} if pointer.canary else set[int]()
        all_serving = {pointer.release, *pointer.pins.values(), *canary}
        numbers = all_serving if endpoint_id == COMMON_ENDPOINT else {pointer.choose(endpoint_id)}
        return {name for number in numbers for name in self.release(package, number).functions}

    def tenants(self, package: str) -> set[str]:
        """Return the endpoints of which a connection reaches a package, in the release that is chosen."""
        owners = {row["endpoint_id"]: key_row_endpoint(row) for row in self._tables.scan(ENDPOINTS)}
        return {
            endpoint_id
            for row in self._tables.scan(CONNECTIONS)
            if self._reaches(row, package)
            for endpoint_id, owner in owners.items()
            if row["endpoint_id"] == owner and opens_endpoint(row, endpoint_id)
        }

    def _reaches(self, key_row: Row, package: str) -> bool:
        entries = [each for each in key_row.get("functions") or () if self.owner(each) == package]
        listed = [each["package"] for each in key_row.get("packages") or ()]
        return package in listed or any(version_of(each[FUNCTIONS.hash_key]) is None for each in entries)

    def check_key_row(self, before: Row, after: Row) -> None:
        """Check what a key row that is to be written names of packages.

        Raises:
            ClickException: a package lacks a function that a new entry names, or has no release at all; two
                have a function of the same name, and no entry says whose it is; or routes exclude one
                another.
        """
        for entry in after.get("functions") or ():
            if self.owner(entry) and entry not in (before.get("functions") or ()):
                self._check_entry(entry, after["endpoint_id"])
        names = [entry["package"] for entry in after.get("packages") or ()]
        entries = {entry.get("function") for entry in after.get("functions") or ()}
        owners: dict[str, list[str]] = defaultdict(list)
        for package in names:
            for function in self.functions(package, after["endpoint_id"]) - entries:
                owners[function].append(package)
        for function, packages in sorted(owners.items()):
            if len(packages) > 1:
                raise click.ClickException(
                    f"the packages {' and '.join(packages)} have a function {function!r} each: "
                    "list them at different key rows, or name the function among its own `functions`"
                )
        for function, message in route_conflicts(self._routes(after)):
            raise click.ClickException(f"the route of function {function!r} {message}")

    def _routes(self, key_row: Row, published: Mapping[str, Routes] = _NOTHING) -> dict[str, str | None]:
        """Return the routes of all functions that a key row opens, by function.

        ``published`` has those of a package that is to have others than the release that serves.
        """
        routes: dict[str, str | None] = {}
        for entry in key_row.get("packages") or ():
            if entry["package"] in published:
                routes |= published[entry["package"]]
            elif pointer := self.pointer(entry["package"]):
                release = self.release(entry["package"], pointer.choose(key_row["endpoint_id"]))
                routes |= {name: row["config"].get("route") for name, row in release.functions.items()}
        own = [entry for entry in key_row.get("functions") or () if not self.owner(entry)]
        return routes | {entry["function"]: entry.get("route") for entry in own}

    def unpublished(self, row: Row) -> Iterator[str]:
        """Yield a complaint about each package that a key row lists and that has no release."""
        for entry in row.get("packages") or ():
            if self.pointer(entry["package"]) is None:
                yield self._no_package(entry["package"])

    def check_functions(self, package: str, functions: Routes) -> None:
        """Check the functions that a package is to have, by name with their routes.

        Raises:
            ClickException: another package has one of the name, and a key row lists both, without an entry
                that says whose it is; or a route and another one, or a name, of a key row would exclude one
                another.
        """
        for row in self._tables.scan(CONNECTIONS):
            listed = {entry["package"] for entry in row.get("packages") or ()}
            if package not in listed:
                continue
            entries = {entry.get("function") for entry in row.get("functions") or ()}
            for other in sorted(listed - {package}):
                shared = (self.functions(other, row["endpoint_id"]) & functions.keys()) - entries
                if shared:
                    raise click.ClickException(
                        f"package {other!r} has {', '.join(sorted(shared))}, too, and endpoint "
                        f"{row['endpoint_id']!r} has a connection with both: rename it, or list them apart"
                    )
            known = set(route_conflicts(self._routes(row, {package: {}})))
            for function, message in route_conflicts(self._routes(row, {package: functions})):
                if (function, message) not in known:
                    raise click.ClickException(
                        f"the route of function {function!r} {message}, and {row_name(CONNECTIONS, row)} "
                        "would have both: change one, or list them apart"
                    )

    def _check_entry(self, entry: Row, endpoint_id: str) -> None:
        package, name = self.owner(entry), entry["function"]
        if self.pointer(package) is None:
            raise click.ClickException(self._no_package(package))
        names = self.functions(package, endpoint_id)
        if name not in names:
            hint = did_you_mean(name, names)
            raise click.ClickException(f"package {package!r} has no function {name!r}{hint}")

    def _no_package(self, name: str) -> str:
        return f"there is no package {name!r}{did_you_mean(name, self._names())}"

    def _names(self) -> Iterator[str]:
        for row in self._tables.scan(PACKAGES):
            if row["item"] == POINTER_ITEM and str(row[PACKAGES.hash_key]).startswith(self._prefix):
                yield row["package"]


@contextmanager
def unless_denied(say: Callable[[str], None], consequence: str) -> Iterator[None]:
    """Say the consequence where connections may not be read: they have API keys, which not everybody sees."""
    from botocore.exceptions import ClientError  # lazy: it is slow to import

    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] != "AccessDeniedException":
            raise
        say(f"you may not read connections: {consequence}")


def version_of(function_arn: str) -> int | None:
    """Return the number of the version that an ARN names; None for a Lambda's or an alias'."""
    version = function_arn.rpartition(":")[2]
    return int(version) if version.isdecimal() else None


def check_owners(packages: Packages, rows: Iterable[Row]) -> None:
    """Raise ClickException if one of the functions' rows to write belongs to a package."""
    for row in rows:
        if package := packages.owner(row):
            raise click.ClickException(
                f"function {row['function']!r} belongs to package {package!r}, whose releases describe it: "
                f"leave it out of `functions`, and list the package at a connection, `packages: [{package}]`"
            )
