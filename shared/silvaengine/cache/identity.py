"""Object identities: what stands for ``self`` or ``cls`` in the key of a method call.

An object's state isn't guessed. A class declares in ``cache_identity`` (a constant, a property or a method)
what its results depend on besides the arguments; without it each object has entries of its own, which end
with it.
"""

from collections.abc import Callable, Hashable
from itertools import count
from typing import Any, Literal
from weakref import WeakSet, ref

from silvaengine.cache.keys import NoKeyError, argument_text, find_by_name
from silvaengine.cache.memory import CacheEntry
from silvaengine.named_tuple import NamedTuple

DECLARED = "cache_identity"

type Kind = Literal["argument", "object", "class"]


class ObjectIdentity(NamedTuple):
    """What stands for an object: ``key`` in memory, ``text`` elsewhere; if local, only this process knows it.

    The key is the object's class, and its declared identity or, without one, its ``id``.
    """

    key: tuple[type, Hashable]
    text: str
    is_local: bool


class ObjectIdentities:
    """What a cached method is called on; ``is_function`` says whether a class's attribute is the method."""

    def __init__(self, name: str, is_function: Callable[[object], bool]) -> None:
        self._name = name
        self._is_function = is_function
        self._kinds: dict[type, Kind] = {}
        self._objects: dict[int, tuple[ref[object], str, WeakSet[CacheEntry]]] = {}
        self._numbers = count(1)
        self._constants: set[type] = set()

    def identify(self, first: object) -> ObjectIdentity | None:
        """Return the identity of a call's first argument; None if the function isn't its method.

        Raises:
            NoKeyError: it can't be told from other objects.
        """
        kind = self._kind(first)
        if kind == "argument":
            return None
        if kind == "class":
            owner: Any = first
            is_local = _is_local(owner)
            text = self._instance_text(owner) if is_local else f"{owner.__module__}.{owner.__qualname__}"
            return ObjectIdentity((type(owner), id(owner)), text, is_local)
        return self._identify_object(first)

    def quick_key(self, first: object) -> tuple[()] | tuple[type, object]:
        """Return the key of an object's identity without its text, or one that no entry has.

        It is empty for the first argument of a static method. A constant ``cache_identity`` is read here
        too: with its text a hit takes eight times as long.
        """
        kind = type(first)
        if self._kinds.get(kind) == "argument":
            return ()
        return kind, getattr(first, DECLARED) if kind in self._constants else id(first)

    def lacks_owner(self, args: tuple[object, ...], home: object) -> bool:
        """Return whether a method's arguments lack the object or class that it is called on.

        ``home`` is what has the name of the function's class. A static method's arguments lack nothing.
        """
        if isinstance(home, type):
            self._kind(home)
        return "object" in self._kinds.values() and not (args and self._kind(args[0]) != "argument")

    def bind_entry(self, first: object, entry: CacheEntry) -> None:
        """Let an entry end with its object, whose ``id`` another one may get afterwards."""
        record = self._objects.get(id(first))
        if record:
            record[2].add(entry)

    def _kind(self, first: object) -> Kind:
        """Return what a call's first argument is, by where its class has the function."""
        owner: Any = first if issubclass(type(first), type) else type(first)
        if owner not in self._kinds:
            self._kinds[owner] = self._find_kind(owner)
        kind = self._kinds[owner]
        return "class" if kind == "object" and owner is first else kind

    def _find_kind(self, owner: type) -> Kind:
        for base in owner.__mro__:
            mangled = f"_{base.__name__.lstrip('_')}{self._name}"
            for name in (self._name, mangled):
                attribute = base.__dict__.get(name)
                if isinstance(attribute, staticmethod):
                    continue
                if attribute is not None and self._is_function(attribute):
                    return "object"
        return "argument"

    def _identify_object(self, first: object) -> ObjectIdentity:
        kind = type(first)
        if not hasattr(kind, DECLARED):
            return ObjectIdentity((kind, id(first)), self._instance_text(first), is_local=True)
        declared = getattr(first, DECLARED)
        declared = declared() if callable(declared) else declared
        escaped = argument_text(declared).replace(":", "%3A")  # a colon ends it in a key
        text = f"{kind.__module__}.{kind.__qualname__}@{escaped}"
        if type(getattr(kind, DECLARED)) is str:
            self._constants.add(kind)
        is_constant = kind in self._constants and type(declared) is str
        return ObjectIdentity((kind, declared if is_constant else (text,)), text, _is_local(kind))

    def _instance_text(self, first: object) -> str:
        """Return a text for an object or a class with a number that no other has in this process."""
        number = id(first)
        if number not in self._objects:
            try:
                reference = ref(first, lambda _: self._end(number))
            except TypeError:
                raise NoKeyError(
                    f"{type(first).__qualname__} has neither cache_identity nor weak references"
                ) from None
            text = f"{type(first).__qualname__}@{next(self._numbers)}"
            self._objects[number] = (reference, text, WeakSet())
        return self._objects[number][1]

    def _end(self, number: int) -> None:
        """End a dead object's entries, without a lock: garbage collection may call this at any moment."""
        for entry in self._objects.pop(number)[2]:
            entry.until = entry.end = float("-inf")


def _is_local(kind: type) -> bool:
    """Return whether another class may have the same name, in this process or in another one."""
    return kind.__module__ == "__main__" or find_by_name(kind.__module__, kind.__qualname__) is not kind
