import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from silvaengine.aws.client import percent_encode
from silvaengine.protocol.json_codec import decode, encode, encode_readable, standard_encoder

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_what_is_encoded_reads_the_same_to_everyone(value: Any) -> None:
    """Whichever library reads it, integers of any size and every character among it."""
    text = encode(value)
    assert json.loads(text) == value
    assert decode(text.encode()) == value
    assert decode(json.dumps(value).encode()) == value


@given(VALUES)
def test_a_readable_text_is_the_standard_librarys(value: Any) -> None:
    """Clients see the spaces that they always saw; only a number may have another of its forms."""
    assert json.loads(encode_readable(value)) == value
    if "e" not in repr(value):
        assert encode_readable(value) == json.dumps(value, ensure_ascii=False)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_json_does_not_have_is_refused(number: float) -> None:
    """NaN and infinity are refused, and never turned into null."""
    with pytest.raises(ValueError, match="JSON"):
        encode_readable({"a": None, "b": [number]})


@pytest.mark.parametrize("text", [b'"\\ud800"', b"[1e400]", b'{"a": NaN}', b'{"a": 1, "a": 2}', b" [1] \n"])
def test_odd_texts_read_as_the_standard_library_reads_them(text: bytes) -> None:
    """A function's response may hold them, and functions are not ours."""
    assert json.dumps(decode(text)) == json.dumps(json.loads(text))


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b"[1,]"])
def test_what_is_no_json_is_an_error(text: bytes) -> None:
    """Text that is no JSON is refused rather than guessed at."""
    with pytest.raises(ValueError, match=r"."):
        decode(text)


def test_a_lone_surrogate_is_escaped() -> None:
    """It has no form in UTF-8."""
    assert encode({"a": "\ud800"}) == '{"a": "\\ud800"}'


@given(st.text())
def test_path_segments_are_escaped_as_urllib_escapes_them(segment: str) -> None:
    """An ARN's colons and a connection id's equals sign stand in paths."""
    assert percent_encode(segment) == quote(segment, safe="")


@pytest.mark.parametrize("ensure_ascii", [True, False])
@given(value=VALUES)
def test_the_standard_encoder_writes_what_json_writes(value: Any, ensure_ascii: bool) -> None:
    """Its parts are undocumented: a Python that changes them must fail here, not at a tenant's."""
    assert standard_encoder(ensure_ascii=ensure_ascii)(value) == json.dumps(value, ensure_ascii=ensure_ascii)
