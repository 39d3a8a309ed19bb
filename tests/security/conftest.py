"""The gateway of the unit tests, for the rows of the threat model (docs/security.md)."""

from ..unit.http.conftest import event_of, log_line, make_world, rest_path, world

__all__ = ["event_of", "log_line", "make_world", "rest_path", "world"]
