"""What a docstring says to whoever calls the function: in Google's sections, as in this project's own.

google.github.io/styleguide/pyguide.html#383-functions-and-methods
"""

import re
from inspect import cleandoc
from itertools import takewhile

from silvaengine.named_tuple import NamedTuple

_SECTION = re.compile(r"(Args|Arguments|Attributes|Example|Examples|Note|Notes|Raises|Returns|Yields):")
_ENTRY = re.compile(r"\*{0,2}(\w+)(?: \([^)]*\))?: (.*)")
_ERROR = re.compile(r"([45][0-9]{2})(?: `([^`]+)`)?[,:]? (.*)")


class Docstring(NamedTuple):
    """The summary, the text after it, and texts by parameter and by a FunctionError's status.

    ``codes`` are those of the errors that have one, by status.
    """

    summary: str
    description: str
    parameters: dict[str, str]
    errors: dict[str, str]
    codes: dict[str, list[str]]


def read_docstring(text: str | None) -> Docstring:
    """Read a docstring; every part of it may be absent.

    An error is an entry of ``Raises`` such as ``FunctionError: 404, there is no such order.`` or, with its
    code, ``FunctionError: 409 `out_of_stock`, there isn't enough.``
    """
    lines = cleandoc(text or "").splitlines()
    body = list(takewhile(lambda line: not _SECTION.fullmatch(line), lines))
    summary, _, description = "\n".join(body).partition("\n\n")
    errors: dict[str, str] = {}
    codes: dict[str, list[str]] = {}
    for name, entry in _entries(lines, "Raises:"):
        if name == "FunctionError" and (found := _ERROR.match(entry)):
            status, code, meaning = found.groups()
            errors[status] = f"{errors[status]} {meaning}" if status in errors else meaning
            if code:
                codes.setdefault(status, []).append(code)
    return Docstring(
        " ".join(summary.split()),
        description.strip(),
        dict(_entries(lines, "Args:")),
        errors,
        codes,
    )


def _entries(lines: list[str], section: str) -> list[tuple[str, str]]:
    if section not in lines:
        return []
    inside = takewhile(lambda line: not line or line[0] == " ", lines[lines.index(section) + 1 :])
    entries: list[tuple[str, str]] = []
    indentation = 0
    for line in filter(None, inside):
        depth = len(line) - len(line.lstrip())
        indentation = indentation or depth
        entry = _ENTRY.match(line.strip()) if depth == indentation else None
        if entry:
            entries.append((entry[1], entry[2]))
        elif entries:
            name, text = entries.pop()
            entries.append((name, f"{text} {line.strip()}"))
    return entries
