"""The sections of RESULTS.md: each benchmark writes its own and leaves the others as they are."""

import platform
import re
import subprocess
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

RESULTS = Path(__file__).parents[1] / "RESULTS.md"
TITLE = (
    "# Results\nEach section names the commit that it was measured at; "
    "[README.md](README.md) says how, [docs/performance.md](../docs/performance.md) what it means.\n"
)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table; all columns but the first are aligned to the right."""
    lines = [columns, ["---", *["---:"] * (len(columns) - 1)], *rows]
    return "".join(f"| {' | '.join(_text(cell) for cell in line)} |\n" for line in lines)


def publish(title: str, text: str) -> None:
    """Replace the section with that title, or append it; only what a commit names is worth keeping."""
    if has_changes():
        print("Not written to RESULTS.md: the work tree has changes that no commit names.")
        return
    sections = _sections(RESULTS.read_text())
    sections[title] = f"## {title}\n{machine()}\n\n{text.strip()}\n"
    RESULTS.write_text("\n".join([TITLE, *sections.values()]))


def has_changes() -> bool:
    """Return whether the work tree differs from its commit, but for the results themselves."""
    changes = ["git", "status", "--porcelain", "--", ":/", ":(top,exclude)benchmarks/RESULTS.md"]
    return bool(subprocess.run(changes, capture_output=True, check=True).stdout)


def machine() -> str:
    """Return when, at which commit and on what it was measured."""
    commit = subprocess.run(["git", "describe", "--always"], capture_output=True, text=True, check=True)
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    cores = len(re.findall(r"^processor", Path("/proc/cpuinfo").read_text(), re.MULTILINE))
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, commit {commit.stdout.strip()}, "
        f"Python {platform.python_version()}, Linux {platform.release()}, "
        f"{cores} cores of {cpu[1].strip() if cpu else platform.machine()}."
    )


def _sections(text: str) -> dict[str, str]:
    parts = re.split(r"^## (.*)\n", text, flags=re.MULTILINE)[1:]
    return {
        title: f"## {title}\n{body.strip()}\n" for title, body in zip(parts[::2], parts[1::2], strict=True)
    }


def _text(cell: object) -> str:
    if isinstance(cell, float):
        return f"{cell:.2f}" if cell < 10 else f"{cell:,.0f}"
    return f"{cell:,}" if isinstance(cell, int) else str(cell)
