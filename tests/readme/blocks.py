"""A Markdown page's fenced blocks, and matching of what their commands print."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_FENCE = re.compile(
    r"^(?:<!-- (?P<marker>[^\n]*?) -->\n)?```(?P<language>\w+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
_ELLIPSIS = "…"


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block; `marker` is the text of the comment before it, empty without one."""

    language: str
    text: str
    marker: str


@dataclass(frozen=True, slots=True)
class Command:
    """A command of a console block and its output; `…` stands for any text of a line, alone for any lines."""

    line: str
    output: str


def read_blocks(page: str) -> list[Block]:
    """Return a page's fenced blocks in their order."""
    return [Block(it["language"], it["text"], it["marker"] or "") for it in _FENCE.finditer(page)]


def read_commands(text: str) -> Iterator[Command]:
    """Return a console block's commands: each begins with `$ `, and what follows it is its output."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        line, _, output = part.partition("\n")
        yield Command(line, output)


def change(text: str, diff: str) -> str:
    """Return a text changed by a diff, whose hunks are parted by lines that begin with `@@`."""
    for hunk in re.split(r"^@@.*\n", diff, flags=re.MULTILINE):
        lines = hunk.splitlines(keepends=True)
        before = "".join(line[1:] for line in lines if not line.startswith("+"))
        assert text.count(before) == 1, f"once in the file: {before}"
        text = text.replace(before, "".join(line[1:] for line in lines if not line.startswith("-")))
    return text


def pattern(output: str) -> re.Pattern[str]:
    """Return what matches an output, whatever stands in place of `…` and at the ends of lines."""
    lines = (_line_pattern(line) for line in output.rstrip().split("\n"))
    return re.compile("".join(lines))


def _line_pattern(line: str) -> str:
    if line.strip() == _ELLIPSIS:
        return r"(?:[^\n]*\n)*?"
    return ".*".join(re.escape(part) for part in line.rstrip().split(_ELLIPSIS)) + r"[ \t]*\n"
