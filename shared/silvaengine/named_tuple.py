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
    from collections.abc import Callable

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
            maker = {"__new__": _maker(fields, defaults)}
            return super().__new__(cls, name, bases, members | getters | own | maker)

    def _maker(fields: tuple[str, ...], defaults: dict[str, object]) -> Callable[..., object]:
        """Return what makes one of values by position and by name; it raises TypeError."""
        count, required = len(fields), len(fields) - len(defaults)
        last, blank = tuple(defaults.values()), dict.fromkeys(fields) | defaults

        def __new__(cls: type, *values: object, **named: object) -> object:  # noqa: N807 - that of a class
            begin = len(values)
            if named:
                missing = [name for name in fields[begin:required] if name not in named]
                twice = begin and named.keys() & fields[:begin]
                values = () if missing or twice else (*values, *[*(blank | named).values()][begin:])
            elif required <= begin < count:
                values += last[begin - required :]
            if len(values) != count:
                raise _refusal(cls)
            return tuple.__new__(cls, values)

        return __new__

    class NamedTuple(tuple, metaclass=_NamedTupleType):
        """A tuple with names: docs.python.org/3.13/library/typing.html#typing.NamedTuple."""

        __slots__ = ()

        def _asdict(self) -> dict[str, object]:
            return dict(zip(self._fields, self, strict=True))

        def _replace(self, **changes: object) -> "Self":
            values = [*map(changes.pop, self._fields, self)]
            if changes:
                raise _refusal(type(self))
            return tuple.__new__(type(self), values)

        def __getnewargs__(self) -> tuple[object, ...]:
            """Return what a copy is made of."""
            return tuple(self)

        def __repr__(self) -> str:
            """Return the expression that makes it."""
            members = (f"{name}={value!r}" for name, value in self._asdict().items())
            return f"{type(self).__name__}({', '.join(members)})"

    def _refusal(cls: type) -> TypeError:
        return TypeError(f"{cls.__name__} has the fields {', '.join(cls._fields)}")
