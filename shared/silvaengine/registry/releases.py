"""Published packages: which release of a package serves a tenant, and what a release says of its functions.

A package is a Lambda of its own, ``<stack>-pkg-<package>``; a release is a published version of it and has
the version's number, which Lambda never uses twice. The table has two kinds of items under the Lambda's ARN:
the pointer, which says which release serves, and the releases, which never change.
"""

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Any, NamedTuple

from silvaengine.errors import ConfigurationError

if TYPE_CHECKING:
    from silvaengine.aws.table_client import Row

PROTOCOL = 1  # of payloads and release rows; a gateway refuses a release of another one
POINTER_ITEM = "pointer"


class Pointer(NamedTuple):
    """Which release of a package serves: one for all tenants, but for those that are pinned to another."""

    release: int
    pins: Mapping[str, int]

    @classmethod
    def from_row(cls, row: "Row") -> "Pointer":
        """Read the pointer's item."""
        pins = {endpoint_id: int(number) for endpoint_id, number in (row.get("pins") or {}).items()}
        return cls(int(row["release"]), pins)

    def choose(self, endpoint_id: str) -> int:
        """Return the number of the release that serves a tenant."""
        return self.pins.get(endpoint_id, self.release)


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

    @classmethod
    def from_row(cls, row: "Row") -> "Release":
        """Read a release's item.

        Raises:
            ConfigurationError: the row was altered, or is of a protocol that this platform doesn't know.
        """
        function_arn, number, package = row["function_arn"], int(row["release"]), row["package"]
        name = f"release {number} of package {package!r}"
        if row["protocol"] != PROTOCOL:
            raise _unusable(f"{name}: its protocol is {row['protocol']}, this platform's {PROTOCOL}")
        is_isolated, text = bool(row.get("isolated")), row["functions"]
        digest = release_digest(package, row["code"], text, is_isolated=is_isolated)
        if digest != row["digest"]:
            raise _unusable(f"{name}: its row was altered, it doesn't have its digest")
        functions: dict[str, Any] = json.loads(text)
        return cls(f"{function_arn}:{number}", package, number, digest, is_isolated, functions)


def release_item(number: int) -> str:
    """Return the sort key of a release's item: the numbers' order is the items'."""
    return f"release:{number:08}"


def release_digest(package: str, code: str, functions: str, *, is_isolated: bool) -> str:
    """Return a release's digest: of its package, its code's digest and its functions as JSON text."""
    return sha256(json.dumps([PROTOCOL, package, code, functions, is_isolated]).encode()).hexdigest()


def _unusable(detail: str) -> ConfigurationError:
    return ConfigurationError("The function is misconfigured", detail=detail)
