"""Forms with files and bodies of bytes: read within bounds, or refused with what is wrong."""

import gzip
import json
from base64 import b64decode, b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from urllib3.filepost import encode_multipart_formdata

from silvaengine.errors import RequestError
from silvaengine_http.body import FILES_LIMIT, read_body
from silvaengine_http.multipart import HEADERS_LIMIT, MAX_PARTS

FORM = "multipart/form-data; boundary=b"
NAMED = 'Content-Disposition: form-data; name="a"'


def read(body: bytes, content_type: str = FORM, **headers: str) -> Any:
    """Return the members of a body that comes as API Gateway passes it."""
    encoded = b64encode(body).decode()
    text = read_body(encoded, {"content-type": content_type, **headers}, is_base64=True, takes_gzip=True)
    return text if text is None else json.loads(text)


def form(*parts: str, end: str = "--b--") -> bytes:
    """Return a form of these parts."""
    return "".join(f"--b\r\n{part}\r\n" for part in parts).encode() + end.encode()


def test_fields_are_text_and_files_say_what_they_are() -> None:
    """Several of one name are an array; a part that says that it is JSON is its value."""
    fields: list[Any] = [
        ("title", "Größe"),
        ("empty", ""),
        ("tag", "a"),
        ("tag", "b"),
        ("photo", ("a.png", b"\x00\xff\r\n--", "image/png")),
        ("about", (None, '{"n": 1}', "application/json")),
    ]
    body, content_type = encode_multipart_formdata(fields)
    assert read(body, content_type) == {
        "title": "Größe",
        "empty": "",
        "tag": ["a", "b"],
        "photo": {"filename": "a.png", "content_type": "image/png", "content": "AP8NCi0t"},
        "about": {"n": 1},
    }


@given(
    content=st.binary(max_size=200), text=st.text(st.characters(exclude_categories=["Cs"]), max_size=50),
    filename=st.text("aä\" ;=%", min_size=1, max_size=9),
)  # fmt: skip
def test_any_content_arrives(content: bytes, text: str, filename: str) -> None:
    """Byte for byte, whatever it holds."""
    head = f'Content-Disposition: form-data; name="f"; filename="{filename.replace('"', chr(92) + '"')}"'
    boundary = b"--0123456789abcdef"
    while boundary in content + text.encode():
        boundary += b"x"
    other = b"content-disposition:form-data;name=t\r\n\r\n" + text.encode()
    parts = [f"{head}\r\n\r\n".encode() + content, other]
    body = b"".join(boundary + b"\r\n" + part + b"\r\n" for part in parts) + boundary + b"--"
    found = read(body, f'multipart/form-data; boundary="{boundary[2:].decode()}"')
    assert found["t"] == text
    assert (b64decode(found["f"]["content"]), found["f"]["filename"]) == (content, filename)


@pytest.mark.parametrize(
    ("head", "members"),
    [
        (f"{NAMED}; filename=x", {"filename": "x", "content_type": "application/octet-stream"}),
        (f'{NAMED}; filename="../../etc/passwd"', {"filename": "passwd"}),
        (f'{NAMED}; filename="C:\\dir\\x.txt"\r\nContent-Type: Text/Plain; charset=utf-8',
         {"filename": "x.txt", "content_type": "text/plain"}),
        (f'{NAMED}; filename=""', {"filename": ""}),
    ],
)  # fmt: skip
def test_a_files_name_is_no_path(head: str, members: dict[str, str]) -> None:
    """Folders are left out of it, and a type that isn't said is that of bytes."""
    found = read(form(f"{head}\r\n\r\nx"))["a"]
    assert found["content"] == "eA=="
    assert members.items() <= found.items()


def test_an_empty_file_input_is_no_file() -> None:
    """A browser sends it without a name and without content."""
    assert read(form(f'{NAMED}; filename=""\r\n\r\n', f"{NAMED}\r\n\r\nx")) == {"a": "x"}
    assert read(form()) == {}


@pytest.mark.parametrize(
    ("body", "content_type", "words"),
    [
        (form(f"{NAMED}\r\n\r\nx"), "multipart/form-data", "needs a boundary"),
        (form(f"{NAMED}\r\n\r\nx"), f"multipart/form-data; boundary={'b' * 71}", "needs a boundary"),
        (form(f"{NAMED}\r\n\r\nx", end=""), FORM, "ends before its last boundary"),
        (b"{}", FORM, "ends before its last boundary"),
        (form("x"), FORM, "no headers"),
        (form(f"{NAMED}; x={'x' * HEADERS_LIMIT}\r\n\r\nx"), FORM, f"more than {HEADERS_LIMIT} bytes"),
        (form("Content-Disposition: form-data\r\n\r\nx"), FORM, "no name"),
        (form('Content-Disposition: form-data; name=""\r\n\r\nx'), FORM, "no name"),
        (form("\r\n\r\nx"), FORM, "no name"),
        (b"--bb\r\n" + NAMED.encode() + b"\r\n\r\nx\r\n--b--", FORM, "isn't the whole of its line"),
        (b"--b\r\nX: \xff\r\n\r\nx\r\n--b--", FORM, "headers that aren't valid UTF-8"),
        (b"--b\r\n" + NAMED.encode() + b"\r\n\r\n\xff\r\n--b--", FORM, "field 'a' is not valid UTF-8"),
        (form(f"{NAMED}\r\nContent-Type: application/json\r\n\r\n{{"), FORM, "field 'a' is not valid JSON"),
    ],
)  # fmt: skip
def test_a_form_that_is_none_is_refused(body: bytes, content_type: str, words: str) -> None:
    """With the reason; nothing of it reaches a function."""
    with pytest.raises(RequestError, match=words) as refused:
        read(body, content_type)
    assert refused.value.status == 400


def test_parts_and_bytes_are_bounded() -> None:
    """413 says the limit and where larger files go."""
    part = f"{NAMED}\r\n\r\nx"
    assert len(read(form(*[part] * MAX_PARTS))["a"]) == MAX_PARTS
    with pytest.raises(RequestError, match=f"more than {MAX_PARTS} parts") as refused:
        read(form(*[part] * (MAX_PARTS + 1)))
    assert refused.value.status == 413
    assert read(b"x" * FILES_LIMIT, "image/png") == b64encode(b"x" * FILES_LIMIT).decode()
    for headers in ({}, {"content-encoding": "gzip"}):
        body = b"x" * (FILES_LIMIT + 1)
        with pytest.raises(RequestError, match=f"{FILES_LIMIT} bytes.*presigned URL") as refused:
            read(gzip.compress(body) if headers else body, "image/png", **headers)
        assert refused.value.status == 413


@pytest.mark.parametrize("content_type", ["application/octet-stream", "Image/PNG", "application/pdf; x=y"])
def test_bytes_are_the_body_as_base64(content_type: str) -> None:
    """Whatever they are; a form in gzip is read as well."""
    assert read(b"\x00\xff{", content_type) == "AP97"
    packed = gzip.compress(form(f"{NAMED}\r\n\r\nx"))
    assert read(packed, **{"content-encoding": "gzip"}) == {"a": "x"}


@pytest.mark.parametrize("content_type", [FORM, "image/png"])
def test_bytes_that_came_as_text_are_refused(content_type: str) -> None:
    """What wasn't UTF-8 is lost already."""
    with pytest.raises(RequestError, match="must be sent as binary data"):
        read_body("--b--", {"content-type": content_type}, is_base64=False)
