"""RESULTS.md: what one run has measured, and the tables that documents have from it."""

import platform
import re
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.harness import PROJECT

RESULTS = PROJECT / "benchmarks/RESULTS.md"
HEAD = (
    "# Results\nOne run measured all of it at one commit; "
    "[README.md](README.md) says how, [docs/performance.md](../docs/performance.md) what it means.\n"
)
BLOCK = r"(?:(?:\|.*\n)+|```\w+\n(?:[^`].*\n)*```\n)"  # a table or a plot
MARKED = re.compile(rf"(<!-- RESULTS\.md: (.+) -->\n){BLOCK}?")


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table; all columns but the first are aligned to the right."""
    lines = [columns, ["---", *["---:"] * (len(columns) - 1)], *rows]
    return "".join(f"| {' | '.join(_text(cell) for cell in line)} |\n" for line in lines)


def measured_commit() -> str:
    """Return the commit that the work tree is.

    Raises:
        SystemExit: it has changes, but for the results and the tables that are taken from them.
    """
    mine = [f":(top,exclude){path.relative_to(PROJECT)}" for path in (RESULTS, *_documents())]
    if _git("status", "--porcelain", "--", ":/", *mine):
        raise SystemExit("Results are of a commit, and the work tree has changes: commit them or name parts")
    return _git("describe", "--always")


def publish(sections: Mapping[str, str], commit: str, seconds: float) -> None:
    """Write the whole page, of one commit, and the tables that documents have from it.

    Raises:
        SystemExit: the work tree is another commit by now, or has changes.
    """
    if measured_commit() != commit:
        raise SystemExit(f"Not written: {commit} was measured, and the work tree is another commit now.")
    head = f"{HEAD}\n{machine(commit)} It took {seconds / 60:.0f} minutes.\n"
    parts = (f"## {title}\n{text.strip()}\n" for title, text in sections.items())
    RESULTS.write_text("\n".join([head, *parts]))
    for path in _documents():
        path.write_text(with_results(path.read_text()))


def with_results(document: str) -> str:
    """Return a document with each table or plot under ``<!-- RESULTS.md: title -->`` as the page has it."""
    page = RESULTS.read_text()
    return MARKED.sub(lambda found: found[1] + _first_block(page, found[2]), document)


def _first_block(page: str, title: str) -> str:
    found = re.search(rf"^#+ {re.escape(title)}\n(?:[^|`#\n].*\n|\n)*({BLOCK})", page, re.MULTILINE)
    if found is None:
        raise LookupError(f"RESULTS.md has no table under {title!r}")
    return found[1]


def _documents() -> list[Path]:
    """Return the documents that have tables of the page."""
    return [path for path in sorted((PROJECT / "docs").glob("*.md")) if MARKED.search(path.read_text())]


def machine(commit: str) -> str:
    """Return when, at which commit and on what it was measured."""
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    cores = len(re.findall(r"^processor", Path("/proc/cpuinfo").read_text(), re.MULTILINE))
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, commit {commit}, "
        f"Python {platform.python_version()}, Linux {platform.release()}, "
        f"{cores} cores of {cpu[1].strip() if cpu else platform.machine()}."
    )


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(PROJECT), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def _text(cell: object) -> str:
    if isinstance(cell, float):
        return f"{cell:.2f}" if cell < 10 else f"{cell:,.0f}"
    return f"{cell:,}" if isinstance(cell, int) else str(cell)
