"""An annotation as a tree, along which a value is walked: to check texts' forms, and to find all faults.

msgspec converts a value at once, but names one fault alone.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import MISSING, fields, is_dataclass
from decimal import Decimal
from enum import Enum
from inspect import isclass
from types import NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    NewType,
    NotRequired,
    Required,
    TypeAliasType,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from msgspec import Meta, Struct
from msgspec.structs import fields as struct_fields

from silvaengine_worker.typed.faults import ABSENT, step
from silvaengine_worker.typed.forms import FORMS, TextForm

type Members = Iterator[tuple[str, "Shape", object]]
"""Steps of a JSON pointer, and the shape and value at each."""

type Annotation = Any
type Arguments = tuple[Any, ...]

_HASHABLE: frozenset[object] = frozenset({tuple, frozenset})  # of the containers
_NUMBERS = frozenset({int, float, Decimal})
_SCALARS: Mapping[object, frozenset[type] | None] = {
    Any: None,
    bool: frozenset({bool}),
    int: frozenset({int}),
    float: _NUMBERS,
    str: frozenset({str}),
    None: frozenset({NoneType}),
    NoneType: frozenset({NoneType}),
}


class UnsupportedTypeError(Exception):
    """An annotation says what can't be checked."""


class Shape:
    """An annotation, and where the values in a value of it are.

    ``kinds`` are the classes of decoded JSON that it takes, None for any. ``form`` is that of its text,
    ``has_forms`` whether a text or a set in it has one to check. ``is_hashable`` is whether Python lets its
    values be a set's, as far as they don't depend on the shapes inside.
    """

    def __init__(self, annotation: Annotation, kinds: frozenset[type] | None) -> None:
        self.annotation = annotation
        self.kinds = kinds
        self.form: TextForm | None = None
        self.is_set = False
        self.fields: dict[str, tuple[Shape, bool]] = {}
        self.prefix: tuple[Shape, ...] = ()
        self.items: Shape | None = None
        self.options: tuple[Shape, ...] = ()
        self.choices: tuple[object, ...] = ()
        self.has_forms = False
        self.is_hashable = kinds is not None

    def children(self) -> Iterator["Shape"]:
        """Yield the shapes inside."""
        yield from (shape for shape, _ in self.fields.values())
        yield from self.prefix
        yield from self.options
        if self.items is not None:
            yield self.items

    def option(self, value: object) -> "Shape":
        """Return that shape of a union which a value is meant for, the union itself if there is none."""
        kind = type(value)
        for shape in self.options:
            if shape.kinds is None or kind in shape.kinds:
                return shape.option(value)
        return self

    def members(self, value: object) -> Members:
        """Yield the values in a value, and what is required and absent."""
        if type(value) is dict:
            for name, (field, is_required) in self.fields.items():
                if name in value or is_required:
                    yield step(name), field, value.get(name, ABSENT)
            if self.items is not None and dict in (self.kinds or ()):
                yield from ((step(name), self.items, member) for name, member in value.items())
        elif type(value) is list:
            for index, member in enumerate(value):
                shape = self.prefix[index] if index < len(self.prefix) else self.items
                if shape is not None:
                    yield step(index), shape, member


