"""Every JSON-able result arrives, and one that isn't is an error that says where."""

import json
import math
from base64 import b64decode
from collections import OrderedDict, deque, namedtuple
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Struct
from pydantic import BaseModel
from pynamodb.attributes import MapAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.models import Model

from silvaengine.protocol.messages import SYNC_LIMIT, ResponseKind, WorkerResponse
from silvaengine_worker.results import Outcome, ResultError, to_json_text, to_json_value, to_response

from .documented import FORMS, each_form

Point = namedtuple("Point", "x y")


class Colour(Enum):
    """A plain enumeration."""

    RED = "red"


class Level(IntEnum):
    """Numbers."""

    HIGH = 3


class Word(StrEnum):
    """Text."""

    HELLO = "hello"


class Unending:
    """As numpy's longdouble, which Python has no number for."""

    def tolist(self) -> "Unending":
        """Return itself."""
        return self


class Count(int):
    """A number of a user's class."""


class Text(str):
    """Text of a user's class."""

    __slots__ = ()


@dataclass
class Order:
    """A dataclass with what JSON lacks."""

    price: Decimal
    day: date


class Customer(BaseModel):
    """A pydantic model."""

    name: str
    born: date


class Renamed(Struct, rename="camel"):
    """One of msgspec's own, with other names in JSON."""

    first_name: str
    tags: list[Decimal]


class Address(MapAttribute[str, Any]):
    """A map in a PynamoDB model."""

    city = UnicodeAttribute()


class Row(Model):
    """A PynamoDB model."""

    class Meta:
        """Its table."""

        table_name = "rows"

    key = UnicodeAttribute(hash_key=True)
    total = NumberAttribute()
    address = Address()  # type: ignore[no-untyped-call]


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ({"a": [1, 2.5, True, None, "x"]}, {"a": [1, 2.5, True, None, "x"]}),
        ((1, Point(2, 3)), [1, [2, 3]]),
        ({7}, [7]),
        (frozenset(), []),
        (deque([1]), [1]),
        (range(2), [0, 1]),
        ({"a": 1}.values(), [1]),
        ({"a": 1}.keys(), ["a"]),
        (OrderedDict(a=1), {"a": 1}),
        (Decimal(5), 5),
        (Decimal("5.00"), 5),
        (Decimal("1E+30"), 10**30),
        (Decimal("0.1"), 0.1),
        (datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC), "2024-01-02T03:04:05+00:00"),
        (date(2024, 1, 2), "2024-01-02"),
        (time(3, 4), "03:04:00"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (timedelta(days=1, hours=2, seconds=0.5), "P1DT7200.5S"),
        (timedelta(seconds=-30), "-PT30S"),
        (Renamed("Ada", [Decimal("1.5")]), {"firstName": "Ada", "tags": [1.5]}),
        ([Colour.RED, Level.HIGH, Word.HELLO], ["red", 3, "hello"]),
        ([b"\x00\xff", bytearray(b"a"), memoryview(b"a")], ["AP8=", "YQ==", "YQ=="]),
        (Order(Decimal("1.5"), date(2024, 1, 2)), {"price": 1.5, "day": "2024-01-02"}),
        (Customer(name="Ada", born=date(1815, 12, 10)), {"name": "Ada", "born": "1815-12-10"}),
        (
            Row("k", total=2, address={"city": "Turin"}),
            {"key": "k", "total": 2, "address": {"city": "Turin"}},
        ),
        (
            {1: "a", None: "b", False: "c", date(2024, 1, 2): "d"},
            {"1": "a", "null": "b", "false": "c", "2024-01-02": "d"},
        ),
        ([Text("text"), Count(3)], ["text", 3]),
    ],
)
def test_each_kind_of_value_has_a_json_form(value: Any, form: Any) -> None:
    """The form is the one that a client expects."""
    assert to_json_value(value) == form
    assert json.loads(json.dumps(to_json_value(value))) == form


