"""Long lists, a part at a time."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import NamedTuple

ROWS = 100  # on a page


class Part[T](NamedTuple):
    """Rows of a list, and where the next part of it begins."""

    rows: Sequence[T]
    after: str | None
    """What `?after=` is for the next part; None for the last one."""


def part_of[T](rows: Sequence[T], cursor: Callable[[T], str], after: str | None) -> Part[T]:
    """Return the rows that follow one, which may be gone meanwhile.

    Args:
        rows: in the order of their cursors.
        cursor: returns a row's own text.
        after: the cursor of the last row that was shown; None for the first part.
    """
    begin = bisect_right(rows, after, key=cursor) if after is not None else 0
    shown = rows[begin : begin + ROWS]
    return Part(shown, cursor(shown[-1]) if begin + ROWS < len(rows) else None)
