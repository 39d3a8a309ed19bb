"""Cursors: a page's end as text, good for one tenant and one function."""

import logging
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from contextlib import AbstractContextManager
from decimal import Decimal
from typing import Any

import pytest
from boto3.dynamodb.types import Binary
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.calls import running_call

from silvaengine.context import CurrentInvocation
from silvaengine.errors import FunctionError
from silvaengine_base import decode_cursor, encode_cursor

KEY = {"tenant": "acme", "number": Decimal("12345678901234567890.5"), "id": b"\x00\xff"}


def running(
    tenant: str = "acme", function: str = "tickets", settings: Mapping[str, Any] | None = None
) -> AbstractContextManager[None]:
    """Stand in a function's call."""
    return running_call(
        CurrentInvocation("r", tenant, "core", function, None, 1, settings or {}, logging.getLogger("f"))
    )


def cursor_of(key: Mapping[str, Any], **caller: Any) -> str:
    """Return a key's cursor."""
    with running(**caller):
        cursor = encode_cursor(key)
    assert cursor is not None
    return cursor


@given(st.dictionaries(st.text(), st.text() | st.decimals(allow_nan=False) | st.binary(), min_size=1))
def test_any_key_comes_back(key: dict[str, Any]) -> None:
    """With the types that boto3 takes, as text for a query."""
    with running():
        cursor = encode_cursor(key)
        assert cursor is not None
        assert cursor.isascii()
        assert not set(cursor) & set("=+/&?% ")
        assert decode_cursor(cursor) == key


def test_boto3s_bytes_come_back_as_bytes() -> None:
    """Its tables return a class of their own."""
    with running():
        assert decode_cursor(encode_cursor({"id": Binary(b"\x00")})) == {"id": b"\x00"}


@pytest.mark.parametrize("nothing", [None, {}])
def test_the_last_page_has_no_cursor(nothing: Any) -> None:
    """And the first one needs none."""
    with running():
        assert encode_cursor(nothing) is None
        assert decode_cursor(None) is None
        assert decode_cursor("") is None


@pytest.mark.parametrize(
    "caller", [{"tenant": "globex"}, {"function": "users"}, {"settings": {"cursor_secret": "x"}}]
)
def test_a_cursor_is_its_tenants_and_functions_own(caller: dict[str, Any]) -> None:
    """Another one refuses it, with the parameter's name."""
    cursor = cursor_of(KEY)
    with (
        running(**caller),
        pytest.raises(FunctionError, match="'after' is not a cursor of this list") as refused,
    ):
        decode_cursor(cursor, "after")
    assert (refused.value.status, refused.value.code) == (422, "invalid_cursor")
    assert refused.value.details == {"parameter": "after"}


@given(st.text() | st.binary().map(lambda data: urlsafe_b64encode(data).decode()))
def test_whatever_else_is_refused(text: str) -> None:
    """Never another error."""
    with running():
        if text:
            with pytest.raises(FunctionError, match="is not a cursor"):
                decode_cursor(text)


@pytest.mark.parametrize("secret", ["", "s3cret"])
def test_a_changed_cursor_is_refused(secret: str) -> None:
    """Each of its bytes is signed."""
    settings = {"cursor_secret": secret}
    data = urlsafe_b64decode(cursor_of({"id": "abc"}, settings=settings) + "==")
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 1
        with running(settings=settings), pytest.raises(FunctionError, match="is not a cursor"):
            decode_cursor(urlsafe_b64encode(changed).decode())


def test_with_a_secret_nobody_else_can_make_one() -> None:
    """What is signed without it, as anybody could, is refused."""
    forged = cursor_of(KEY)
    with running(settings={"cursor_secret": "s3cret"}):
        assert decode_cursor(encode_cursor(KEY)) == KEY
        with pytest.raises(FunctionError, match="is not a cursor"):
            decode_cursor(forged)
