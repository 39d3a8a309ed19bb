"""Made-up signatures, and values that are as they say or nearly so."""

import json
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, field, fields, is_dataclass, make_dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import reduce
from operator import or_
from random import Random
from types import GenericAlias, NoneType, UnionType
from typing import (
    Annotated,
    Any,
    Literal,
    NamedTuple,
    NotRequired,
    TypedDict,
    Union,
    cast,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)
from uuid import UUID

from msgspec import Meta, Struct, defstruct
from msgspec.structs import fields as struct_fields

NAMES = ("a", "b", "ñ", "x/y~z", "long_name")
COLOURS = Enum("COLOURS", {"RED": "red", "BLUE": "blue"})
LEVELS = Enum("LEVELS", {"LOW": 1, "HIGH": 2})
POINT = make_dataclass("POINT", [("a", int), ("b", str | None, None)], frozen=True)

BOUNDED = (
    Annotated[int, Meta(ge=0, lt=5)],
    Annotated[int, Meta(gt=0)],
    Annotated[int, Meta(multiple_of=3)],
    Annotated[float, Meta(gt=0.5, le=2)],
    Annotated[float, Meta(multiple_of=0.25)],
    Annotated[str, Meta(min_length=1, max_length=3)],
    Annotated[str, Meta(pattern="^[a-z]+$", title="t", description="d", examples=["x"])],
    Annotated[list[int], Meta(min_length=1, max_length=2)],
    Annotated[set[str], Meta(min_length=2)],
    Annotated[dict[str, int], Meta(max_length=1)],
)
TEXTS = (str, Decimal, UUID, datetime, date, time, timedelta, bytes, COLOURS, Literal["x", "y"])
SCALARS = (*TEXTS, bool, int, float, NoneType, Any, LEVELS, Literal[1, 2, None], *BOUNDED)
HASHABLE = (*TEXTS, int, float, bool, tuple[int, str], tuple[date, ...], frozenset[int], POINT, int | None)

SAMPLES: dict[Any, tuple[object, ...]] = {
    str: ("", "x", "abc", "12", "é\U0001f600"),
    Decimal: (1, 1.5, "1.50", "-3", 12345678901234567890, 1.0),
    UUID: ("12345678-1234-5678-1234-567812345678", "ABCDEF78-1234-5678-1234-567812345678"),
    datetime: ("2024-02-29T23:59:59Z", "2024-01-01T00:00:00.5+05:30", "0001-01-01T00:00:00+01:00"),
    date: ("2024-02-29", "0001-01-01", "9999-12-31"),
    time: ("08:30:00", "23:59:59.999999", "00:00:00Z", "08:30:00-03:00"),
    timedelta: ("P1D", "PT1H30M", "P1DT0.5S", "PT0S"),
    bytes: ("", "aGk=", "aGVsbG8h", "aA=="),
    bool: (True, False),
    int: (0, 1, -7, 3, 1.0, 4e0, 10**25, 3 * 10**25, 2**63, 2**64),
    float: (0, 1.5, -0.25, 1, 1e300, 2.0),
    NoneType: (None,),
    Any: (None, [1.5, {"x": "y"}], "x"),
}
NEARLY: tuple[object, ...] = (
    None, True, False, 0, 1, -1, 1.0, 1.5, 5, 10**30, "", "1", "x", "null", "true", "NaN", "Infinity", "1_0",
    " 1", "1e5", "12345678123456781234567812345678", "{12345678-1234-5678-1234-567812345678}",
    "2024-02-30T00:00:00Z", "2024-01-01T00:00:00", "2024-01-01 00:00:00Z", "2024-01-01t00:00:00z",
    "2024-01-01T24:00:00Z", "2024-01-01T23:59:60Z", "2024-01-01T00:00:00+0100",
    "2024-01-01T00:00:00.1234567Z", "0000-01-01T00:00:00Z", "9999-12-31T23:59:59.9999999Z", "2023-02-29",
    "0000-01-01", "2024-1-1", "20240101", "08:30", "24:00:00", "08:30:60", "P1W", "P1Y", "-P1D", "P", "PT",
    "P1DT", "PT1M1H", "p1d", "P1.5D", "aGk", "aG k=", "_-8=",
    "1\n", "aGk=\n", "08:30:00\n", "P1D\n", "2024-01-01\n", "12345678-1234-5678-1234-567812345678\n", "aB==",
    [], {}, [1, 1], [True, 1], ["x", "x"], [1, "x"], {"a": 1}, {"a": None, "b": "x"}, [[]], ["x", "y", "z"],
)  # fmt: skip
"""Values that msgspec, or another reader, takes for what they aren't, and plain ones."""


