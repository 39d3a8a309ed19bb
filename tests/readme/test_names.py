"""The documentation's names of code."""

import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from .test_links import PAGES, PROJECT

FENCED = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
FOLDERS = ("authorizers", "benchmarks", "cli", "docs", "packaging", "services", "shared", "tests")
ROOTS = [PROJECT / "shared", PROJECT / "cli", *(PROJECT / "services").iterdir(), PROJECT]
# Names of others, and of what no longer is: they occur in the documentation alone.
OTHERS = {
    "AWS_ENDPOINT_URL_DYNAMODB",
    "AWS_SECURITY_TOKEN",
    "BatchExecuteStatement",
    "ConcurrentExecutions",
    "DuplicateItem",
    "HTTPS_PROXY",
    "NO_PROXY",
    "REDIS_DB_SETTINGS",
    "RetainExceptOnCreate",
    "Target",
    "authorizerResultTtlInSeconds",
    "execute_mode",
}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_names_of_code_exist(page: Path) -> None:
    """A module, class, function, option or path that a page names is one that a reader finds."""
    assert [name for name in _names(page) if not _exists(name)] == []


def _names(page: Path) -> Iterator[str]:
    """Return what is marked as code and is an identifier, a dotted name or a path as a whole."""
    yield from re.findall(r"`([A-Za-z_][\w./-]*\w)`", FENCED.sub("", page.read_text()))


def _exists(name: str) -> bool:
    if "/" in name and name.partition("/")[0] in FOLDERS:
        return (PROJECT / name).exists()
    if "/" in name and (PROJECT / "tests" / name).parent.is_dir():
        return any((PROJECT / "tests" / f"{name}{suffix}").exists() for suffix in ("", ".py"))
    if re.fullmatch(r"silvaengine\w*(\.\w+)+", name) and not name.endswith((".js", ".toml")):
        return _is_importable(name)
    is_alarm = name.endswith("Alarm")  # tests/rules/test_alarms.py knows those that the template's loops make
    return is_alarm or name in OTHERS or not name.isidentifier() or name in _words()


def _is_importable(name: str) -> bool:
    """Return whether a dotted name is a module or package, or defined in one."""
    module, _, attribute = name.rpartition(".")
    if any(_source(root, name) for root in ROOTS):
        return True
    defined = re.compile(rf"^(?:class |(?:async )?def )?{attribute}\b", re.MULTILINE)
    return any(defined.search(source.read_text()) for root in ROOTS if (source := _source(root, module)))


def _source(root: Path, name: str) -> Path | None:
    path = root.joinpath(*name.split("."))
    candidates = (path.with_suffix(".py"), path / "__init__.py")
    return next((candidate for candidate in candidates if candidate.is_file()), None)


@cache
def _words() -> set[str]:
    """Return each word of the project's files and of their names, but for its pages."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", ":!*.md", ":!tests/readme/test_names.py"],  # noqa: S607 - git's place differs
        cwd=PROJECT,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    files = [PROJECT / name for name in listed.stdout.split("\0") if name]
    text = "\n".join(f"{file} {file.read_text(errors='replace')}" for file in files if file.is_file())
    return set(re.findall(r"\w+", text))
