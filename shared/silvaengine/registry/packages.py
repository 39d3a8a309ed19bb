"""What rows say of published packages: the pointer to the release that serves, releases, entries of key rows.

A package is a Lambda of its own, ``<stack>-pkg-<package>``; a release is a published version of it and has
the version's number, which Lambda never uses twice. The table has two kinds of items under the Lambda's ARN:
the pointer, which says which release serves, and the releases, which never change.
"""

import json
from collections.abc import Mapping
from hashlib import sha256
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from silvaengine.errors import ConfigurationError
from silvaengine.named_tuple import NamedTuple
from silvaengine.settings import PACKAGE_MARK

if TYPE_CHECKING:
    from silvaengine.aws.table_client import Row
    from silvaengine.registry.canary import Canary

PROTOCOL = 1  # of payloads and release rows
SERVED_PROTOCOLS = (PROTOCOL - 1, PROTOCOL)  # of releases that a gateway serves: the last platform's, too
POINTER_ITEM = "pointer"
CANARIES = "canaries"  # in place of an ARN: the marks of canaries, by the ARN of their package


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
        if self.canary is None or endpoint_id in self.pins:
            return False
        return self.canary.covers(self.package, endpoint_id)


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
        rows = MappingProxyType(functions)
        return cls(f"{function_arn}:{number}", package, number, digest, is_isolated, rows)


def call_of(name: str, config: Mapping[str, Any]) -> str:
    """Return what a function calls, ``module:Class.function``, by its name and its ``config``."""
    path = ".".join(filter(None, (config.get("class_name"), config.get("function_name") or name)))
    return f"{config['module_name']}:{path}"


def release_item(number: int) -> str:
    """Return the sort key of a release's item: the numbers' order is the items'."""
    return f"release:{number:08}"


def release_digest(
    package: str, code: str, functions: str, *, is_isolated: bool, protocol: int = PROTOCOL
) -> str:
    """Return a release's digest: of its package, its code's digest and its functions as JSON text."""
    return sha256(json.dumps([protocol, package, code, functions, is_isolated]).encode()).hexdigest()


def _canary_of(row: "Row") -> "Canary | None":
    if not row.get("canary"):
        return None
    from silvaengine.registry.canary import Canary  # lazy: few packages have one

    return Canary.from_row(row["canary"])


def _unusable(package: str, number: int, reason: str) -> ConfigurationError:
    return ConfigurationError(
        "The function is misconfigured",
        detail=f"release {number} of package {package!r}: {reason}",
        fields={"package": package, "release": number},
    )
