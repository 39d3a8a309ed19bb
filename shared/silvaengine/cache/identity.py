"""Whose call a method's is: what stands for ``self`` or ``cls`` in a key.

An object's state isn't guessed. A class says by ``cache_identity`` (a constant, a property or a method) what
its answers depend on besides the arguments; without it every object has entries of its own, and they end
with it.
"""

import sys
from collections.abc import Callable, Hashable
from itertools import count
from typing import Any, Literal, NamedTuple
from weakref import WeakSet, ref

from silvaengine.cache.keys import NoKeyError, argument_text
from silvaengine.cache.memory import Entry

DECLARED = "cache_identity"

type Kind = Literal["argument", "object", "class"]


class Identity(NamedTuple):
    """What stands for an object: in a key of memory, as text, and whether another process can know it.

    In memory that is its class, and its identity or, where it has none, its number.
    """

    place: tuple[type, Hashable]
    text: str
    is_local: bool


class Identities:
    """The identities of those whose method a function is.

    Args:
        name: the function's.
        is_ours: tells whether a class's attribute is this function.
    """

    def __init__(self, name: str, is_ours: Callable[[object], bool]) -> None:
        self._name = name
        self._is_ours = is_ours
        self._kinds: dict[type, Kind] = {}
        self._objects: dict[int, tuple[ref[Any], str, WeakSet[Entry]]] = {}
        self._numbers = count(1)
        self.constants: set[type] = set()
        """The classes whose identity is a constant text: for a hit, their objects' own is in the key."""

    def of(self, first: Any) -> Identity | None:  # noqa: ANN401 - a call's first argument
        """Return the identity of a call's first argument; None for an argument like others.

        Raises:
            NoKeyError: it can't be told from another one.
        """
        kind = self._kind(first)
        if kind == "argument":
            return None
        if kind == "class":
            name = f"{first.__module__}.{first.__qualname__}"
            own = self._own(first)
            is_local = _is_local(first)
            return Identity((type(first), id(first)), own if is_local else name, is_local)
        return self._of_object(first)

    def are_missing(self, args: tuple[Any, ...], home: object) -> bool:
        """Return whether arguments of a method lack the object or class that it is called on.

        ``home`` is what has the name of the function's class. A static method's arguments lack nothing.
        """
        if isinstance(home, type):
            self._kind(home)
        return "object" in self._kinds.values() and not (args and self._kind(args[0]) != "argument")

    def remember(self, first: object, entry: Entry) -> None:
        """Let an entry end with its object, whose number another one may get."""
        known = self._objects.get(id(first))
        if known:
            known[2].add(entry)

    def _kind(self, first: object) -> Kind:
        """Tell what the first argument is, from where the function stands in its class."""
        owner: Any = first if issubclass(type(first), type) else type(first)
        if owner not in self._kinds:
            self._kinds[owner] = self._stands(owner)
        kind = self._kinds[owner]
        return "class" if kind == "object" and owner is first else kind

    def _stands(self, owner: type) -> Kind:
        for base in owner.__mro__:
            private = f"_{base.__name__.lstrip('_')}{self._name}"  # what the compiler makes of a name with __
            for name in (self._name, private):
                found = base.__dict__.get(name)
                if found is not None and not isinstance(found, staticmethod) and self._is_ours(found):
                    return "object"
        return "argument"

    def _of_object(self, first: Any) -> Identity:  # noqa: ANN401 - any object
        kind = type(first)
        name = f"{kind.__module__}.{kind.__qualname__}"
        if not hasattr(kind, DECLARED):
            return Identity((kind, id(first)), self._own(first), is_local=True)
        declared = getattr(first, DECLARED)
        declared = declared() if callable(declared) else declared
        text = f"{name}@{argument_text(declared).replace(':', '%3A')}"  # a colon ends it in a key
        if type(getattr(kind, DECLARED)) is str:
            self.constants.add(kind)
        is_plain = kind in self.constants and type(declared) is str
        return Identity((kind, declared if is_plain else (text,)), text, _is_local(kind))

    def _own(self, first: Any) -> str:  # noqa: ANN401 - any object or class
        """Return an object's own text, a number that no other one gets in this process."""
        number = id(first)
        if number not in self._objects:
            try:
                watched = ref(first, lambda _: self._end(number))
            except TypeError:
                raise NoKeyError(
                    f"{type(first).__qualname__} has neither cache_identity nor weak references"
                ) from None
            self._objects[number] = (watched, f"{type(first).__qualname__}@{next(self._numbers)}", WeakSet())
        return self._objects[number][1]

    def _end(self, number: int) -> None:
        """End a dead object's entries; the collector may call at any moment, so no lock is taken."""
        for entry in self._objects.pop(number)[2]:
            entry.until = entry.end = float("-inf")


def _is_local(kind: type) -> bool:
    """Return whether another class may have the same name, in this process or in another one."""
    return kind.__module__ == "__main__" or known_as(kind.__module__, kind.__qualname__) is not kind


def known_as(module: str, qualified: str) -> Any:  # noqa: ANN401 - whatever has the name
    """Return what a module knows by a qualified name, None for nothing."""
    found: Any = sys.modules.get(module)
    for part in qualified.split("."):
        found = getattr(found, part, None)
    return found
