"""Paths: cut at their slashes first, decoded exactly once, refused where they could mean something else."""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from silvaengine.errors import NotFoundError, RequestError
from silvaengine_http.path import Route, read_path


def _function_url(path: object) -> dict[str, Any]:
    return {"version": "2.0", "rawPath": path}


def _cut(path: str, version: str | None = None) -> dict[str, Any]:
    area, endpoint_id, proxy = path.removeprefix("/").split("/", 2)
    parameters = {"area": area, "endpoint_id": endpoint_id, "proxy": proxy}
    event = {"path": path, "pathParameters": parameters}
    return event if version is None else {"version": version, **event}


@pytest.mark.parametrize("name", ["rest_v1", "api_v2", "function_url"])
def test_each_event_names_the_same_target(name: str, event_of: Callable[..., dict[str, Any]]) -> None:
    """A path means the same whichever of AWS's APIs took it."""
    assert read_path(event_of(name)) == Route("core", "acme", "greet", path="a/b c", depth=2)


@pytest.mark.parametrize(
    ("sent", "version", "in_event", "meant"),
    [
        ("caf%C3%A9", None, "caf%C3%A9", "café"),
        ("caf%C3%A9", "2.0", "café", "café"),
        ("caf%C3%A9", "1.0", "café", "café"),
        ("100%25", None, "100%25", "100%"),
        ("100%25", "2.0", "100%25", "100%"),
        ("100%25", "1.0", "100%", "100%"),
        ("%252e", None, "%252e", "%2e"),
        ("%252e", "2.0", "%252e", "%2e"),
        ("%252F", None, "%252F", "%2F"),
        ("%252F", "1.0", "%2F", "%2F"),
        ("a+b", None, "a+b", "a+b"),
    ],
)
def test_a_segment_is_decoded_exactly_once(sent: str, version: str | None, in_event: str, meant: str) -> None:
    """What the client encoded once is decoded once, by API Gateway or here, never by both."""
    assert read_path(_cut(f"/core/acme/greet/{in_event}", version)).path == meant, sent


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/core/acme/greet/..", "Path segment 4 is a dot segment"),
        ("/core/acme/greet/.", "Path segment 4 is a dot segment"),
        ("/core/acme/%2e%2E", "Path segment 3 is a dot segment"),
        ("/core/acme/greet%2fx", "Path segment 3 contains an encoded slash"),
        ("/core/ac%2Fme/greet", "Path segment 2 contains an encoded slash"),
        ("/core/acme/greet%5cx", "Path segment 3 contains a backslash"),
        ("/core/acme/greet\\x", "Path segment 3 contains a backslash"),
        ("/core//greet/x", "The path contains an empty segment (//)"),
        ("//core/acme/greet", "The path contains an empty segment (//)"),
        ("/core/acme/greet//", "The path contains an empty segment (//)"),
        ("/core/acme/greet%00", "Path segment 3 contains a control character"),
        ("/core/acme/a%0d%0ab", "Path segment 3 contains a control character"),
        ("/core/acme/a\x7f", "Path segment 3 contains a control character"),
        ("/core/acme/a%c2%85", "Path segment 3 contains a control character"),
        ("/core/acme/%ff", "Path segment 3 is not valid UTF-8"),
        ("/core/acme/%c0%af", "Path segment 3 is not valid UTF-8"),
        ("/core/acme/%ed%a0%80", "Path segment 3 is not valid UTF-8"),
        ("/core/acme/\ufffd", "Path segment 3 is not valid UTF-8"),
        ("/core/acme/greet/\ud800", "Path segment 4 is not valid UTF-8"),
        ("/core/acme/a%2", "Path segment 3 contains an invalid percent-encoding"),
        ("/core/acme/a%zz", "Path segment 3 contains an invalid percent-encoding"),
        ("/core/acme/" + "x" * 513, "Path segment 3 is longer than 512 bytes"),
        ("/" + "é" * 257 + "/acme/greet", "Path segment 1 is longer than 512 bytes"),
    ],
)
def test_a_dubious_path_is_refused_by_name(path: str, words: str) -> None:
    """Each path that could mean another one is a 400 that says which segment is wrong, and how."""
    with pytest.raises(RequestError, match=f"^{re.escape(words)}$") as refused:
        read_path(_function_url(path))
    assert refused.value.status == 400


