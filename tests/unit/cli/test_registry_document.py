from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from silvaengine_cli.registry.document import MAX_BYTES, DocumentError, path_text, read_document


def problem_of(text: bytes) -> str:
    """Return the complaint about a text."""
    with pytest.raises(DocumentError) as caught:
        read_document(text)
    return caught.value.problem.text("registry.yaml")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("2024-01-01", "2024-01-01"),
        ("007", "007"),
        ("0x10", "0x10"),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        ("'5'", "5"),
        ("5", 5),
        ("-0.5", Decimal("-0.5")),
        (".5", Decimal("0.5")),
        ("1e3", Decimal(1000)),
        ("true", True),
        ("FALSE", False),
        ("null", None),
        ("~", None),
        ("", None),
    ],
)
def test_scalars_mean_what_they_mean_in_json(text: str, value: object) -> None:
    """All is text but true, false, null and numbers; YAML 1.1 would guess more."""
    found = read_document(f"a: {text}".encode()).data["a"]
    assert found == value
    assert type(found) is type(value)


def test_fractions_stay_exact() -> None:
    """A fraction is the decimal as written, with all its digits."""
    assert (
        str(read_document(b"a: 0.10000000000000000000000000001").data["a"])
        == "0.10000000000000000000000000001"
    )


def test_every_value_has_a_line() -> None:
    """A member's line is its key's, an item's its own; what isn't there has the line of what is around it."""
    document = read_document(b"a:\n  b:\n    - c\n    - {d: 1}\n")
    assert document.line_of(("a",)) == 1
    assert document.line_of(("a", "b")) == 2
    assert document.line_of(("a", "b", 1, "d")) == 4
    assert document.line_of(("a", "b", 7, "x")) == 2
    assert document.line_of(("nothing",)) == 1


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (b"a: &x 1\nb: *x\n", "registry.yaml:2: b: aliases (*name) are not supported; write the value out"),
        (b"a: !!python/object:os.system {}", "registry.yaml:1: a: tags (!name) are not supported"),
        (b"? [1]\n: 2", "registry.yaml:1: a key must be plain text"),
        (b"a: 1\n---\nb: 2", "registry.yaml:2: a second document; the file must be one"),
        (b"a: 1\n\xff", "registry.yaml:2: the file is not UTF-8 text"),
        (b"a: [\n\n", "registry.yaml:3: not YAML: did not find expected node content"),
    ],
)
def test_what_is_left_out_is_refused_with_its_line(text: bytes, complaint: str) -> None:
    """Aliases, tags, odd keys, further documents and broken text are errors that say where."""
    assert problem_of(text) == complaint


@pytest.mark.parametrize("number", ["1e999", "9" * 39, "1e-131", "0." + "1" * 39])
def test_numbers_that_dynamodb_cannot_hold_are_refused(number: str) -> None:
    """38 digits between 1E-130 and 1E+125, or the write would fail half-way."""
    assert "DynamoDB can't hold" in problem_of(f"a: {number}".encode())


def test_control_characters_are_refused_with_their_line() -> None:
    """They aren't YAML, and the error is one line."""
    complaint = "registry.yaml:2: not YAML: character #x0000: control characters are not allowed"
    assert problem_of("é: ü\nb: \0".encode()) == complaint


def test_deep_nesting_and_large_files_are_refused() -> None:
    """Neither can exhaust the stack or the memory."""
    assert "nested deeper than 34 levels" in problem_of(b"[" * 100_000)
    assert f"at most {MAX_BYTES} are read" in problem_of(b"#" * (MAX_BYTES + 1))


def test_a_setting_is_nested_as_deep_as_dynamodb_takes() -> None:
    """32 levels with the attribute's own; one more is an error that names the variable."""
    text = "settings:\n  a:\n    v: {}1{}\n"
    assert read_document(text.format("[" * 31, "]" * 31).encode()).data
    complaint = problem_of(text.format("[" * 32, "]" * 32).encode())
    assert complaint == (
        "registry.yaml:3: settings.a.v: nested deeper than 34 levels; a setting's value may have 31"
    )


def test_duplicate_keys_are_all_found() -> None:
    """A repeated key is an error that names the first line, and reading goes on."""
    document = read_document(b"a: 1\nb: 2\na: 3\nb: 4\n")
    texts = [problem.text("r") for problem in document.problems]
    assert texts == ["r:3: a: duplicate key, already on line 1", "r:4: b: duplicate key, already on line 2"]


@pytest.mark.parametrize("text", [b"", b"# nothing\n"])
def test_an_empty_file_is_an_empty_registry(text: bytes) -> None:
    """A file of comments is valid."""
    assert read_document(text).data == {}


def test_paths_have_dots_and_brackets() -> None:
    """Members are joined by dots, and items stand in brackets."""
    assert path_text(("connections", 0, "functions", 2, "settings")) == "connections[0].functions[2].settings"


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    """No input raises another exception."""
    with suppress(DocumentError):
        read_document(content)
