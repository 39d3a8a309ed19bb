"""Routes: which function a method and a path mean that begins with no function's name.

At each segment from the left fixed text goes before a parameter, and that before the rest of a path. A route
with another method hides none behind it. The work depends on a path's segments, not on the number of routes.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Self

from silvaengine.errors import method_not_allowed
from silvaengine.named_tuple import NamedTuple
from silvaengine.protocol.messages import RESERVED_PARAMETERS

MAX_CHARACTERS = 512
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
RESERVED_BEGINNINGS = frozenset({"cache_clear", "cache_stats", "job_status", "mcp", "openapi.json"})

_ROUTE = re.compile(rf"({'|'.join(METHODS)}) /(.+)")
# RFC 3986's unreserved characters: they mean the same in every API, encoded or not.
_FIXED = re.compile(r"(?!\.\.?\Z)[A-Za-z0-9._~-]+")
_PARAMETER = re.compile(r"\{([A-Za-z][A-Za-z0-9_]*)(\+?)\}")
_UNUSABLE = RESERVED_PARAMETERS | {"body"}


class Route(NamedTuple):
    """A route as it is written: ``GET /tickets/{ticket_id}/comments``, ``GET /files/{path+}``."""

    method: str
    segments: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a route of at most 512 characters.

        Raises:
            ValueError: it isn't one; the message says what is wrong.
        """
        found = _ROUTE.fullmatch(text)
        if found is None or len(text) > MAX_CHARACTERS:
            raise ValueError(
                f"{text!r} must be one of {', '.join(METHODS)} and a path such as /tickets/{{ticket_id}}, "
                f"in at most {MAX_CHARACTERS} characters"
            )
        route = cls(found[1], tuple(found[2].split("/")))
        if complaint := route._complaint():
            raise ValueError(f"{text!r}: {complaint}")
        return route

    def _complaint(self) -> str:
        for segment in self.segments:
            if not (_FIXED.fullmatch(segment) or _PARAMETER.fullmatch(segment)):
                return f"segment {segment!r} must be letters, digits and '._~-', or a whole {{parameter}}"
        if _PARAMETER.fullmatch(self.segments[0]):
            return "the first segment must be fixed: functions' names would hide some values of a parameter"
        if any(segment.endswith("+}") for segment in self.segments[:-1]):
            return "only the last parameter may take the rest of the path"
        names = self.parameters
        if unusable := next(filter(_UNUSABLE.__contains__, names), None):
            return f"{unusable!r} is reserved: the framework passes it"
        return "" if len(set(names)) == len(names) else "a parameter is there twice"

    @property
    def parameters(self) -> tuple[str, ...]:
        """The parameters' names, in their order."""
        return tuple(found[1] for found in map(_PARAMETER.fullmatch, self.segments) if found)

    @property
    def shape(self) -> tuple[str, ...]:
        """The segments without their parameters' names: routes of one shape match the same paths."""
        return tuple(_PARAMETER.sub(r"{\2}", segment) for segment in self.segments)


class RouteMatch(NamedTuple):
    """The function of a route, and its arguments by name, from the path."""

    function: str
    arguments: Mapping[str, str]


type _Target = tuple[str, tuple[str, ...]]


class _Node:
    """Where a path's segments lead; ``targets`` has the function and its parameters by method."""

    __slots__ = ("fixed", "parameter", "rest", "targets")

    def __init__(self) -> None:
        self.fixed: dict[str, _Node] = {}
        self.parameter: _Node | None = None
        self.rest: _Node | None = None
        self.targets: dict[str, _Target] = {}

    def target(self, method: str) -> _Target | None:
        """Return what a method means here."""
        if method == "OPTIONS":
            return next(iter(self.targets.values()), None)
        return self.targets.get("GET" if method == "HEAD" else method)

    def child(self, segment: str) -> "_Node":
        """Return the node behind a segment of a shape, made if need be."""
        if segment == "{}":
            self.parameter = self.parameter or _Node()
            return self.parameter
        if segment == "{+}":
            self.rest = self.rest or _Node()
            return self.rest
        return self.fixed.setdefault(segment, _Node())


class RouteTable:
    """Finds functions by route; ``routes`` are functions' names and their routes.

    Of two routes that match the same requests the first counts. A route that can't be read is left out: only
    another tool can have written it.
    """

    def __init__(self, routes: Iterable[tuple[str, str]]) -> None:
        self._root = _Node()
        for function, text in routes:
            try:
                route = Route.parse(text)
            except ValueError:
                continue
            node = self._root
            for segment in route.shape:
                node = node.child(segment)
            node.targets.setdefault(route.method, (function, route.parameters))

    def find(self, method: str, path: str) -> RouteMatch | None:
        """Return what a request means, None where no route has this path.

        HEAD is like GET; OPTIONS, which calls nothing, is like any method.

        Raises:
            RequestError: 405, the path has routes, none of them with the method.
        """
        segments, allowed = path.split("/"), set[str]()
        end = len(segments)
        ways: list[tuple[_Node, int, tuple[str, ...]]] = [(self._root, 0, ())]
        while ways:
            node, depth, values = ways.pop()
            if depth < end:  # what is added last is tried first
                segment = segments[depth]
                if node.rest:
                    ways.append((node.rest, end, (*values, "/".join(segments[depth:]))))
                if node.parameter:
                    ways.append((node.parameter, depth + 1, (*values, segment)))
                if segment in node.fixed:
                    ways.append((node.fixed[segment], depth + 1, values))
            elif target := node.target(method):
                function, parameters = target
                return RouteMatch(function, dict(zip(parameters, values, strict=True)))
            else:
                allowed |= node.targets.keys()
        if not allowed:
            return None
        raise method_not_allowed("This path", method, list(filter(allowed.__contains__, METHODS)))
