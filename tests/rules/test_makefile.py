"""The Makefile runs every test that there is."""

import re
import subprocess
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]
TESTS = PROJECT / "tests"


@pytest.mark.parametrize(
    ("target", "left_out"),
    [("test", {"tests/sam_local", "tests/prove"}), ("ci", {"tests/prove"})],
    ids=["test", "ci"],
)
def test_no_tests_are_left_out(target: str, left_out: set[str]) -> None:
    """Whatever holds tests, folder or module, is run by `make ci`, and by `make test` but for Docker's.

    Those of `silvaengine prove` are run by tests/e2e/test_prove.py.
    """
    places = {f"tests/{path.relative_to(TESTS).parts[0]}" for path in TESTS.rglob("test_*.py")}
    assert len(places) > 8
    assert places - paths_of(target) == left_out


def test_the_quick_lane_leaves_out_only_what_is_marked() -> None:
    """`make check` runs the unit tests but for those marked as slow; `make test` runs these, too."""
    (quick,) = [line for line in commands_of("check") if "pytest" in line]
    assert re.findall(r"tests/\S+", quick) == ["tests/unit"]
    assert re.findall(r'-m "(.*?)"', quick) == ["not slow and not nightly"]
    assert not [line for line in commands_of("test") if "pytest" in line and "slow" in line]


def test_what_hypothesis_tries_is_tried_longer_at_night() -> None:
    """Every folder with properties is run by `make nightly` with the profile of that name."""
    places = {
        f"tests/{path.relative_to(TESTS).parts[0]}"
        for path in TESTS.rglob("test_*.py")
        if re.search(r"^(@given|from hypothesis)", path.read_text(), re.MULTILINE)
    }
    (nightly,) = [line for line in commands_of("nightly") if "HYPOTHESIS_PROFILE=nightly" in line]
    assert places
    assert places <= set(re.findall(r"tests/[\w.]+", nightly))


def paths_of(target: str) -> set[str]:
    """Return the tests' folders and modules that a target's commands name."""
    return set(re.findall(r"tests/[\w.]+", "\n".join(commands_of(target))))


def commands_of(target: str) -> list[str]:
    """Return the lines that make would run."""
    done = subprocess.run(
        ["make", "--dry-run", target],  # noqa: S607 - make's place differs
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()
