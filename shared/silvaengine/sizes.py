"""How many bytes of memory values take, as far as Python knows."""

from gc import get_referents
from itertools import chain
from logging import Logger
from sys import getsizeof
from types import MappingProxyType, ModuleType
from typing import Any

MOST_OBJECTS = 100_000

type Frozen = MappingProxyType[Any, Any]

# Who refers to one of these doesn't own it; nor what can be called: classes, functions, a client's methods.
_OTHERS = (Logger, ModuleType)


def size_of(*values: object) -> tuple[int, list[Frozen]]:
    """Return the bytes of values and all that they refer to, and apart from them the read-only mappings.

    Such a mapping may be a part of other values, too. Of more than 100,000 objects the first ones count.
    """
    size, mappings, seen = 0, [], set[int]()
    found: list[Any] = [*values]
    while found and len(seen) < MOST_OBJECTS:
        new = {id(each): each for each in found if id(each) not in seen}
        seen |= new.keys()
        own = [each for each in new.values() if not callable(each) and not isinstance(each, _OTHERS)]
        mappings += [each for each in own if type(each) is MappingProxyType]
        own = [each for each in own if type(each) is not MappingProxyType]
        size += sum(map(getsizeof, own))
        # Of a dictionary whose keys are all text it names the values alone.
        found = [*get_referents(*own), *chain(*(each for each in own if type(each) is dict))]
    return size, mappings


def whole_size_of(*values: object) -> int:
    """Return the bytes of values and all that they refer to, with the read-only mappings."""
    size, mappings = size_of(*values)
    return size + sum(whole_size_of(*get_referents(each)) for each in mappings)


def size_of_mapping(mapping: Frozen) -> int:
    """Return the bytes of a read-only mapping and all that it refers to."""
    return whole_size_of(*get_referents(mapping))
