"""YAML text as plain data, with the line of each value for later errors.

Deliberately a small YAML: scalars mean what they mean in JSON (``no``, ``on``, dates and ``007`` are text),
and there are no aliases, tags or duplicate keys, which make a file mean something else than it seems to.
Only the sections of a file that are CloudFormation's have its short functions: ``!Ref Orders``.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import yaml
from yaml.reader import ReaderError

type Path = tuple[str | int, ...]
type Scalar = str | bool | int | Decimal | None
type Value = Scalar | list[Value] | dict[str, Value]

MAX_BYTES = 4_194_304
# DynamoDB's limits; docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
SETTING_DEPTH = 31  # DynamoDB nests 32 levels, and the attribute is one
MAX_DIGITS = 38
MAX_EXPONENT, MIN_EXPONENT = 125, -130

MAX_DEPTH = 3 + SETTING_DEPTH  # settings, id, variable

NUMBER = re.compile(r"[-+]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?")
_INTEGER = re.compile(r"[-+]?[0-9]+")
# docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html
_FUNCTIONS = (
    "Base64", "Cidr", "FindInMap", "GetAZs", "GetAtt", "If", "ImportValue", "Join", "Ref", "Select", "Split",
    "Sub",
)  # fmt: skip
WORDS: dict[str, bool | None] = {"": None, "~": None, "null": None, "true": True, "false": False}
_FIRST: Path = ()


@dataclass(frozen=True, slots=True)
class Problem:
    """An error at one place of the file, or a warning, with which the file is usable."""

    line: int
    path: Path
    message: str
    warning: bool = False

    def text(self, name: str) -> str:
        """Return it in the form ``registry.yaml:12: functions.hello.clas: unknown field``."""
        place = f"{path_text(self.path)}: " if self.path else ""
        note = "warning: " if self.warning else ""
        return f"{name}:{self.line}: {note}{place}{self.message}"


class DocumentError(Exception):
    """The text is not a document; ``problem`` says where and why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


@dataclass(frozen=True, slots=True)
class Document:
    """Plain data, the line of each path in it, and problems that don't stop the reading (duplicate keys)."""

    data: Any
    lines: dict[Path, int] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    def line_of(self, path: Path) -> int:
        """Return the line of a path, or of the nearest one above it that is in the file."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def path_text(path: Path) -> str:
    """Write a path as one reads it: ``connections[0].functions[2]``."""
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return "".join(steps).removeprefix(".")


def read_document(content: bytes, cloudformation: Collection[str] = ()) -> Document:
    """Read a YAML document of at most 4 MB and 34 levels.

    Args:
        content: the file.
        cloudformation: its sections in which CloudFormation's short functions stand for the long ones.

    Raises:
        DocumentError: it isn't one, or uses what the registry's YAML leaves out.
    """
    if len(content) > MAX_BYTES:
        raise DocumentError(
            Problem(1, _FIRST, f"the file has {len(content)} bytes, at most {MAX_BYTES} are read")
        )
    try:
        builder = _Builder(yaml.parse(content.decode(), Loader=yaml.CBaseLoader), cloudformation)
        return builder.document()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DocumentError(Problem(line, _FIRST, "the file is not UTF-8 text")) from None
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise DocumentError(Problem(line, _FIRST, f"not YAML: {error.problem}")) from None
    except ReaderError as error:
        line = content.count(b"\n", 0, error.position) + 1
        message = f"not YAML: character #x{error.character:04x}: {error.reason}"
        raise DocumentError(Problem(line, _FIRST, message)) from None


class _Builder:
    """Turns the parser's events into data; the depth is checked before every descent."""

    def __init__(self, events: Iterator[yaml.Event], cloudformation: Collection[str]) -> None:
        self._events = events
        self._cloudformation = cloudformation
        self._lines: dict[Path, int] = {}
        self._problems: list[Problem] = []

    def document(self) -> Document:
        self._next()
        if isinstance(self._next(), yaml.StreamEndEvent):
            return Document({}, {}, ())
        data = self._value(self._next(), _FIRST)
        self._next()
        event = self._next()
        if not isinstance(event, yaml.StreamEndEvent):
            raise _error(event, _FIRST, "a second document; the file must be one")
        return Document(data, self._lines, tuple(self._problems))

    def _next(self) -> yaml.Event:
        return next(self._events)

    def _value(self, event: yaml.Event, path: Path) -> Value:
        self._lines.setdefault(path, _line(event))
        if isinstance(event, yaml.AliasEvent):
            raise _error(event, path, "aliases (*name) are not supported; write the value out")
        tag: str | None = getattr(event, "tag", None)
        if tag is not None and (not path or path[0] not in self._cloudformation):
            raise _error(event, path, "tags (!name) are not supported")
        if len(path) > MAX_DEPTH:
            message = f"nested deeper than {MAX_DEPTH} levels; a setting's value may have {SETTING_DEPTH}"
            raise _error(event, path[:3], message)
        if tag is not None:
            return self._function(event, tag.removeprefix("!"), path)
        return self._content(event, path)

    def _function(self, event: yaml.Event, name: str, path: Path) -> dict[str, Value]:
        """Return CloudFormation's long form of a short function."""
        if name not in _FUNCTIONS:
            raise _error(event, path, f"!{name} is no function of CloudFormation: {', '.join(_FUNCTIONS)}")
        content = event.value if isinstance(event, yaml.ScalarEvent) else self._content(event, path)
        if name == "GetAtt" and isinstance(content, str):
            content = list(content.partition(".")[::2])
        return {name if name == "Ref" else f"Fn::{name}": content}

    def _content(self, event: yaml.Event, path: Path) -> Value:
        if isinstance(event, yaml.ScalarEvent):
            return _scalar(event, path)
        if isinstance(event, yaml.SequenceStartEvent):
            return list(self._members(path))
        return self._mapping(path)

    def _members(self, path: Path) -> Iterator[Value]:
        index = 0
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            yield self._value(event, (*path, index))
            index += 1

    def _mapping(self, path: Path) -> dict[str, Value]:
        mapping: dict[str, Value] = {}
        while not isinstance(event := self._next(), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent) or event.tag is not None:
                raise _error(event, path, "a key must be plain text")
            name, place = event.value, (*path, event.value)
            if name in mapping:
                message = f"duplicate key, already on line {self._lines[place]}"
                self._problems.append(Problem(_line(event), place, message))
            self._lines[place] = _line(event)
            mapping[name] = self._value(self._next(), place)
        return mapping


def _scalar(event: yaml.ScalarEvent, path: Path) -> Scalar:
    text = event.value
    if event.style:
        return text
    if text.lower() in WORDS:
        return WORDS[text.lower()]
    return _number(event, path) if NUMBER.fullmatch(text) else text


def _number(event: yaml.ScalarEvent, path: Path) -> int | Decimal:
    """Return an exact number: DynamoDB stores decimals, and a float would be another number."""
    number = Decimal(event.value)
    if not is_storable(number):
        raise _error(
            event, path, "a number that DynamoDB can't hold (38 digits, 1E-130 to 1E+125); quote it as text"
        )
    return int(number) if _INTEGER.fullmatch(event.value) else number


def is_storable(number: Decimal) -> bool:
    """Return whether DynamoDB can store a number exactly."""
    digits = "".join(map(str, number.as_tuple().digits)).strip("0")
    return len(digits) <= MAX_DIGITS and (not number or MIN_EXPONENT <= number.adjusted() <= MAX_EXPONENT)


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


def _error(event: yaml.Event, path: Path, message: str) -> DocumentError:
    return DocumentError(Problem(_line(event), path, message))
