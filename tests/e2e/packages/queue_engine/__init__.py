# mypy: ignore-errors
# ruff: noqa
"""Takes messages of a queue and remembers the last."""

from silvaengine_utility import HybridCacheEngine, Utility


class QueueEngine:
    def __init__(self, logger, **setting):
        self.cache = HybridCacheEngine("queue")

    def take_message(self, **params):
        message = Utility.json_normalize(params)
        self.cache.set("last", Utility.json_dumps(message), 60)
        return self.cache.get("last")
