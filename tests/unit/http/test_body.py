"""Bodies: forwarded as they were sent, or refused with the reason and the place."""

import gzip
import json
from base64 import b64encode
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from silvaengine.errors import RequestError
from silvaengine.protocol.strict_json import MAX_DEPTH, MAX_VALUES
from silvaengine_http.body import read_body

LIMIT = 6_291_456
FORM = {"content-type": "application/x-www-form-urlencoded"}
JSON = {"content-type": "application/json"}


def _read(body: str, headers: dict[str, str] = JSON) -> str | None:
    return read_body(body, headers, is_base64=False)


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "application/json",
        "Application/JSON; charset=utf-8",
        "application/graphql+json",
        "text/plain",
        "application/x-www-form-urlencoded",
    ],
)
def test_json_goes_on_character_for_character(content_type: str | None) -> None:
    """JSON is taken under the types that clients send it with, and isn't rewritten."""
    text = '\n { "b": 1.50, "a" : "\\u00e9",  "n": 12345678901234567890.10 } '
    headers = {} if content_type is None else {"content-type": content_type}
    assert _read(text, headers) == text


@pytest.mark.parametrize("text", ["[1, 2]", '"text"', "3", "null", "true"])
def test_json_need_not_be_an_object(text: str) -> None:
    """The worker decides about other values; the gateway hands them on."""
    assert _read(text) == text


@pytest.mark.parametrize("body", ["", "  ", "\r\n"])
def test_no_content_is_no_body(body: str) -> None:
    """Nothing but space counts as no body at all."""
    assert _read(body) is None
    assert read_body(b64encode(body.encode()).decode(), JSON, is_base64=True) is None


@pytest.mark.parametrize(
    ("form", "members"),
    [
        ("a=1&b=two+words&c=%C3%A9", {"a": "1", "b": "two words", "c": "é"}),
        ("a=1&a=2", {"a": "2"}),
        ("empty=&flag", {"empty": "", "flag": ""}),
    ],
)
def test_a_form_becomes_an_object(form: str, members: dict[str, str]) -> None:
    """A form's fields are members, and the last of a name counts."""
    assert json.loads(_read(form, FORM) or "") == members


def test_a_form_that_is_not_utf8_is_refused() -> None:
    """A form's escapes have to be UTF-8."""
    with pytest.raises(RequestError, match="form is not valid UTF-8"):
        _read("a=%ff", FORM)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('{"a": }', "The body is not valid JSON: Expecting value at line 1 column 7"),
        ('{\n "a": 1,\n}', "trailing comma before end of object at line 2 column 8"),
        ("{'a': 1}", "Expecting property name enclosed in double quotes at line 1 column 2"),
        ("hello", "Expecting value at line 1 column 1"),
        ("\x1f", "Expecting value at line 1 column 1"),
        ("\u00a0", "Expecting value at line 1 column 1"),
        ('{"a": "\n"}', "Invalid control character at line 1 column 8"),
        ('{"a": 1} x', "Extra data at line 1 column 10"),
        ('"NaN" NaN', "Extra data at line 1 column 7"),
        ('{"NaN": "NaN",\n "b": NaN}', "NaN at line 2 column 7"),
        ('["\\"NaN", -Infinity]', "-Infinity at line 1 column 11"),
        ("[Infinity]", "Infinity at line 1 column 2"),
        ("1" * 5000, "a number has too many digits"),
        ('{"a": [1.5, -1e309]}', "The body contains a number that is too large"),
        ("1e99999999999999999999", "a number that is too large"),
        ("\ufeff{}", "Unexpected UTF-8 BOM"),
        ('"\ud800"', "The body is not valid UTF-8 at position 1"),
        ('{"a": ["\\uD800"]}', "The body contains an unpaired surrogate"),
        ('{"\\udfff": 1}', "The body contains an unpaired surrogate"),
        ('{"a": [{"b": 1, "b": 2}]}', "an object with duplicate member names"),
        ('{"a": 1, "\\u0061": 2}', "an object with duplicate member names"),
        ('{"a" :1, "a"\n:":"}', "an object with duplicate member names"),
        ('{"a": 1, "a": 2, "b": "\\u003a"}', "an object with duplicate member names"),
        ('{"a": "x:y", "a": "\\u003A"}', "an object with duplicate member names"),
        ("[" * 65 + "]" * 65, "The body is nested deeper than 64 levels at line 1 column 65"),
        ('{"a":\n' * 65 + "1" + "}" * 65, "nested deeper than 64 levels at line 65 column 1"),
    ],
)
def test_a_malformed_body_is_refused_with_the_place(body: str, words: str) -> None:
    """What no function could read is a 400 that says why and where."""
    with pytest.raises(RequestError) as refused:
        _read(body)
    assert refused.value.status == 400
    assert words in refused.value.message
    assert "1e309" not in refused.value.message


