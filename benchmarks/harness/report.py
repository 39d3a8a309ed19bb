"""The sections of RESULTS.md: each benchmark writes its own and leaves the others as they are."""

import platform
import re
import subprocess
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

RESULTS = Path(__file__).parents[1] / "RESULTS.md"
TITLE = (
    "# Results\nWritten by `make bench`; [docs/performance.md](../docs/performance.md) says what they mean.\n"
)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table; all columns but the first are aligned to the right."""
    lines = [columns, ["---", *["---:"] * (len(columns) - 1)], *rows]
    return "".join(f"| {' | '.join(_text(cell) for cell in line)} |\n" for line in lines)


def write_section(title: str, text: str, path: Path = RESULTS) -> None:
    """Put a section in the place of the one with its title, or at the end."""
    sections = _sections(path.read_text()) if path.exists() else {}
    sections[title] = f"## {title}\n{machine()}\n\n{text.strip()}\n"
    path.write_text("\n".join([TITLE, *sections.values()]))


def machine() -> str:
    """Say when and on what it was measured."""
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    cores = len(re.findall(r"^processor", Path("/proc/cpuinfo").read_text(), re.MULTILINE))
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, commit {_commit() or 'unknown'}, "
        f"Python {platform.python_version()}, Linux {platform.release()}, "
        f"{cores} cores of {cpu[1].strip() if cpu else platform.machine()}."
    )


def _commit() -> str:
    """Name what was measured; that results were written meanwhile changes nothing of it."""
    described = subprocess.run(["git", "describe", "--always"], capture_output=True, text=True, check=False)
    changes = ["git", "diff", "--quiet", "HEAD", "--", ":/", ":(top,exclude)benchmarks/RESULTS.md"]
    is_dirty = subprocess.run(changes, check=False).returncode
    return described.stdout.strip() + ("-dirty" if is_dirty else "")


def _sections(text: str) -> dict[str, str]:
    parts = re.split(r"^## (.*)\n", text, flags=re.MULTILINE)[1:]
    return {
        title: f"## {title}\n{body.strip()}\n" for title, body in zip(parts[::2], parts[1::2], strict=True)
    }


def _text(cell: object) -> str:
    if isinstance(cell, float):
        return f"{cell:.2f}" if cell < 10 else f"{cell:,.0f}"
    return f"{cell:,}" if isinstance(cell, int) else str(cell)
