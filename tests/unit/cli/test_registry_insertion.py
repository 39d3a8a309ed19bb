import pytest

from silvaengine_cli.registry.file import parse
from silvaengine_cli.registry.insertion import common_endpoint, insert_function
from silvaengine_cli.registry.model import FunctionSpec

GREET = FunctionSpec.model_validate(
    {"module": "shop", "class": "Shop", "area": "core", "methods": ["GET", "POST"], "settings": "shop"}
)
LINES = [
    "    module: shop",
    "    class: Shop",
    "    area: core",
    "    methods: [GET, POST]",
    "    settings: shop",
]


def added_lines(old: str) -> list[str]:
    """Return the new lines, and check that no other is gone."""
    content = insert_function(old.encode(), "greet", GREET, {"greeting": "Hello"})
    assert content is not None
    new = content.decode().splitlines()
    added = [line for line in new if line not in old.splitlines()]
    assert [
        line for line in old.splitlines() if line not in new and "[" not in line and line != "endpoints: {}"
    ] == []
    spec = parse(content).spec
    assert spec.functions["greet"] == GREET
    assert spec.settings["shop"] == {"greeting": "Hello"}
    assert "greet" in {entry.function for entry in spec.connections[-1].functions}
    assert common_endpoint(spec)
    return added


def test_an_empty_file_gets_everything_that_a_call_needs() -> None:
    """It gets a function, its setting, an endpoint, and the common key row."""
    assert [line for line in added_lines("# mine\n") if line] == [
        "functions:",
        "  greet:",
        *LINES,
        "settings:",
        "  shop:",
        "    greeting: Hello",
        "endpoints:",
        "  demo:",
        "connections:",
        "  - functions:",
        "      - greet",
    ]


def test_a_registry_in_blocks_gets_lines_in_their_places() -> None:
    """Comments and order stay; existing sections are continued."""
    old = (
        "# head\nendpoints:\n    a:  # the first\n"
        "functions:\n    x:   # what it is\n        module: m\n        area: b\n"
        "\n# between\nconnections:\n- functions:\n  - x\nsettings:\n    s:\n        v: 1\n"
    )
    added = added_lines(old)
    assert "  - greet" in added
    assert "    greet:" in added
    assert "    shop:" in added
    assert "endpoints:" not in added


def test_a_list_in_one_line_is_continued_in_that_line() -> None:
    """``[x, y]`` becomes ``[x, y, greet]``."""
    old = "functions:\n  x: {module: m, area: b}\nconnections:\n  - functions: [{function: x}]  # all\n"
    assert "  - functions: [{function: x}, greet]  # all" in added_lines(old)
    assert "  - functions: [greet]" in added_lines("connections:\n  - functions: []\n")


def test_another_connection_is_not_taken_for_the_common_one() -> None:
    """The function goes to the common key row, which is added if there are only others."""
    added = added_lines(
        "endpoints: {a: {connection: own}, b: }\nconnections:\n  - endpoint: a\n    api_key: k\n"
    )
    assert "  - functions:" in added


@pytest.mark.parametrize(
    ("old", "added"),
    [
        (
            "functions: {x: {module: m, area: b}}\n",
            f"functions: {{x: {{module: m, area: b}}, greet: {{{', '.join(map(str.strip, LINES))}}}}}",
        ),
        ("settings: {}\n", "settings: {shop: {greeting: Hello}}"),
        ("endpoints: {a: {connection: own}}\n", "endpoints: {a: {connection: own}, demo: null}"),
        ("connections: []  # none\n", "connections: [{functions: [greet]}]  # none"),
        ("functions: ~  # none\n", "functions:  # none"),
        ("connections:\n  - api_key: '#####'\n# end\n", "    functions:"),
        ("settings:\n  a:\n    text: |\n      first\n      second\n", "  shop:"),
    ],
)
def test_every_style_of_a_section_can_be_continued(old: str, added: str) -> None:
    """A section may be in one line, empty, null, or end in a text of several lines."""
    content = insert_function(old.encode(), "greet", GREET, {"greeting": "Hello"})
    assert content is not None
    assert added in content.decode().splitlines()


COMMENTED = """\
# head
functions: &functions
    x:   # é: what it is
        module: 'm'
        area: "b"
    # after x

# between
connections:
-   functions: [
        x,  # why
    ]   # the end of a list
    grants: [admin]

settings:
  s:
      v: &a 0.10

# end"""


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_every_byte_of_the_file_stays(newline: str) -> None:
    """Comments, also those within lists, quotes, anchors, line ends and each section's indentation stay."""
    content = insert_function(
        COMMENTED.replace("\n", newline).encode(), "greet", GREET, {"greeting": "Hello"}
    )
    assert content is not None
    expected = (
        COMMENTED.replace(
            '        area: "b"', '        area: "b"\n    greet:\n' + "\n".join(f"  {line}" for line in LINES)
        )
        .replace("x,  # why", "x, greet,  # why")
        .replace("v: &a 0.10", "v: &a 0.10\n  shop:\n    greeting: Hello")
    )
    assert content.decode() == (expected + "\n\nendpoints:\n  demo:\n").replace("\n", newline)


@pytest.mark.parametrize("old", ["  functions:\n", "---\nfunctions:\n...\n"])
def test_a_form_that_lines_cannot_be_added_to_is_left_alone(old: str) -> None:
    """A file that no line can be added to safely isn't edited."""
    assert insert_function(old.encode(), "greet", GREET, {"greeting": "Hello"}) is None