@pytest.mark.parametrize(
    ("value", "kind", "form"),
    [
        ('{"a":  1}', "text", '{"a":  1}'),
        (Word.HELLO, "text", "hello"),
        (None, "json", None),
        (Colour.RED, "json", "red"),
        (0, "json", 0),
        (b"\x00\xff", "base64", "AP8="),
    ],
)
def test_an_answer_has_the_kind_of_its_result(value: Any, kind: ResponseKind, form: Any) -> None:
    """Text is sent unchanged, bytes as bytes, everything else as JSON; None is JSON's null."""
    assert to_response(value) == WorkerResponse(kind, form)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda members: st.lists(members, max_size=4) | st.dictionaries(st.text(), members, max_size=4),
    max_leaves=20,
)


@given(json_values)
def test_json_stays_as_it_is(value: Any) -> None:
    """A value that is JSON already isn't changed."""
    assert to_json_value(value) == value


@given(st.binary())
def test_bytes_survive_their_base64(value: bytes) -> None:
    """Base64 in the response is the function's bytes."""
    assert b64decode(str(to_response(value).value)) == value


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (math.nan, "nan at result"),
        ({"a": [1, math.inf]}, "inf at result.a[1]"),
        (Decimal("NaN"), "NaN at result"),
        (Decimal("1E+400"), "1E+400 at result"),
        ({"items": [{"owner": object()}]}, "object at result.items[0].owner"),
        ({"a": Customer}, "ModelMetaclass at result.a"),
        ({(1, 2): "x"}, "tuple at result.(1, 2)"),
        (lambda: None, "function at result"),
        (1j, "complex at result"),
    ],
)
def test_what_has_no_json_form_is_named_with_its_place(value: Any, what: str) -> None:
    """The message has the type and the place, so that the author finds it."""
    with pytest.raises(ResultError) as refused:
        to_json_value(value)
    assert refused.value.message == f"The function's result can't be sent as JSON: {what}"
    assert refused.value.status == 500


def test_a_result_that_holds_itself_is_refused() -> None:
    """An endless structure is an error, not a crash."""
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(ResultError, match="contains itself"):
        to_json_value(endless)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("x" * (SYNC_LIMIT - 1), "6291457 bytes, more than the limit of 6291456"),
        ("\u20ac" * (SYNC_LIMIT // 3), "more than the limit"),
        ("\ud800", "valid Unicode"),
        (10**5000, "too many digits"),
    ],
    ids=["size", "bytes, not characters", "lone surrogate", "digits"],
)
def test_what_lambda_would_refuse_is_refused_with_the_reason(value: Any, message: str) -> None:
    """Size is counted in bytes as the runtime writes them; 6 MB exactly still go through."""
    with pytest.raises(ResultError, match=message):
        to_json_text(value)
    to_json_text("x" * (SYNC_LIMIT - 2))


def test_half_a_surrogate_pair_in_a_value_is_escaped() -> None:
    """A client can send it as an escape, and a function return it as one: neither as UTF-8."""
    outcome = Outcome.of(WorkerResponse("json", {"tag": "\ud800é"}))
    assert outcome.response == WorkerResponse("text", '{"tag": "\\ud800\\u00e9"}')
    assert json.loads(outcome.text)["value"] == outcome.response.value
    with pytest.raises(ResultError, match="valid Unicode"):
        Outcome.of(WorkerResponse("text", "\ud800"))


@each_form
def test_each_documented_value_is_an_answer(handle: Callable[..., Any], expression: str, form: Any) -> None:
    """In the form that the documentation's table says."""
    response = handle("forms:make", params={"expression": expression})
    assert (response["kind"], response["value"]) == ("base64" if expression[0] == "b" else "json", form)


def test_the_table_of_values_is_read() -> None:
    """It has a row for each kind."""
    assert len(FORMS) == 11


def test_what_python_has_no_value_for_is_refused() -> None:
    """Such as a number of numpy's that is its own in Python, too."""
    with pytest.raises(ResultError, match=r"Unending at result\[0\]"):
        to_json_value([Unending()])