class Signature(NamedTuple):
    """A function, the annotations of its parameters and of what ``**`` takes, if it takes anything."""

    function: Callable[..., Any]
    annotations: dict[str, Any]
    optional: frozenset[str]
    rest: Any = MISSING


def make_signature(random: Random) -> Signature:
    """Return a function of one to three parameters, or of ``body``; some have a default, or no annotation."""
    names = random.choice((["body"], [f"p{number}" for number in range(random.randint(1, 3))]))
    optional = frozenset(names[random.randint(0, len(names)) :])
    parameters = ", ".join(f"{name}=None" if name in optional else name for name in names)
    has_rest = names != ["body"] and random.random() < 0.2
    scope: dict[str, Any] = {}
    exec(f"def function({parameters}{', **rest' if has_rest else ''}): return None", scope)  # noqa: S102 - the names are ours
    function = scope["function"]
    annotations = {name: make_annotation(random, 3) for name in [*names, *["rest"] * has_rest]}
    function.__annotations__ = {name: each for name, each in annotations.items() if each is not Any}
    rest = annotations.pop("rest", MISSING)
    return Signature(function, annotations, optional, rest)


def make_annotation(random: Random, depth: int) -> Any:
    """Return an annotation; a deeper one may have others inside."""
    if depth == 0 or random.random() < 0.35:
        return random.choice(SCALARS)
    inner, other = (make_annotation(random, depth - 1) for _ in range(2))
    containers = (
        lambda: GenericAlias(random.choice((list, Sequence, Collection)), inner),
        lambda: GenericAlias(random.choice((set, frozenset)), random.choice(HASHABLE)),
        lambda: GenericAlias(tuple, (inner, other)),
        lambda: GenericAlias(tuple, (inner, ...)),
        lambda: GenericAlias(random.choice((dict, Mapping)), (str, inner)),
        lambda: inner | None,
        lambda: _union(random),
        lambda: _dataclass(random, inner, other),
        lambda: _recursive(random, inner),
        lambda: _struct(random, inner, other),
        lambda: _typed_dict(random, inner, other),
        lambda: _named_tuple(random, inner, other),
    )
    return random.choice(containers)()


def _union(random: Random) -> Any:
    """Return a union of types that JSON tells apart, as msgspec requires."""
    kinds: tuple[tuple[Any, ...], ...] = (TEXTS[:8], (bool, int), (list[int], dict[str, str], None))
    return reduce(or_, random.sample([random.choice(each) for each in kinds], random.randint(2, 3)))


def _dataclass(random: Random, inner: Any, other: Any) -> Any:
    required = [("a", inner), ("b", other)][: random.randint(0, 2)]
    return make_dataclass(_name(random), [*required, ("c", inner | None, field(default=None))])


def _recursive(random: Random, inner: Any) -> Any:
    node: Any = type(_name(random), (), {"__annotations__": {"value": inner}, "next": None})
    node.__annotations__["next"] = node | None
    return dataclass(node)


def _struct(random: Random, inner: Any, other: Any) -> Any:
    members: list[Any] = [("first_name", inner), ("b", other | None, None)]
    return defstruct(_name(random), members, forbid_unknown_fields=random.random() < 0.5, rename="camel")


def _typed_dict(random: Random, inner: Any, other: Any) -> Any:
    members = zip(random.sample(NAMES, 2), (inner, NotRequired[other]), strict=True)
    return cast("Any", TypedDict)(_name(random), dict(members))


def _named_tuple(random: Random, inner: Any, other: Any) -> Any:
    class Named(NamedTuple):
        first: inner
        second: other | None = None

    Named.__name__ = Named.__qualname__ = _name(random)
    return Named


