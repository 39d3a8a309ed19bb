"""CloudWatch's filter patterns for JSON log events, evaluated: the local engine stores filters and doesn't.

docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntaxForMetricFilters.html
"""

import json
import operator
import re
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Any

_TOKEN = re.compile(
    r"""\s*(?: (?P<sign>\(|\)|&&|\|\||NOT\ EXISTS|IS\ (?:NULL|TRUE|FALSE)|!=|>=|<=|=|>|<)
             | (?P<selector>\$(?:\.[\w-]+|\[\d+])+)
             | "(?P<quoted>[^"]*)"
             | (?P<bare>[^\s()="<>!&|]+) )""",
    re.VERBOSE,
)
_NOTHING = object()
_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}
_IS: Mapping[str, Callable[[object], bool]] = {
    "IS NULL": lambda value: value is None,
    "IS TRUE": lambda value: value is True,
    "IS FALSE": lambda value: value is False,
    "NOT EXISTS": lambda value: value is _NOTHING,
}


def matches(pattern: str, message: str) -> bool:
    """Return whether a pattern in braces matches a log event; what is no JSON object matches nothing.

    Raises:
        ValueError: it isn't a pattern.
    """
    try:
        event = json.loads(message)
    except ValueError:
        return False
    inner = re.fullmatch(r"\{(.*)}", pattern.strip(), re.DOTALL)
    if inner is None:
        raise ValueError(f"no braces around {pattern}")
    return isinstance(event, dict) and _Parser(inner[1], event).parse()


def select(selector: str, event: object) -> object:
    """Return what a selector such as ``$.user.ids[0]`` leads to, or a value that is equal to nothing."""
    for name, index in re.findall(r"\.([\w-]+)|\[(\d+)]", selector):
        if name and isinstance(event, dict):
            event = event.get(name, _NOTHING)
        elif index and isinstance(event, list):
            event = event[int(index)] if int(index) < len(event) else _NOTHING
        else:
            return _NOTHING
    return event


class _Parser:
    """Evaluates while it reads: ``()`` before ``&&`` before ``||``."""

    def __init__(self, text: str, event: dict[str, Any]) -> None:
        self._event = event
        self._tokens: list[tuple[str, str]] = []
        place = 0
        while text[place:].strip():
            token = _TOKEN.match(text, place)
            if token is None:
                raise ValueError(f"not understood: {text[place:]}")
            self._tokens.append((str(token.lastgroup), token[str(token.lastgroup)]))
            place = token.end()

    def parse(self) -> bool:
        result = self._any()
        if self._tokens:
            raise ValueError(f"not understood: {self._tokens}")
        return result

    def _any(self) -> bool:
        results = [self._all()]
        while self._take("||"):
            results.append(self._all())
        return any(results)

    def _all(self) -> bool:
        results = [self._term()]
        while self._take("&&"):
            results.append(self._term())
        return all(results)

    def _term(self) -> bool:
        if self._take("("):
            result = self._any()
            if not self._take(")"):
                raise ValueError("a parenthesis isn't closed")
            return result
        kind, selector = self._tokens.pop(0)
        sign = self._tokens.pop(0)[1]
        if kind != "selector":
            raise ValueError(f"no selector: {selector}")
        value = select(selector, self._event)
        return _IS[sign](value) if sign in _IS else _compare(value, sign, *self._tokens.pop(0))

    def _take(self, sign: str) -> bool:
        if self._tokens and self._tokens[0] == ("sign", sign):
            self._tokens.pop(0)
            return True
        return False


def _compare(value: object, sign: str, kind: str, wanted: str) -> bool:
    """Compare a node that is a number or a text; any other is not what the pattern is for."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return False
    if kind == "bare" and re.fullmatch(r"[+-]?\d+(\.\d+)?(e[+-]?\d+)?", wanted):
        return not isinstance(value, str) and _COMPARE[sign](value, float(wanted))
    if sign not in ("=", "!="):
        raise ValueError(f"{sign} compares numbers, and {wanted} is none")
    return fnmatchcase(str(value), wanted.replace("[", "[[]").replace("?", "[?]")) is (sign == "=")
