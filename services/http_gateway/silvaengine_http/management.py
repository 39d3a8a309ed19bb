"""The cache management API: ``cache_clear`` and ``cache_stats`` in the place of a function's name.

There is no cache yet whose entries could be cleared or counted. Who may manage caches, and what may be asked,
is checked all the same; what is well asked is answered 501, never with a success that nothing stands behind.
"""

import re
from collections.abc import Mapping
from typing import Any

from silvaengine.errors import NotFoundError, RequestError, SilvaEngineError
from silvaengine.registry import Connection

OPERATIONS = frozenset({"cache_clear", "cache_stats"})
GRANT = "cache:admin"
DEFAULT_CACHE = "method"
DEFAULT_KEY = "*"

_CACHE_NAME = re.compile("[a-z0-9_-]{1,64}")


def permit_management(connection: Connection) -> None:
    """Refuse a key that wasn't granted cache management.

    Raises:
        RequestError: 403.

    """
    if GRANT not in connection.grants:
        raise RequestError("This API key may not manage caches", status=403)


def manage_cache(operation: str, params: Mapping[str, Any]) -> dict[str, Any]:
    """Clear a cache's entries or give its statistics.

    Args:
        operation: ``cache_clear`` or ``cache_stats``.
        params: ``cache_name`` (1 to 64 of ``a-z 0-9 _ -``; ``method`` when absent) and ``cache_key``, a
            pattern (``*`` when absent).

    Raises:
        NotFoundError: there is no such operation.
        RequestError: a parameter is not what it may be.
        SilvaEngineError: 501, as long as there is nothing to manage.

    """
    if operation not in OPERATIONS:
        raise NotFoundError(f"Cache operation {operation!r} does not exist")
    cache_name = params.get("cache_name") or DEFAULT_CACHE
    cache_key = params.get("cache_key") or DEFAULT_KEY
    if not isinstance(cache_name, str) or not _CACHE_NAME.fullmatch(cache_name):
        raise RequestError("cache_name must be 1 to 64 of a-z, 0-9, _ and -")
    if not isinstance(cache_key, str):
        raise RequestError("cache_key must be text")
    raise SilvaEngineError(f"{operation} is not available in this version; nothing was changed", status=501)
