"""A shape's check of texts' forms and of sets, as nested functions: every typed call makes it."""

from collections.abc import Callable
from typing import Any

from silvaengine_worker.typed.shapes import Shape

type Check = Callable[[Any], bool]


def compile_check(shape: Shape) -> Check | None:
    """Return whether a decoded JSON value has the forms of a shape, as a function; None for no forms."""
    return _Compiler().check(shape) if shape.has_forms else None


def is_distinct(values: list[object]) -> bool:
    """Return whether no two JSON values of a list are the same."""
    return len(set(map(_key, values))) == len(values)


def _key(value: object) -> object:
    """Return what makes two JSON values the same: true isn't 1."""
    if type(value) is list:
        return tuple(map(_key, value))
    if type(value) is dict:
        return frozenset((name, _key(member)) for name, member in value.items())
    return type(value) is bool, value


class _Compiler:
    """Makes one check for each shape, so that a recursive one ends."""

    def __init__(self) -> None:
        self._known: dict[int, Check] = {}

    def check(self, shape: Shape) -> Check:
        known, name = self._known, id(shape)
        if name not in known:
            # what is inside a recursive shape finds the check that is being made
            def later(value: object) -> bool:
                return known[name](value)

            known[name] = later
            known[name] = self._make(shape)
        return known[name]

    def _make(self, shape: Shape) -> Check:
        if shape.form is not None:
            fullmatch = shape.form.pattern.fullmatch
            return lambda value: type(value) is not str or fullmatch(value) is not None
        if shape.options:
            return self._by_kind(shape)
        if shape.fields:
            return self._fields(shape)
        if shape.prefix:
            return self._prefix(shape)
        return self._items(shape)

    def _by_kind(self, shape: Shape) -> Check:
        checks: dict[type, Check] = {}
        for option in shape.options:
            for kind in (option.kinds or frozenset()) - checks.keys():
                checks[kind] = self.check(option) if option.has_forms else _always

        return lambda value: checks.get(type(value), _always)(value)

    def _fields(self, shape: Shape) -> Check:
        fields = shape.fields.items()
        checks = [(name, self.check(field)) for name, (field, _) in fields if field.has_forms]

        def check(value: Any) -> bool:  # noqa: ANN401 - decoded JSON
            if type(value) is not dict:
                return True
            is_right = True
            for name, each in checks:
                if name in value:
                    is_right = is_right and each(value[name])
            return is_right

        return check

    def _prefix(self, shape: Shape) -> Check:
        checks = [(index, self.check(each)) for index, each in enumerate(shape.prefix) if each.has_forms]

        def check(value: Any) -> bool:  # noqa: ANN401 - decoded JSON
            if type(value) is not list:
                return True
            return all(each(value[index]) for index, each in checks if index < len(value))

        return check

    def _items(self, shape: Shape) -> Check:
        items = shape.items
        each = self.check(items) if items is not None and items.has_forms else _always
        is_set = shape.is_set

        def check(value: Any) -> bool:  # noqa: ANN401 - decoded JSON
            if type(value) is dict:
                return all(map(each, value.values()))
            if type(value) is list:
                return all(map(each, value)) and (not is_set or is_distinct(value))
            return True

        return check


def _always(_: object) -> bool:
    return True
