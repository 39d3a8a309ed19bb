"""The gateway and the worker of the unit tests, for the rows of the threat model (docs/security.md)."""

from ..rules.conftest import resources_with
from ..unit.http.conftest import event_of, log_line, make_world, rest_path, world
from ..unit.worker.conftest import dynamodb, handle, handler, jobs, ledger, notices, packages, payload

__all__ = [
    "dynamodb",
    "event_of",
    "handle",
    "handler",
    "jobs",
    "ledger",
    "log_line",
    "make_world",
    "notices",
    "packages",
    "payload",
    "resources_with",
    "rest_path",
    "world",
]