@pytest.mark.parametrize("version", [None, "1.0", "2.0"])
@pytest.mark.parametrize("proxy", ["greet/../x", "greet//x", "a\x00b", "a\\b", "", "greet/./x"])
def test_path_parameters_are_no_way_around(proxy: str, version: str | None) -> None:
    """Parameters that API Gateway cut, decoded or not, are under the same rules."""
    with pytest.raises(RequestError):
        read_path(_cut(f"/core/acme/{proxy}", version))


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("name", ["area", "endpoint_id"])
def test_a_slash_that_an_api_has_decoded_cuts_nothing(name: str, version: str) -> None:
    """``/co%2Fre/acme/greet`` is no path of four segments."""
    event = _cut("/core/acme/greet", version)
    event["pathParameters"] = {**event["pathParameters"], name: "a/b"}
    with pytest.raises(RequestError, match="contains an encoded slash"):
        read_path(event)


@pytest.mark.parametrize("path", ["/", "", None, "/core", "/core/acme", "/core/acme/"])
def test_a_path_without_a_function_is_not_found(path: str | None) -> None:
    """A path of fewer than three segments is a 404 that says what a path looks like."""
    with pytest.raises(NotFoundError, match=re.escape("/{area}/{endpoint_id}/{function}")):
        read_path(_function_url(path))


def test_one_slash_at_the_end_means_nothing() -> None:
    """REST APIs drop a slash at the end, so that it is dropped everywhere."""
    assert read_path(_function_url("/core/acme/greet/")).path == ""
    assert read_path(_cut("/core/acme/greet/a/", "2.0")).path == "a"


@pytest.mark.parametrize("event", [{"path": 3}, {"pathParameters": ["x"]}, {"rawPath": ["/"]}])
def test_a_path_that_is_no_text_is_refused(event: dict[str, Any]) -> None:
    """A broken event is the caller's error, not ours."""
    with pytest.raises(RequestError, match=r"not a string|not an object"):
        read_path(event)


@pytest.mark.parametrize("version", [[], {}, 2, "3.0"])
def test_an_unknown_version_is_read_as_raw(version: object) -> None:
    """The strictest reading serves where an event says nothing that is known."""
    assert read_path({**_cut("/core/acme/a%20b"), "version": version}).function == "a b"


_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
_PIECES = st.lists(
    st.one_of(
        st.sampled_from(
            ["/", "//", ".", "..", "%2e", "%2F", "%5c", "%25", "%00", "%ff", "%c3%a9", "%", "\\"]
        ),
        st.sampled_from(["core", "acme", "greet", "a b"]),
        _TEXT,
    ),
    max_size=8,
).map("".join)


@given(_PIECES)
@example("a/b/c")
@example("a/b/%252e%252e")
def test_the_decision_is_that_of_a_plain_model(path: str) -> None:
    """For any raw path the response is that of a model that works on bytes, without the stdlib's parser."""
    raw = "/" + path
    try:
        found: object = read_path(_function_url(raw))
    except NotFoundError:
        found = 404
    except RequestError as error:
        found = error.status
    assert found == _model(raw)


def _model(raw: str) -> object:
    pieces = raw.encode().split(b"/")[1:]
    if pieces[-1] == b"":
        pieces = pieces[:-1]
    if "//" in raw:
        return 400
    if len(pieces) < 3:
        return 404
    names = [_model_segment(piece) for piece in pieces]
    if None in names or any(len(str(name).encode()) > 512 for name in names[:3]):
        return 400
    area, endpoint_id, function, *rest = map(str, names)
    return Route(area, endpoint_id, function, path="/".join(rest), depth=raw.count("/") - 3)


def _model_segment(piece: bytes) -> str | None:
    out = bytearray()
    at = 0
    while at < len(piece):
        if piece[at] == 0x25:
            digits = piece[at + 1 : at + 3]
            if len(digits) < 2 or any(digit not in b"0123456789abcdefABCDEF" for digit in digits):
                return None
            out.append(int(digits, 16))
            at += 3
        else:
            out.append(piece[at])
            at += 1
    try:
        name = out.decode()
    except UnicodeDecodeError:
        return None
    bad = name in {"", ".", ".."} or any(
        letter in "/\\\ufffd" or ord(letter) < 32 or 127 <= ord(letter) < 160 for letter in name
    )
    return None if bad else name


_LETTERS = st.characters(categories=["L", "N", "S", "Zs"], exclude_characters="\ufffd")  # which is refused


@given(st.lists(st.text(_LETTERS, min_size=1), min_size=3, max_size=6))
@example(["a+b", "100%", "%2e", "a.b", "?#&;=@:"])
def test_every_name_has_a_path(names: list[str]) -> None:
    """What a client encodes arrives as it was, through a Function URL and through a REST API alike."""
    path = "/" + "/".join(quote(name, safe="") for name in names)
    expected = Route(names[0], names[1], names[2], path="/".join(names[3:]), depth=len(names) - 3)
    assert read_path(_function_url(path)) == expected == read_path(_cut(path))
