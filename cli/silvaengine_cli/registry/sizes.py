"""The size of a row to DynamoDB, which refuses more than 400 KB."""

from collections.abc import Iterable, Mapping
from decimal import Decimal

MAX_ROW_BYTES = 409_600


def row_bytes(row: Mapping[str, object]) -> int:
    """Return a row's size in bytes, rounded up.

    The rule is AWS's, "DynamoDB item sizes and formats": names and texts as UTF-8, 3 bytes for each list or
    map and 1 for each of its members, 1 for null and booleans, and about 1 for two digits of a number.
    """
    return sum(len(name.encode()) + _value_bytes(value) for name, value in row.items())


def too_large(row: Mapping[str, object]) -> str | None:
    """Return a complaint about a row that DynamoDB would refuse, None for any other."""
    size = row_bytes(row)
    return f"{size // 1024} KB, and DynamoDB's limit for a row is 400 KB" if size > MAX_ROW_BYTES else None


def _value_bytes(value: object) -> int:
    match value:
        case None | bool():
            return 1
        case str():
            return len(value.encode())
        case int() | Decimal():
            return 21 if isinstance(value, Decimal) else (len(str(abs(value))) + 1) // 2 + 2
        case Mapping():
            return 3 + len(value) + row_bytes(value)
        case bytes():
            return len(value)
        case Iterable():
            return 3 + sum(1 + _value_bytes(member) for member in value)
        case _:
            raise TypeError(f"{type(value).__name__} has no form in a table")