def test_what_is_too_large_names_the_limit_that_counts() -> None:
    """As base64 a body of 4.5 MB already fills an event."""
    with pytest.raises(RequestError, match="larger than 4718592 bytes"):
        read_body("A" * 6_291_460, {}, is_base64=True)
    with pytest.raises(RequestError, match="larger than 6291456 bytes"):
        read_body("A" * 6_291_460, {}, is_base64=False)


@pytest.mark.timeout(10)
@pytest.mark.parametrize("piece", ["[", '{"a":', '"\\"', '"', "\\"])
def test_six_megabytes_of_nonsense_are_refused_quickly(piece: str) -> None:
    """The time that a refusal takes grows with the body's length, not with its square."""
    with pytest.raises(RequestError) as refused:
        _read("[" * 65 + '"' * 3 + piece * (5_000_000 // len(piece)))
    assert refused.value.status == 400


@pytest.mark.parametrize("depth", [20_000, 99_000])
def test_a_body_too_deep_for_the_parser_is_refused_alike(depth: int) -> None:
    """The parser's own limit is no failure of ours; brackets in strings don't count."""
    with pytest.raises(RequestError, match="nested deeper than 64 levels at line 1 column 69"):
        _read('["[",' + "[" * depth)


def test_depth_counts_levels_not_brackets() -> None:
    """64 levels are allowed, however many brackets there are beside one another or in strings."""
    for text in ("[" * MAX_DEPTH + "]" * MAX_DEPTH, json.dumps([[], {}] * 100), json.dumps("[" * 1000)):
        assert _read(text) == text


@pytest.mark.parametrize(
    "text",
    [
        json.dumps([0] * MAX_VALUES),
        json.dumps([{}] * MAX_VALUES),
        json.dumps({str(number): 0 for number in range(MAX_VALUES)}),
        "[" * MAX_VALUES,
        '["",' * 1_500_000,
        '""' * 2_000_000 + "," * MAX_VALUES,
    ],
)
@pytest.mark.timeout(10)
def test_more_values_than_a_body_may_have_are_refused(text: str) -> None:
    """A body is refused by its number of values before anything of it is parsed."""
    with pytest.raises(RequestError, match=f"more than {MAX_VALUES} values"):
        _read(text)


def test_values_are_counted_not_commas() -> None:
    """As many values as a body may have are taken, and texts may hold any number of commas."""
    for text in (json.dumps([0] * (MAX_VALUES - 1)), json.dumps([",[{" * 500_000, "\\" * 9, ","])):
        assert _read(text) == text


def test_a_form_has_as_many_fields_at_the_most() -> None:
    """A form is refused by its number of fields before it is split."""
    with pytest.raises(RequestError, match=f"more than {MAX_VALUES} values"):
        _read("a&" * MAX_VALUES, FORM)


packed = partial(gzip.compress, mtime=0)  # a test's name has to be the same in every process
GZIP = {"content-type": "application/json", "content-encoding": "gzip"}


def _unpacked(packed: bytes, headers: dict[str, str] = GZIP) -> str | None:
    return read_body(b64encode(packed).decode(), headers, is_base64=True, takes_gzip=True)


def test_a_packed_body_is_unpacked_where_that_is_asked_for() -> None:
    """A deployment that takes gzip gives functions what was packed."""
    assert _unpacked(packed(b'{"a": 1}')) == '{"a": 1}'


@pytest.mark.parametrize(
    ("packed", "headers", "status", "words"),
    [
        (packed(bytes(LIMIT + 1)), GZIP, 413, "larger than 6291456 bytes"),
        (packed(packed(b"{}")), GZIP, 400, "not valid UTF-8"),
        (packed(b"{}"), GZIP | {"content-encoding": "gzip, gzip"}, 415, "gzip, gzip"),
        (packed(b"{}"), GZIP | {"content-encoding": "br"}, 415, "br"),
        (packed(b"{}") * 2, GZIP, 400, "incomplete or followed by other data"),
        (packed(b"{}")[:-1], GZIP, 400, "incomplete or followed by other data"),
        (b"{}", GZIP, 400, "not valid gzip data"),
    ],
)
def test_a_packed_body_is_refused_when_it_is_not_what_it_says(
    packed: bytes, headers: dict[str, str], status: int, words: str
) -> None:
    """Bombs, nested and several members, cut-off and other bytes are refused with the reason."""
    with pytest.raises(RequestError, match=words) as refused:
        _unpacked(packed, headers)
    assert refused.value.status == status


def test_a_packed_body_must_be_bytes() -> None:
    """A packed body that an API handed over as text has lost bytes on the way."""
    with pytest.raises(RequestError, match="must be sent as binary data"):
        read_body("{}", GZIP, is_base64=False, takes_gzip=True)


@pytest.mark.parametrize(
    ("encoded", "words"),
    [
        ("QQ", "is not valid base64"),
        ("e30 =", "is not valid base64"),
        ("é", "is not valid base64"),
        (b64encode(b'{"a": "\xff"}').decode(), "not valid UTF-8 at position 7"),
    ],
)
def test_a_base64_body_has_to_be_one(encoded: str, words: str) -> None:
    """The flag and the bytes are checked; bad UTF-8 is refused with its place."""
    with pytest.raises(RequestError, match=words):
        read_body(encoded, JSON, is_base64=True)


@pytest.mark.parametrize(
    "headers",
    [
        {"content-type": "multipart/mixed; boundary=x"},
        {"content-type": "application/xml"},
        {"content-type": "application/pdf2"},
        {"content-type": "application/json", "content-encoding": "gzip"},
    ],
)
def test_what_is_not_read_is_415(headers: dict[str, str]) -> None:
    """A content type or encoding that isn't read is refused by its name."""
    with pytest.raises(RequestError, match="is not supported") as refused:
        _read("{}", headers)
    assert refused.value.status == 415


def test_a_body_over_the_limit_is_413() -> None:
    """6 MB pass, one byte more doesn't."""
    text = '"' + "a" * (LIMIT - 2) + '"'
    assert _read(text) == text
    with pytest.raises(RequestError, match="6291456 bytes") as refused:
        _read(text + " ")
    assert refused.value.status == 413


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(st.text(max_size=4), _VALUES, max_size=6), st.sampled_from([None, 0, 1]), st.booleans()
)
def test_any_object_is_forwarded_as_it_was_sent(
    members: dict[str, object], indent: int | None, ascii_only: bool
) -> None:
    """Numbers, escapes and spaces stay as they are, character for character."""
    text = json.dumps(members, indent=indent, ensure_ascii=ascii_only)
    assert _read(text) == text


@given(st.text(alphabet='{}[]",:\\ab1 \n\ud83dNanIfity-', max_size=40))
def test_any_text_is_forwarded_or_refused(text: str) -> None:
    """No text makes anything but a body or a 400."""
    status, body = None, None
    try:
        body = _read(text)
    except RequestError as error:
        status = error.status
    assert status in {None, 400}
    assert body is None or json.loads(body) == json.loads(text)
