"""What code prints beside the platform's lines, into the same log.

Metrics, meters and commands are made from the lines, so what is printed must neither pass for one nor run
into one: a function may print what a client has sent. Code can get around it (docs/security.md).
"""

import re
import sys
from io import FileIO, TextIOWrapper
from typing import Any, TextIO

MARK = " (printed)"  # what follows an object makes that none: nothing takes the line for JSON
_FIELD = '"total_ms"'  # each line of the platform has it


class Printed:
    """A text stream in which a printed line that resembles the platform's is marked at its end.

    All but writing is the stream's own. ``begun`` is the line that isn't ended, as far as it matters.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.begun = ""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the stream has
        """Return what the stream has."""
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        """Write a text, which may have lines, the begin of one, or what one goes on with."""
        *ended, rest = text.split("\n")
        for number, part in enumerate(ended):
            if _resembles_line(self.begun + part):
                ended[number] += MARK
            self.begun = ""
        if not self.begun.lstrip() or _may_be_object(self.begun):
            self.begun += rest
        self.stream.write("\n".join((*ended, rest)))
        return len(text)

    def writelines(self, texts: Any) -> None:  # noqa: ANN401 - as io has it
        """Write several texts."""
        for text in texts:
            self.write(text)


def keep_apart() -> None:
    """Keep what is printed from now on apart from lines."""
    if not isinstance(sys.stdout, Printed):
        sys.stdout, sys.stderr = Printed(_unbuffered(sys.stdout)), Printed(_unbuffered(sys.stderr))


def _unbuffered(stream: TextIO) -> TextIO:
    """Return a stream to the same file that needs no flush: one would cost as much as a line."""
    try:
        file = FileIO(stream.fileno(), "w", closefd=False)
    except (AttributeError, OSError):
        return stream
    stream.flush()
    return TextIOWrapper(file, stream.encoding, stream.errors, write_through=True)


def write_line(text: str, out: TextIO) -> None:
    """Write a line of the platform's, with its end, to a stream, which may be of what is printed."""
    if not isinstance(out, Printed):
        out.write(text)
        out.flush()
        return
    if out.begun:
        out.write("\n")
    if isinstance(sys.stderr, Printed) and sys.stderr.begun:  # Lambda may read both from one pipe
        sys.stderr.write("\n")
    out.stream.buffer.write(text.encode())


def _may_be_object(text: str) -> bool:
    return text.lstrip().startswith("{")


def _resembles_line(text: str) -> bool:
    r"""Return whether a text may be an object with the field, which JSON may spell as ``"total\u005fms"``."""
    if not _may_be_object(text):
        return False
    if "\\u00" in text:
        text = re.sub(r"\\u00([0-9A-Fa-f]{2})", lambda escape: chr(int(escape[1], 16)), text)
    return _FIELD in text
