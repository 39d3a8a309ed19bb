"""The Makefile runs every test that there is."""

import re
from pathlib import Path

PROJECT = Path(__file__).parents[2]


def test_no_tests_are_left_out() -> None:
    """Whatever holds tests, a folder or a module, is named by a target."""
    tests = PROJECT / "tests"
    places = {f"tests/{path.relative_to(tests).parts[0]}" for path in tests.rglob("test_*.py")}
    assert len(places) > 8
    assert places - set(re.findall(r"tests/[\w.]+", (PROJECT / "Makefile").read_text())) == set()
