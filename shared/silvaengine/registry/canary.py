"""Which tenants a canary covers: a tenant is wholly on one release, and stays there as the share grows."""

from hashlib import blake2b
from typing import TYPE_CHECKING

from silvaengine.named_tuple import NamedTuple

if TYPE_CHECKING:
    from silvaengine.aws.table_client import Row

AFTER_SECONDS = 1800.0  # from a canary's beginning until it may go forward, where nothing else is said

_SLOTS = 1 << 64


class Canary(NamedTuple):
    """A release that serves some of the tenants first: a share of them, or those that are named.

    ``started_at`` is in epoch seconds, and names the canary among its package's. ``after`` it may go forward;
    one that ``is_manual`` goes forward by people alone.
    """

    release: int
    percent: float
    tenants: frozenset[str]
    started_at: int
    after: float
    is_manual: bool

    @classmethod
    def from_row(cls, row: "Row") -> "Canary":
        """Read a pointer's attribute ``canary``."""
        return cls(
            int(row["release"]),
            row.get("percent") or 0,
            frozenset(row.get("tenants") or ()),
            int(row["started_at"]),
            row.get("after") or AFTER_SECONDS,
            row.get("manual") is True,
        )

    def covers(self, package: str, endpoint_id: str) -> bool:
        """Return whether it covers a tenant, unless that is pinned."""
        return endpoint_id in self.tenants or covers(package, endpoint_id, self.percent)


def covers(package: str, endpoint_id: str, percent: float) -> bool:
    """Return whether a canary of a package covers a tenant, with a share of 0 to 100 % of the tenants.

    Who is covered by a share is covered by each larger one; packages have orders of tenants of their own.
    """
    digest = blake2b(f"{package}/{endpoint_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) * 100 < percent * _SLOTS
