"""What docs call unproven has a test on an account, and docs show what came of it."""

import ast
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from silvaengine_cli.preflight.stack import Stack
from silvaengine_cli.preflight.template import load
from silvaengine_cli.prove import AREAS, evidence
from silvaengine_cli.prove.deploying import parameters
from silvaengine_cli.prove.names import new_name
from silvaengine_cli.prove.price import cost_of_run

PROJECT = Path(__file__).parents[2]
PAGES = [path for path in (PROJECT / "docs").glob("*.md") if path.name != "README.md"]
_ALONE = re.compile(r"is unproven|^Unproven|^- Not tried on AWS")
_NEVER = re.compile(r"\(not provable: [^)]+\)")
_IDS = re.compile(r"\(prove: ([^)]+)\)")


def unproven(page: str) -> Iterator[str]:
    """Yield the lines that say that something is unproven: those of a section of that name, and others."""
    for section in re.split(r"^(?=## )", page, flags=re.MULTILINE):
        lines = section.splitlines()
        if lines and lines[0].startswith("## Unproven"):
            yield from (line for line in lines if line.startswith("- "))
        else:
            yield from (line for line in lines if _ALONE.search(line))


def proven() -> set[str]:
    """Return the ids that the tests of a run have."""
    trees = [ast.parse(path.read_text()) for path in (PROJECT / "tests" / "prove").glob("test_*.py")]
    return {
        str(node.args[0].value)
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "proves"
        and isinstance(node.args[0], ast.Constant)
    }


def test_every_unproven_line_has_a_test_or_a_reason() -> None:
    """Each line names the tests that prove it, or says why no command can; each such test has its line."""
    lines = [line for page in PAGES for line in unproven(page.read_text())]
    assert len(lines) > 10
    assert [line for line in lines if not _IDS.search(line) and not _NEVER.search(line)] == []
    named = {name.strip() for line in lines for each in _IDS.findall(line) for name in each.split(",")}
    assert named == proven()


def test_the_page_shows_the_newest_evidence() -> None:
    """`make evidence` has nothing to do, and the page says which account it was."""
    page = (PROJECT / "docs" / "evidence.md").read_text()
    newest = evidence.newest(PROJECT / "evidence")
    assert evidence.in_page(page, newest) == page
    assert {each["id"] for each in newest["results"]} >= proven()


def test_answers_say_where_they_were_recorded() -> None:
    """Each recorded answer names the kind of account that gave it."""
    answers = [json.loads(path.read_text()) for path in (PROJECT / "tests" / "parity").glob("*.json")]
    assert answers
    assert {each["recorded_on"] for each in answers} <= {"AWS", "local engine"}


def test_the_areas_are_those_of_the_tests() -> None:
    """No module of a run's tests is left out."""
    assert {f"test_{area}.py" for area in AREAS} == {
        path.name for path in (PROJECT / "tests" / "prove").glob("test_*.py")
    }


def test_a_run_costs_less_than_its_budget_and_more_the_longer_it_stays() -> None:
    """The default budget of two dollars is enough, on both processors."""
    template = load(PROJECT / "template.yaml")
    name = new_name(datetime(2026, 12, 1, tzinfo=UTC))
    stacks = [
        Stack.of(template, name, {**parameters(name), "Architecture": each}) for each in ("x86_64", "arm64")
    ]
    intel, arm = (cost_of_run(stack, 3) for stack in stacks)
    assert 0.1 < arm < intel < 2
    assert cost_of_run(stacks[0], 730) > intel + 3  # the alarms alone are more than forty