class _Reader:
    """Reads an annotation; a class has one shape, so that a recursive one ends."""

    def __init__(self) -> None:
        self._classes: dict[type, Shape] = {}

    def read(self, annotation: Annotation) -> Shape:
        """Return the shape of an annotation; raises UnsupportedTypeError."""
        if isinstance(annotation, TypeAliasType):
            return self.read(annotation.__value__)
        if isinstance(annotation, NewType):
            return self.read(annotation.__supertype__)
        origin = get_origin(annotation) or annotation  # hashable, while what stands in Annotated may not be
        if origin in _SCALARS:
            return Shape(annotation, _SCALARS[origin])
        if origin in _READERS:
            return _READERS[origin](self, annotation, get_args(annotation))
        if isclass(annotation):
            return self._class(annotation)
        raise _unsupported(annotation)

    def inner(self, _: Annotation, arguments: Arguments) -> Shape:
        return self.read(arguments[0])

    def form(self, annotation: Annotation, _: Arguments) -> Shape:
        shape = Shape(annotation, frozenset({str}) | (_NUMBERS if annotation is Decimal else frozenset()))
        shape.form = FORMS[annotation]
        return shape

    def choice(self, annotation: Annotation, choices: Arguments) -> Shape:
        shape = Shape(annotation, frozenset(map(type, choices)))
        shape.choices = choices
        return shape

    def bounded(self, annotation: Annotation, arguments: Arguments) -> Shape:
        shape = self.read(arguments[0])
        for metadata in arguments[1:]:
            if type(metadata).__module__.startswith("annotated_types"):
                message = f"{metadata!r} isn't checked: use msgspec.Meta, or pydantic's Field"
                raise UnsupportedTypeError(message)
            if isinstance(metadata, Meta) and (complaint := _complaint(metadata, shape.annotation)):
                raise UnsupportedTypeError(f"{metadata!r} isn't supported: {complaint}")
        if shape.annotation in self._classes:  # it may still be read, and has no bounds
            return shape
        bounded = copy(shape)
        bounded.annotation = annotation
        return bounded

    def union(self, annotation: Annotation, arguments: Arguments) -> Shape:
        options = tuple(inner for each in map(self.read, arguments) for inner in each.options or (each,))
        kinds = [option.kinds for option in options if option.kinds is not None]
        union = Shape(annotation, frozenset().union(*kinds) if len(kinds) == len(options) else None)
        union.options = options
        return union

    def list(self, annotation: Annotation, arguments: Arguments) -> Shape:
        shape = Shape(annotation, frozenset({list}))
        shape.items = self.read(arguments[0] if arguments else Any)
        shape.is_hashable = (get_origin(annotation) or annotation) in _HASHABLE
        return shape

    def set(self, annotation: Annotation, arguments: Arguments) -> Shape:
        shape = self.list(annotation, arguments)
        shape.is_set = True
        return shape

    def tuple(self, annotation: Annotation, arguments: Arguments) -> Shape:
        if not arguments or arguments[-1] is Ellipsis:
            return self.list(annotation, arguments)
        shape = Shape(annotation, frozenset({list}))
        shape.prefix = tuple(map(self.read, arguments))
        return shape

    def mapping(self, annotation: Annotation, arguments: Arguments) -> Shape:
        key, value = map(self.read, arguments or (str, Any))
        if key.kinds != _SCALARS[str] or key.form or key.choices:
            raise UnsupportedTypeError(f"the keys of {annotation} aren't str, as those of a JSON object")
        shape = Shape(annotation, frozenset({dict}))
        shape.items = value
        shape.is_hashable = False
        return shape

    def _class(self, cls: type) -> Shape:
        if cls in self._classes:
            return self._classes[cls]
        if issubclass(cls, Enum):
            if cls._missing_.__func__ is not Enum._missing_.__func__:  # type: ignore[attr-defined]
                raise UnsupportedTypeError(f"{_name(cls)} takes more than its members: leave out `_missing_`")
            return self.choice(cls, tuple(member.value for member in cls))
        shape = self._classes[cls] = Shape(cls, frozenset({dict}))
        shape.is_hashable = _is_hashable(cls)
        if hasattr(cls, "_field_defaults"):  # a NamedTuple
            shape.kinds = frozenset({list})
            shape.prefix = tuple(map(self.read, get_type_hints(cls, include_extras=True).values()))
        else:
            shape.fields = {name: (self.read(hint), required) for name, hint, required in _fields(cls)}
        return shape


