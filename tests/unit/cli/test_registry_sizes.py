from decimal import Decimal

import pytest

from silvaengine_cli.registry.sizes import MAX_ROW_BYTES, row_bytes, too_large


@pytest.mark.parametrize(
    ("row", "size"),
    [
        ({"ab": "cd"}, 4),
        ({"ä": "ü"}, 4),
        ({"a": None}, 2),
        ({"a": True}, 2),
        ({"a": 123}, 5),
        ({"a": Decimal("0.5")}, 22),
        ({"a": b"123"}, 4),
        ({"a": []}, 4),
        ({"a": ["xyz"]}, 8),
        ({"a": {"b": "c"}}, 7),
        ({"a": {"x"}}, 6),
    ],
)
def test_sizes_follow_dynamodbs_rule(row: dict[str, object], size: int) -> None:
    """Names and texts count as UTF-8, lists and maps 3 bytes and 1 for each member."""
    assert row_bytes(row) == size


def test_the_limit_itself_is_allowed() -> None:
    """A row of 400 KB is taken, one byte more is not."""
    assert too_large({"a": "x" * (MAX_ROW_BYTES - 1)}) is None
    assert too_large({"a": "x" * MAX_ROW_BYTES}) == "400 KB, and DynamoDB's limit for a row is 400 KB"
