"""Named tuples for an eighth of what those of ``typing`` take of a cold start.

The standard library compiles code for each class, a million instructions of a gateway's three hundred; here
all classes share theirs. Type checkers are shown the standard library's.
"""

from typing import TYPE_CHECKING

__all__ = ["NamedTuple"]

if TYPE_CHECKING:
    from typing import NamedTuple, Self
else:
    from _collections import _tuplegetter

    class _NamedTupleType(type):
        """Makes fields of a class's annotations, in their order."""

        def __new__(cls, name: str, bases: tuple[type, ...], members: dict[str, object]) -> type:
            """Return the class; a subclass of one with fields has the same."""
            if getattr(bases[0], "_fields", ()):
                return super().__new__(cls, name, bases, members)
            fields = tuple(members.get("__annotations__", ()))
            defaults = {field: members[field] for field in fields if field in members}
            getters = {field: _tuplegetter(index, None) for index, field in enumerate(fields)}
            own = {"__slots__": (), "__match_args__": fields, "_fields": fields, "_field_defaults": defaults}
            return super().__new__(cls, name, bases, members | getters | own)

    class NamedTuple(tuple, metaclass=_NamedTupleType):
        """A tuple with names: docs.python.org/3.13/library/typing.html#typing.NamedTuple."""

        __slots__ = ()

        def __new__(cls, *values: object, **named: object) -> "Self":
            """Return one of these values; raises TypeError."""
            if named or len(values) != len(cls._fields):
                values = _complete(cls, values, named)
            return tuple.__new__(cls, values)

        def _asdict(self) -> dict[str, object]:
            return dict(zip(self._fields, self, strict=True))

        def _replace(self, **changes: object) -> "Self":
            values = [*map(changes.pop, self._fields, self)]
            return type(self)(*values, **changes)  # which raises TypeError of what is left

        def __getnewargs__(self) -> tuple[object, ...]:
            """Return what a copy is made of."""
            return tuple(self)

        def __repr__(self) -> str:
            """Return the expression that makes it."""
            members = (f"{name}={value!r}" for name, value in self._asdict().items())
            return f"{type(self).__name__}({', '.join(members)})"

    def _complete(cls: type, values: tuple[object, ...], named: dict[str, object]) -> tuple[object, ...]:
        """Return all values of a tuple; raises TypeError where one is missing, or there are others."""
        fields, rest, given = cls._fields, cls._fields[len(values) :], cls._field_defaults | named
        if len(values) > len(fields) or not named.keys() <= {*rest} <= given.keys():
            raise TypeError(f"{cls.__name__} has the fields {', '.join(fields)}")
        return (*values, *[given[name] for name in rest])
