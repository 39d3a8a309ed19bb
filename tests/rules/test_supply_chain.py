"""T23: what ships is pinned, listed by one command, and audited with exceptions that end."""

import json
import re
import shutil
import subprocess
import sys
from datetime import date, timedelta
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

PROJECT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def audit() -> Any:
    """The audit's script, which is no package."""
    spec = spec_from_file_location("audit", PROJECT / "packaging/audit.py")
    assert spec
    assert spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def shipped() -> dict[str, str]:
    """Return name and version of each requirement of the layer."""
    lines = (PROJECT / "shared/requirements.txt").read_text()
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", lines, re.MULTILINE))


def test_t23_every_requirement_is_pinned_by_its_hash() -> None:
    """Another file under the same name and version is not installed."""
    text = (PROJECT / "shared/requirements.txt").read_text()
    blocks = re.split(r"\n(?=\S)", text.strip())
    assert len(blocks) == len(shipped())
    assert all(re.match(r"[a-z0-9-]+==\S+ ", block) and "--hash=sha256:" in block for block in blocks)


def test_t23_one_command_lists_what_ships() -> None:
    """`make sbom` names each requirement of the layer with its version, and nothing else."""
    make = shutil.which("make")
    assert make
    subprocess.run([make, "sbom"], cwd=PROJECT, check=True)
    listed = json.loads((PROJECT / "dist/sbom.json").read_text())
    assert listed["bomFormat"] == "CycloneDX"
    assert {each["name"]: each["version"] for each in listed["components"]} == shipped()


def test_t23_an_exception_names_the_tests_that_show_it(audit: Any) -> None:
    """Each exception is for something that ships, and its tests are there."""
    for exception in audit.exceptions():
        assert exception["package"] in shipped()
        assert exception["reason"]
        for test in exception["tests"]:
            path, _, name = test.partition("::")
            assert f"def {name}(" in (PROJECT / path).read_text()


def test_t23_an_exception_ends(audit: Any) -> None:
    """Up to its day a known vulnerability is passed over, afterwards the audit fails again."""
    (exception,) = audit.exceptions()
    until: date = exception["until"]
    ignored = f"--ignore-vuln={exception['id']}"
    assert ignored in audit.command("requirements.txt", until)
    assert ignored not in audit.command("requirements.txt", until + timedelta(days=1))


def test_t23_bandit_finds_nothing() -> None:
    """No line of medium or high severity is without its reason."""
    folders = ("services", "shared", "cli", "packaging")
    options = ("--quiet", "--recursive", "--configfile", "pyproject.toml", "-ll")
    subprocess.run([sys.executable, "-m", "bandit", *options, *folders], cwd=PROJECT, check=True)


def test_t23_what_is_accepted_of_the_template_has_its_reason() -> None:
    """No check of checkov is skipped without a word, and none is soft."""
    lines = (PROJECT / ".checkov.yaml").read_text().splitlines()
    skipped = [line for line in lines if "CKV" in line]
    assert skipped
    assert all(re.fullmatch(r"  - CKV2?_AWS_\d+ # .{20,}", line) for line in skipped)
    assert not any("soft" in line for line in lines)


def test_t23_the_template_is_checked_as_a_whole(audit: Any) -> None:
    """What a parameter adds is there, and nothing is left that checkov would pass over."""
    template = audit.whole_template()
    used = {each["Condition"] for each in template["Resources"].values() if "Condition" in each}
    assert {"MakesFifoQueue", "MakesEventBucket", "IsolatesTenants", "LogsAccess"} <= used
    assert audit.OPTIONAL.keys() <= template["Parameters"].keys()
    assert "Fn::ForEach" not in str(template)