def _name(random: Random) -> str:
    """Return a name of a class that no other has: a schema names them."""
    return f"Class{random.randrange(10**12)}"


def make_value(annotation: Any, random: Random, wrong: float) -> object:
    """Return decoded JSON of an annotation; each part is another value with the probability ``wrong``."""
    if random.random() < wrong:
        return random.choice(NEARLY)
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Annotated, NotRequired):
        return make_value(arguments[0], random, wrong)
    if origin is Literal:
        return random.choice(arguments)
    if origin in (Union, UnionType):
        return make_value(random.choice(arguments), random, wrong)
    if origin is not None:
        return _container(origin, arguments, random, wrong)
    if annotation in SAMPLES:
        return random.choice(SAMPLES[annotation])
    if issubclass(annotation, Enum):
        return random.choice(list(annotation)).value
    return _object(annotation, random, wrong)


def _container(origin: Any, arguments: tuple[Any, ...], random: Random, wrong: float) -> object:
    if origin in (dict, Mapping):
        names = random.sample(NAMES, random.randint(0, 2))
        return {name: make_value(arguments[1], random, wrong) for name in names}
    if origin is tuple and arguments[-1] is not ...:
        return [make_value(each, random, wrong) for each in arguments]
    return [make_value(arguments[0], random, wrong) for _ in range(random.randint(0, 3))]


def _object(annotation: Any, random: Random, wrong: float) -> object:
    hints = get_type_hints(annotation, include_extras=True)
    if issubclass(annotation, tuple):
        return [make_value(each, random, wrong) for each in hints.values()][: random.randint(1, 2)]
    if issubclass(annotation, Struct):
        hints = {each.encode_name: each.type for each in struct_fields(annotation)}
        required = {each.encode_name for each in struct_fields(annotation) if each.required}
    elif is_dataclass(annotation):
        required = {each.name for each in fields(annotation) if each.default is MISSING}
    else:
        required = annotation.__required_keys__
    members = {
        name: make_value(hint, random, wrong)
        for name, hint in hints.items()
        if random.random() < (1 - wrong if name in required else 0.5)
    }
    return members | ({"more": 1} if random.random() < wrong else {})


def make_body(signature: Signature, random: Random) -> str:
    """Return a body's JSON text."""
    wrong = random.choice((0, 0.03, 0.15))
    members = {
        name: make_value(annotation, random, wrong)
        for name, annotation in signature.annotations.items()
        if name not in signature.optional or random.random() < 0.5
    }
    if "body" in members or random.random() < wrong / 4:
        return json.dumps(members.get("body", random.choice(NEARLY)))
    if random.random() < (wrong if signature.rest is MISSING else 0.5):
        if signature.rest is MISSING:
            members[random.choice(("unknown", "path", "endpoint_id", "context"))] = 1
        else:
            members[random.choice(("unknown", "path", "body"))] = make_value(signature.rest, random, wrong)
    return json.dumps(members)


def words_of(annotation: Any) -> Iterator[str]:
    """Yield what docs/functions.md calls an annotation and those inside it; a class's once."""
    seen: list[Any] = [annotation]
    for each in seen:
        origin, arguments = get_origin(each), get_args(each)
        if origin is Annotated:
            yield from ("Annotated", *re.findall(r"(\w+)=", repr(arguments[1])))
        if origin in (Union, UnionType):
            yield "|"
        elif isinstance(each, type) and origin is None and each not in SAMPLES:
            yield _kind_of(each)
            hints = get_type_hints(each, include_extras=True).values() if not issubclass(each, Enum) else ()
            arguments = tuple(hints)
        elif each is not ... and origin is not NotRequired:
            yield "None" if each is NoneType else (origin or each).__name__
        inside = () if origin is Literal else arguments[:1] if origin is Annotated else arguments
        seen += [new for new in inside if all(new is not known for known in seen)]


def _kind_of(cls: type) -> str:
    if issubclass(cls, Enum | Struct):
        return "Enum" if issubclass(cls, Enum) else "Struct"
    return "TypedDict" if is_typeddict(cls) else "dataclass" if is_dataclass(cls) else "NamedTuple"
