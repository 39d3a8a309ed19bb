"""The library for function authors, each name loaded at its first use.

``Utility``, ``Graphql``, ``Authorizer`` and ``JSON`` are the predecessor's names. New code may call the
functions behind them, in ``json_text``, ``calls``, ``graphql_text``, ``graphql_ast`` and ``databases``.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from silvaengine.cache.engine import HybridCacheEngine
    from silvaengine_utility.caching import hybrid_cache, method_cache
    from silvaengine_utility.graphql_ast import Graphql
    from silvaengine_utility.json_scalar import JSON
    from silvaengine_utility.policies import Authorizer
    from silvaengine_utility.utility import Utility

__all__ = ["JSON", "Authorizer", "Graphql", "HybridCacheEngine", "Utility", "hybrid_cache", "method_cache"]

_MODULES = {
    "Authorizer": "silvaengine_utility.policies",
    "Graphql": "silvaengine_utility.graphql_ast",
    "HybridCacheEngine": "silvaengine.cache.engine",
    "JSON": "silvaengine_utility.json_scalar",
    "Utility": "silvaengine_utility.utility",
    "hybrid_cache": "silvaengine_utility.caching",
    "method_cache": "silvaengine_utility.caching",
}


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module 'silvaengine_utility' has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
