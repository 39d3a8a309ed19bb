from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntFlag, StrEnum
from fnmatch import fnmatchcase
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from silvaengine.cache.keys import (
    MAX_TEXT,
    NoKeyError,
    argument_text,
    call_text,
    compile_pattern,
    exact_pattern,
    plain_text,
    tenant_text,
    validate_name,
)


@dataclass(frozen=True)
class Query:
    text: Any
    page: Any = 1


@dataclass(frozen=True)
class Filter:
    text: Any
    page: Any = 1


class Ranked(Query):
    def __init__(self, rank: int) -> None:
        super().__init__("a")
        object.__setattr__(self, "rank", rank)


class Slotted(Query):
    __slots__ = ("rank",)

    def __init__(self, rank: int) -> None:
        super().__init__("a")
        object.__setattr__(self, "rank", rank)


@dataclass
class Options(dict[str, int]):
    text: str


@dataclass
class Unset:
    text: str = field(init=False)


class Color(Enum):
    RED = 1
    BLUE = 2


class Word(StrEnum):
    RED = "red"


class Bits(IntFlag):
    ONE = 1
    TWO = 2


Odd = Enum("Odd", {"a": 1, "a,~1": 2, "b": 3})  # names that no class statement allows

atoms = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.decimals(allow_nan=False)
    | st.text(st.characters(codec=None))
    | st.text(",~()[]{}=%:1aT", max_size=6)
    | st.binary(max_size=8)
    | st.uuids()
    | st.dates()
    | st.datetimes(timezones=st.sampled_from([None, UTC, timezone(timedelta(hours=1))]))
    | st.times()
    | st.timedeltas()
    | st.sampled_from([*Color, *Word, *Odd])
    | st.integers(0, 16).map(Bits)
)
arguments = st.recursive(
    atoms,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.frozensets(atoms, max_size=2)
        | st.dictionaries(atoms, inner, max_size=2)
        | st.builds(Query, inner, inner)
        | st.builds(Filter, inner, inner)
    ),
    max_leaves=5,
)


def shape(value: Any) -> Any:
    """Return a value with the type of each part: what has to be the same for two calls to be one."""
    kind = type(value)
    match value:
        case list() | tuple():
            return kind, tuple(map(shape, value))
        case frozenset():
            return kind, frozenset(map(shape, value))
        case dict():
            return kind, frozenset((shape(name), shape(member)) for name, member in value.items())
        case Query() | Filter():
            return kind, shape(value.text), shape(value.page)
        case datetime():
            return kind, value.isoformat(), value.fold, str(value.tzinfo)
        case _:
            return kind, repr(value), getattr(value, "fold", 0)


@given(st.lists(arguments, max_size=3), st.lists(arguments, max_size=3))
@example([[]], [[""]])
@example([()], [("",)])
@example([frozenset()], [frozenset({""})])
@example([Odd["a,~1"]], [Odd["a"], 1])
@example([Bits(8)], [Bits(16)])
@example([Bits(0)], [Bits(8)])
def test_two_calls_share_a_key_only_if_they_are_one(one: list[Any], other: list[Any]) -> None:
    """Type, content, order and number of the arguments are all in the key."""
    assert (call_text(one) == call_text(other)) == (shape(one) == shape(other))


@given(
    st.lists(atoms, max_size=2),
    st.dictionaries(st.text(",=~1a", max_size=3), atoms, max_size=2),
    st.lists(atoms, max_size=2),
    st.dictionaries(st.text(",=~1a", max_size=3), atoms, max_size=2),
)
def test_named_arguments_are_no_positional_ones(
    one: list[Any], named: dict[str, Any], other: list[Any], other_named: dict[str, Any]
) -> None:
    """``f("a=1")`` is not ``f(a="1")``."""
    is_same = shape((one, named)) == shape((other, other_named))
    assert (call_text(one, named) == call_text(other, other_named)) == is_same


@given(st.text(",%:*1a-", max_size=5), st.text(",%:*1a-", max_size=5))
def test_tenants_have_texts_of_their_own(one: str, other: str) -> None:
    """No two tenants share a text, none holds a separator, and none is the sign for all of them."""
    assert (tenant_text(one) == tenant_text(other)) == (one == other)
    assert not set(tenant_text(one)) & set(":*/")


