"""Which tenants a canary covers: a tenant is wholly on one release, and stays there as the share grows."""

from hashlib import blake2b

_SLOTS = 1 << 64


def covers(package: str, endpoint_id: str, percent: float) -> bool:
    """Return whether a canary of a package covers a tenant, with a share of 0 to 100 % of the tenants.

    Who is covered by a share is covered by each larger one; packages have orders of tenants of their own.
    """
    digest = blake2b(f"{package}/{endpoint_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) * 100 < percent * _SLOTS