_READERS: Mapping[object, Callable[[_Reader, Annotation, Arguments], Shape]] = {
    Annotated: _Reader.bounded,
    Literal: _Reader.choice,
    tuple: _Reader.tuple,
    **dict.fromkeys(FORMS, _Reader.form),
    **dict.fromkeys((Required, NotRequired), _Reader.inner),
    **dict.fromkeys((Union, UnionType), _Reader.union),
    **dict.fromkeys((list, Sequence, Collection), _Reader.list),
    **dict.fromkeys((set, frozenset), _Reader.set),
    **dict.fromkeys((dict, Mapping), _Reader.mapping),
}


def read_shape(annotation: Annotation) -> Shape:
    """Return the shape of an annotation.

    Raises:
        UnsupportedTypeError: it can't be checked; the message says why.
    """
    try:
        shape = _Reader().read(annotation)
    except RecursionError:
        raise UnsupportedTypeError(f"{_name(annotation)} contains itself, and isn't a class") from None
    for each in _reachable(shape):
        if each.is_set and not all(inner.is_hashable for inner in _reachable(each)[1:]):
            message = (
                f"{_name(each.annotation)}: a set's items must be hashable, such as str, tuple[int, ...]"
            )
            raise UnsupportedTypeError(f"{message} or a frozen dataclass")
        each.has_forms = any(found.form or found.is_set for found in _reachable(each))
    return shape


def tells_fractions(shape: Shape) -> bool:
    """Return whether a value in one of a shape depends on how a fraction was read: as Decimal or float."""
    return any(
        each.kinds is None
        or (each.form is not None and Decimal in each.kinds)
        or sum(int in (option.kinds or ()) for option in each.options) > 1
        for each in _reachable(shape)
    )


def _reachable(shape: Shape) -> list[Shape]:
    found, known = [shape], {id(shape)}
    for each in found:
        new = [child for child in each.children() if id(child) not in known]
        known.update(map(id, new))
        found += new
    return found


def _fields(cls: type[Any]) -> Iterator[tuple[str, Annotation, bool]]:
    """Yield the members of a class: JSON's name, annotation, whether it is required."""
    if issubclass(cls, Struct):
        if cls.__struct_config__.tag is not None or cls.__struct_config__.array_like:
            raise UnsupportedTypeError(f"{_name(cls)} has a tag or is array_like")
        for field in struct_fields(cls):
            yield field.encode_name, field.type, field.required
    elif is_typeddict(cls):
        for name, hint in get_type_hints(cls, include_extras=True).items():
            yield name, hint, name in cls.__required_keys__
    elif is_dataclass(cls):
        hints = get_type_hints(cls, include_extras=True)
        for each in fields(cls):
            yield each.name, hints[each.name], each.init and each.default is each.default_factory is MISSING
    else:
        raise _unsupported(cls)


def _is_hashable(cls: type) -> bool:
    """Return whether objects of a class may be a set's; msgspec's refuse it only when they are asked."""
    if issubclass(cls, Struct):
        return cls.__struct_config__.frozen or not cls.__struct_config__.eq
    return cls.__hash__ is not None


def _complaint(metadata: Meta, annotation: object) -> str:
    """Return what JSON Schema can't say in the same way, empty for nothing."""
    if metadata.tz is not None:
        return "each datetime has an offset"
    if annotation is bytes and (metadata.min_length is not None or metadata.max_length is not None):
        return "a schema counts the letters of base64"
    if metadata.extra_json_schema is not None:
        return "nothing but its schema would change"
    if isinstance(multiple := metadata.multiple_of, float) and Decimal(repr(multiple)) != Decimal(multiple):
        return f"in binary there is no {multiple}; multiples of 0.5 or 0.25 are exact"
    return ""


def _unsupported(annotation: object) -> UnsupportedTypeError:
    return UnsupportedTypeError(f"{_name(annotation)} can't be checked")


def _name(annotation: object) -> str:
    return annotation.__qualname__ if isinstance(annotation, type) else str(annotation)
