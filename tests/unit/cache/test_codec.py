import sys
from collections import OrderedDict, namedtuple
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import IntEnum
from types import ModuleType
from typing import Any, ClassVar
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.msgpack import Ext, encode

from silvaengine.cache import codec
from silvaengine.cache.codec import NotDecodableError, NotEncodableError


@dataclass
class Point:
    x: Any
    y: Any = None


@dataclass(frozen=True, slots=True)
class Frozen:
    name: str
    points: tuple[Point, ...] = ()


@dataclass
class Lazy:
    x: int
    y: int = field(init=False)


class Plain(Point):
    """No dataclass of its own, so that what it holds besides the fields of its base isn't known."""

    __slots__ = ("hidden",)
    hidden: int


@dataclass
class Dictionary(dict[str, int]):
    x: int = 0


class Number(IntEnum):
    ONE = 1


Pair = namedtuple("Pair", "a b")


zones = st.sampled_from([None, UTC, timezone(timedelta(hours=5, minutes=30)), timezone(-timedelta(hours=8))])
hashable = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=-(2**70), max_value=2**70)
    | st.floats(allow_nan=False)
    | st.decimals(allow_nan=False)
    | st.text(st.characters(codec=None))
    | st.binary()
    | st.uuids()
    | st.dates()
    | st.datetimes(timezones=zones).filter(lambda value: not value.fold)
    | st.times(timezones=zones).filter(lambda value: not value.fold)
    | st.timedeltas(),
    lambda inner: (
        st.tuples(inner, inner) | st.frozensets(inner, max_size=3) | st.builds(tuple, st.lists(inner))
    ),
    max_leaves=6,
)
values = st.recursive(
    hashable,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.tuples(inner)
        | st.sets(hashable, max_size=3)
        | st.dictionaries(hashable, inner, max_size=3)
        | st.dictionaries(st.text(), inner, max_size=3)
        | st.builds(Point, inner, inner)
        | st.builds(Frozen, st.text(), st.tuples(st.builds(Point, inner)))
    ),
    max_leaves=10,
)


def shape(value: Any) -> Any:
    """Return a value with the type of each part, for 1, 1.0 and True are equal."""
    kind = type(value)
    if kind in (list, tuple):
        return kind, [shape(each) for each in value]
    if kind in (set, frozenset):
        return kind, sorted(map(repr, map(shape, value)))
    if kind is dict:
        return kind, [(shape(name), shape(member)) for name, member in value.items()]
    if kind in (Point, Frozen):
        return kind, [shape(member) for member in (getattr(value, name) for name in kind.__match_args__)]
    return kind, repr(value)


@given(values)
def test_a_value_comes_back_with_every_type_and_digit(value: Any) -> None:
    """What is decoded can't be told from what was encoded."""
    decoded = codec.decode(codec.encode(value))
    assert shape(decoded) == shape(value)
    assert decoded == value


@pytest.mark.parametrize(
    "value", [float("nan"), float("-inf"), -0.0, Decimal("NaN"), Decimal("1.50"), "\ud800"]
)
def test_what_is_equal_to_nothing_or_to_something_else_comes_back(value: Any) -> None:
    """Not a number, minus zero, trailing zeros and lone surrogates keep their form."""
    assert repr(codec.decode(codec.encode(value))) == repr(value)


@given(values)
def test_a_copy_shares_nothing_mutable(value: Any) -> None:
    """A value that isn't immutable is a new object each time."""
    data = codec.encode(value)
    if not codec.is_immutable(value) and type(value) not in (tuple, frozenset):
        assert codec.decode(data) is not codec.decode(data)


@pytest.mark.parametrize(
    ("value", "immutable"),
    [
        (1, True),
        ("a", True),
        (None, True),
        ((1, ("a", Decimal(1))), True),
        (frozenset({1}), True),
        (([],), False),
        ([], False),
        ({}, False),
        (Frozen("a"), False),
    ],
)
def test_only_what_nobody_can_change_is_handed_out_as_it_is(value: Any, immutable: bool) -> None:
    """A tuple is as immutable as what it holds; a frozen dataclass may hold a list."""
    assert codec.is_immutable(value) is immutable


def holding_itself() -> list[Any]:
    """Return a list that holds itself."""
    value: list[Any] = []
    value.append(value)
    return value


def with_hidden_state() -> Plain:
    """Return a dataclass's object with a slot besides its fields."""
    value = Plain(1)
    value.hidden = 2
    return value


def with_own_attribute() -> Point:
    """Return a dataclass's object with an attribute besides its fields."""
    value = Point(1)
    value.z = 3  # type: ignore[attr-defined] # as a cached property would
    return value


def of_a_local_class() -> Any:
    """Return an object of a class that no name leads to."""

    @dataclass
    class Local:
        x: int

    return Local(1)


