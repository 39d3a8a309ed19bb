"""What commands print of names and texts that others have written."""

import json

import pytest

from silvaengine_cli.output import print_json, print_table

HOSTILE = "\x1b[31mred\x9b2J\u202e\ud800[bold]x[/]"


def test_json_stays_the_same_value(capsys: pytest.CaptureFixture[str]) -> None:
    """What would drive a terminal is an escape, what people write stays."""
    print_json({"name": HOSTILE, "city": "Zürich\n"})
    printed = capsys.readouterr().out
    assert json.loads(printed) == {"name": HOSTILE, "city": "Zürich\n"}
    assert printed.replace("\n", "").isprintable()
    assert "Zürich" in printed


def test_a_cell_drives_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """Nor is it markup."""
    print_table("title", ("name",), [(HOSTILE,)], None, as_json=False)
    printed = capsys.readouterr().out
    assert r"\u001b[31mred\u009b2J\u202e\ud800[bold]x[/]" in printed
    assert printed.replace("\n", "").isprintable()
