"""The names in a requirements file, read without installing anything."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

_COMMENT_LINE = re.compile(r"^[ \t]*#.*", re.MULTILINE)
_COMMENT = re.compile(r"(^|\s)#.*")
_INCLUDE = re.compile(r"(?:-r|--requirement)[\s=]*(?P<path>.+)")
# A name is in that of a wheel, in a URL's fragment, or at the start.
_NAME = re.compile(
    r"(?:(?:-e|--editable)[\s=]+)?"
    r"(?:(?:[^-].*/)?(\w[\w.]*)-[^/]*\.whl\b|[^-].*#(?:.*&)?egg=([\w.-]+)|(\w[\w.-]*)\s*(?:$|[\[(<>=!~;@]|\s--))"
)


def required_names(path: Path) -> Iterator[str]:
    """Yield the normalized names (PEP 503) in a requirements file and in those that it includes.

    A URL or a path may have no name: what it leads to would have to be fetched. Lines are those of
    https://pip.pypa.io/en/stable/reference/requirements-file-format/.

    Raises:
        OSError: the file or an included one can't be read.
        UnicodeDecodeError: it isn't UTF-8.
    """
    for line in _logical_lines(path.read_text("utf-8-sig")):
        if include := _INCLUDE.match(line):
            yield from required_names(path.parent / os.path.expandvars(include["path"]))
        elif match := _NAME.match(line):
            yield normalized(match[match.lastindex or 0])


def requirement_lines(path: Path) -> Iterator[tuple[str, str | None]]:
    """Yield the lines of a requirements file, and the name of each; None where it can't be told.

    Raises as ``required_names``; included files are lines without a name.
    """
    for line in _logical_lines(path.read_text("utf-8-sig")):
        match = None if _INCLUDE.match(line) else _NAME.match(line)
        yield line, normalized(match[match.lastindex or 0]) if match else None


def has_requirements(path: Path) -> bool:
    """Return whether a requirements file is there and has more than comments; raise as ``required_names``."""
    return path.is_file() and any(_logical_lines(path.read_text("utf-8-sig")))


def normalized(name: str) -> str:
    """Return a distribution's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _logical_lines(text: str) -> Iterator[str]:
    """Yield lines without comments, joined where a backslash at the end continues them."""
    joined = _COMMENT_LINE.sub("", text).replace("\\\n", " ")
    yield from filter(None, (_COMMENT.sub("", line).strip() for line in joined.splitlines()))