@pytest.mark.parametrize(
    "make",
    [
        object,
        holding_itself,
        with_hidden_state,
        with_own_attribute,
        of_a_local_class,
        lambda: Lazy(1),
        Dictionary,
        lambda: Number.ONE,
        lambda: Pair(1, 2),
        lambda: OrderedDict(a=1),
        lambda: bytearray(b"a"),
        lambda: [1j],
        lambda: {"a": {1: object()}},
        lambda: datetime(2026, 10, 25, 2, tzinfo=ZoneInfo("Europe/Berlin")),
        lambda: datetime(2026, 10, 25, 2, tzinfo=timezone(timedelta(hours=1), "CET")),
        lambda: datetime(2026, 10, 25, 2, fold=1),  # noqa: DTZ001 - a naive one is the case
    ],
)
def test_what_would_come_back_changed_is_refused(make: Callable[[], Any]) -> None:
    """A value whose type or state the form can't hold is not encoded."""
    with pytest.raises(NotEncodableError):
        codec.encode(make())


def test_deep_nesting_is_refused_in_both_directions() -> None:
    """Neither a value nor bytes bring the interpreter down."""
    value: Any = ()
    for _ in range(100_000):
        value = (value,)
    with pytest.raises(NotEncodableError):
        codec.encode(value)
    with pytest.raises(NotDecodableError):
        codec.decode(b"\x91" * 100_000 + b"\xc0")


def extension(code: int, data: bytes) -> bytes:
    """Return bytes with one extension."""
    return encode(Ext(code, data))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xc1",
        b"no msgpack",
        codec.encode([1, 2])[:-1],
        codec.encode([1, 2]) + b"\x00",
        extension(99, b""),
        extension(4, b"abc"),
        extension(5, b"short"),
        extension(6, codec.encode([[[], 1]])),
        extension(8, b"0xzz"),
        extension(10, b"yesterday"),
        extension(13, codec.encode(["1"])),
        extension(13, codec.encode([10**9, 0, 0])),
        extension(7, codec.encode(["os", "system", "0" * 16, ["true"]])),
        extension(7, codec.encode(["no.such.module", "Point", "0" * 16, []])),
        extension(7, codec.encode([__name__, "Absent", "0" * 16, []])),
        extension(7, codec.encode([__name__, 7, "0" * 16, []])),
        extension(7, codec.encode([["unhashable"], "Point", "0" * 16, []])),
        extension(7, b"\xc0"),
    ],
)
def test_bytes_that_are_no_value_are_refused(data: bytes) -> None:
    """Whatever is wrong with them, one error says so."""
    with pytest.raises(NotDecodableError):
        codec.decode(data)


@given(st.binary(max_size=64))
def test_random_bytes_give_a_value_or_the_one_error(data: bytes) -> None:
    """No bytes raise anything else."""
    try:
        codec.decode(data)
    except NotDecodableError:
        return


@pytest.mark.parametrize("code", range(1, 14))
@given(data=st.binary(max_size=24))
def test_random_extensions_give_a_value_or_the_one_error(code: int, data: bytes) -> None:
    """Nor do bytes that name one of the types."""
    try:
        codec.decode(extension(code, data))
    except NotDecodableError:
        return


def test_a_field_that_was_added_makes_old_bytes_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another deployment's shape of a class is a miss, not an object that lacks an attribute."""
    module = ModuleType("deployed")
    monkeypatch.setitem(sys.modules, "deployed", module)
    exec("from dataclasses import dataclass\n@dataclass\nclass Row:\n    a: int", vars(module))  # noqa: S102 - a deployment
    data = codec.encode(module.Row(1))
    assert codec.decode(data) == module.Row(1)
    exec("@dataclass\nclass Row:\n    a: int\n    b: int = 0", vars(module))  # noqa: S102 - the next one
    with pytest.raises(NotDecodableError):
        codec.decode(data)


def test_a_decoded_object_of_a_class_never_ran_its_code() -> None:
    """Neither ``__init__`` nor ``__post_init__`` is called with what lay in a store."""
    Guarded.made = 0
    data = codec.encode(Guarded(1))
    assert codec.decode(data).x == 1
    assert Guarded.made == 1


@dataclass
class Guarded:
    made: ClassVar[int] = 0
    x: int

    def __post_init__(self) -> None:
        Guarded.made += 1


def test_each_plain_type_has_a_compact_form() -> None:
    """Numbers, text and lists are plain msgpack, which other tools can read."""
    assert codec.encode({"a": [1, None, True, 1.5, b"x"]}) == encode({"a": [1, None, True, 1.5, b"x"]})
    assert codec.decode(codec.encode(UUID(int=1))) == UUID(int=1)
    assert codec.decode(codec.encode(date(2026, 1, 1))) == date(2026, 1, 1)
    assert codec.decode(codec.encode(time(1, 2, 3))) == time(1, 2, 3)