@given(st.text("%\x00\n\ud800a*~:", max_size=6), st.text("%\x00\n\ud800a*~:", max_size=6))
def test_texts_that_somebody_made_stay_apart(one: str, other: str) -> None:
    """Escaping what no key can hold joins no two of them."""
    assert (plain_text(one) == plain_text(other)) == (one == other)
    assert plain_text(one).isprintable()


@given(arguments)
def test_a_key_can_be_written_into_any_store(argument: Any) -> None:
    """No control character, no line end, no lone surrogate; and no more than its length."""
    text = call_text([argument])
    assert text.isprintable() or text.encode().decode() == text
    assert "\n" not in text
    assert len(text) <= MAX_TEXT


def test_long_keys_end_in_a_digest_of_all_of_them() -> None:
    """A difference in the last character is a difference, and the beginning can be read."""
    one, other = call_text(["a" * 10_000 + "b"]), call_text(["a" * 10_000 + "c"])
    assert one != other
    assert one.startswith("aaaa")
    assert max(len(one), len(other)) <= MAX_TEXT
    assert plain_text("a" * 10_000 + "b") == one


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("acme", "acme"),
        ("a,b", "a%2Cb"),
        ("", "~''"),
        ("~1", "%7E1"),
        (1, "~1"),
        (1.0, "~1.0"),
        (True, "~True"),
        (None, "~None"),
        (Decimal("1.50"), "~Decimal(1.50)"),
        (Color.RED, f"~{__name__}.Color.RED"),
        (["a", 1], "~[a,~1]"),
        (("a",), "~(a)"),
        ({"b": 1, "a": 2}, "~{a=~2,b=~1}"),
        ({2, 1}, "~set(~1,~2)"),
        (b"\x01", "~bytes(01)"),
    ],
)
def test_a_key_is_readable_text(value: Any, text: str) -> None:
    """Examples show the grammar of keys."""
    assert argument_text(value) == text


@pytest.mark.parametrize("make", [int, Bits], ids=["number", "flag"])
def test_a_number_of_any_length_has_a_key(make: Callable[[int], Any]) -> None:
    """Though the interpreter writes no more than 4,300 decimal digits."""
    numbers = (10**5_000, 10**5_000 + 8, 10**5_000 + 16)
    assert len({call_text([make(number)]) for number in numbers}) == 3


def holding_itself() -> list[Any]:
    """Return a list that holds itself."""
    value: list[Any] = []
    value.append(value)
    return value


@pytest.mark.parametrize(
    "make",
    [
        object,
        holding_itself,
        lambda: [object()],
        lambda: {1: print},
        lambda: Query,
        lambda: Ranked(1),
        lambda: Slotted(1),
        lambda: Options("a"),
        Unset,
    ],
)
def test_what_has_no_content_has_no_key(make: Callable[[], Any]) -> None:
    """An object whose content isn't known is refused, and not taken by its address."""
    with pytest.raises(NoKeyError):
        call_text([make()])


@given(st.text("ab*?[]!-A", max_size=8), st.text("abA-", max_size=8))
def test_patterns_are_anchored_and_case_sensitive_globs(pattern: str, text: str) -> None:
    """A pattern matches what the standard library's case-sensitive match says."""
    assert bool(compile_pattern(pattern)(text)) == fnmatchcase(text, pattern)


@given(st.text("ab*?[]!-%", max_size=8), st.text("ab*?[]!-%", max_size=8))
def test_a_literal_pattern_matches_its_text_alone(text: str, other: str) -> None:
    """Nothing in it has a meaning."""
    assume(text != other)
    assert compile_pattern(exact_pattern(text))(text)
    assert not compile_pattern(exact_pattern(text))(other)


@pytest.mark.parametrize("name", ["api", "a-b_c9", "API", "shop_engine.models.Item", "_", "x" * 120])
def test_a_cache_name_is_short_and_plain(name: str) -> None:
    """A name has letters, digits, hyphens, underscores, and dots between them."""
    assert validate_name(name) == name


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", ".a", "a.", "a..b", "../../x", "a/b", "a\\b", "a b", "a\n", "é", "x" * 121, "{a}", "a:b"],
)
def test_a_cache_name_is_nothing_else(name: str) -> None:
    """It becomes a folder and a part of keys."""
    with pytest.raises(ValueError, match="cache_name"):
        validate_name(name)
