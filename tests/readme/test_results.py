"""Figures of the documentation, which are those of benchmarks/RESULTS.md."""

import subprocess
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

PROJECT = Path(__file__).parents[2]
SECTIONS: Mapping[str, str] = {
    "Bars": "| | at most |\n| --- | ---: |\n| gateway | 7 |\n",
    "Memory": "| | MB |\n| --- | ---: |\n| 1 | 24 |\n\n### Memory of it\n```mermaid\nline [1]\n```\n",
}
DOCUMENT = """\
# Performance
<!-- RESULTS.md: Bars -->
| | at most |
| --- | ---: |
| gateway | 6 |
| worker | 5 |

It is flat:

<!-- RESULTS.md: Memory of it -->
"""


@pytest.fixture
def report(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return what writes the page."""
    monkeypatch.syspath_prepend(PROJECT)
    return import_module("benchmarks.harness.report")


@pytest.fixture
def repository(tmp_path: Path, report: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a repository with one commit, whose page the benchmarks write."""
    page, document = tmp_path / "benchmarks/RESULTS.md", tmp_path / "docs/performance.md"
    for path, text in ((page, "# Results\n"), (document, DOCUMENT), (tmp_path / "code.py", "")):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(report, "PROJECT", tmp_path)
    monkeypatch.setattr(report, "RESULTS", page)
    author = ("-c", "user.name=a", "-c", "user.email=a@b.c")
    for command in (("init", "-q"), ("add", "-A"), (*author, "commit", "-qm", "all")):
        subprocess.run(["git", *command], cwd=tmp_path, check=True)  # noqa: S607 - the PATH's
    return tmp_path


def test_documents_have_the_pages_tables(report: ModuleType) -> None:
    """A figure that is taken from the page can't grow old beside it."""
    documents = {path.name: path.read_text() for path in (PROJECT / "docs").glob("*.md")}
    assert "<!-- RESULTS.md: " in documents["performance.md"]
    assert {name: report.with_results(text) for name, text in documents.items()} == documents


@pytest.mark.slow
def test_a_run_writes_the_whole_page_of_one_commit(repository: Path, report: ModuleType) -> None:
    """The page names the commit once, and documents have its tables; the next run may follow at once."""
    commit = report.measured_commit()
    report.publish(SECTIONS, commit, 1_200)
    page = (repository / "benchmarks/RESULTS.md").read_text()
    assert page.count(commit) == 1
    assert "It took 20 minutes." in page
    assert [line for line in page.splitlines() if line.startswith("## ")] == ["## Bars", "## Memory"]
    document = (repository / "docs/performance.md").read_text()
    assert document == DOCUMENT.replace("| 6 |\n| worker | 5 |", "| 7 |") + "```mermaid\nline [1]\n```\n"
    assert report.measured_commit() == commit


@pytest.mark.slow
def test_a_work_tree_with_changes_is_not_measured(repository: Path, report: ModuleType) -> None:
    """Neither at the beginning nor, after minutes in which somebody worked on, at the end."""
    commit = report.measured_commit()
    (repository / "code.py").write_text("changed = True\n")
    with pytest.raises(SystemExit, match="has changes"):
        report.measured_commit()
    with pytest.raises(SystemExit, match="has changes"):
        report.publish(SECTIONS, commit, 1.0)
    assert (repository / "benchmarks/RESULTS.md").read_text() == "# Results\n"
