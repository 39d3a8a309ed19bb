"""Long lists, a part at a time."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import NamedTuple

from silvaengine_cli.registry.tables import Key

ROWS = 100  # on a page
SORTED = 500  # that are read at once of a table that has no order


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


def part_of_table[T](
    read: Callable[[Key | None], tuple[list[T], Key | None]], cursor: Callable[[T], str], after: str | None
) -> Part[T]:
    """Return rows of a table that is too long to be sorted: as many are sorted as are read at once.

    ``read`` returns the rows that follow a key, as ``RegistryTables.part`` does of a table with a hash key;
    ``cursor`` and ``after`` are as ``part_of`` has them.
    """
    begin, _, last = (after or "").partition("\n")
    rows, following = read((begin,) if begin else None)
    part = part_of(sorted(rows, key=cursor), cursor, last or None)
    if part.after is None:
        return part._replace(after=following[0] if following else None)
    return part._replace(after=f"{begin}\n{part.after}")
