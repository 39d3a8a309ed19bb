"""The specification's library for function authors, each name loaded at its first use."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from silvaengine.cache.engine import HybridCacheEngine
    from silvaengine_utility.caching import hybrid_cache, method_cache

__all__ = ["HybridCacheEngine", "hybrid_cache", "method_cache"]

_MODULES = {
    "HybridCacheEngine": "silvaengine.cache.engine",
    "hybrid_cache": "silvaengine_utility.caching",
    "method_cache": "silvaengine_utility.caching",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - PEP 562
    if name not in _MODULES:
        raise AttributeError(f"module 'silvaengine_utility' has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
