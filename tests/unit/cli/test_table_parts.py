"""What a part of a table takes at most."""

from typing import Any

import pytest

from silvaengine.tables import FUNCTIONS
from silvaengine_cli.registry import tables
from silvaengine_cli.registry.tables import PART_SECONDS, RegistryTables


class Slow:
    """A table's client, each of whose calls takes so long by its own clock and finds nothing."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.now = 0.0
        self.limits = list[int]()

    def monotonic(self) -> float:
        """Return its time."""
        return self.now

    def scan(self, *, Limit: int, **_: Any) -> dict[str, Any]:  # noqa: N803 - boto3's
        """Return what DynamoDB answers."""
        self.now += self._seconds
        self.limits.append(Limit)
        return {"Items": [], "LastEvaluatedKey": {name: {"S": "x"} for name in FUNCTIONS.key_names}}


@pytest.mark.parametrize(("share", "calls"), [(0.3, 3), (0.6, 1), (3, 1)])
def test_no_call_begins_that_would_end_too_late(
    monkeypatch: pytest.MonkeyPatch, share: float, calls: int
) -> None:
    """As far as the one before tells; each looks at so many rows."""
    monkeypatch.setattr(tables, "time", slow := Slow(share * PART_SECONDS))
    found = RegistryTables(slow).part(FUNCTIONS, 100, None, FUNCTIONS.key_names, {}, {"function": "a"})
    assert found == ([], ("x", "x"))
    assert slow.limits == calls * [tables.LOOKED_AT]
