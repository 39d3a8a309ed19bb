"""Long lists of the console, a part at a time."""

from silvaengine_cli.console.paging import ROWS, part_of


def test_parts_are_the_whole_once() -> None:
    """Whoever follows the links sees each row once, and the last part has no link."""
    rows = [f"{number:06}" for number in range(3 * ROWS)]
    seen, after, parts = list[str](), None, 0
    while parts == 0 or after is not None:
        part = part_of(rows, str, after)
        seen, after, parts = [*seen, *part.rows], part.after, parts + 1
    assert (seen, parts) == (rows, 3)


def test_a_row_that_is_gone_loses_no_other() -> None:
    """The next part begins behind where it was."""
    rows = [f"{number:06}" for number in range(ROWS + 2)]
    after = part_of(rows, str, None).after
    assert after == rows.pop(ROWS - 1)
    assert part_of(rows, str, after).rows == rows[ROWS - 1 :]
