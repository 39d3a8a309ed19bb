"""Adds a function to a registry file as a person would: a few lines, with every other byte unchanged.

The parser says where each value stands, and the text goes there. A round trip through ruamel.yaml would write
the whole file again: it drops comments within ``[a, b]``, and wraps and indents all alike. The result is read
again: unless that is the old registry and the addition, nothing is written.
"""

import sys
from collections.abc import Mapping

import yaml

from silvaengine.tables import COMMON_ENDPOINT, DEFAULT_API_KEY
from silvaengine_cli.registry.document import Path, read_document
from silvaengine_cli.registry.file import RegistryFileError, parse
from silvaengine_cli.registry.model import FunctionSpec, RegistrySpec

FIRST_ENDPOINT = "demo"


def insert_function(
    content: bytes, name: str, function: FunctionSpec, variables: Mapping[str, str]
) -> bytes | None:
    """Return a valid file with a function, its setting and variables, all of them new to it.

    It also gets an entry in the common key row, and an endpoint if there is none. The result is None for a
    file of a form to which nothing can be added.
    """
    old = parse(content).spec
    expected = old.model_dump(by_alias=True)
    expected["functions"][name] = function
    expected["settings"][function.settings] = variables
    settings = [f"{function.settings}:", *(f"  {key}: {value}" for key, value in variables.items())]
    try:
        text = _add(content.decode(), ("functions",), [f"{name}:", *_function_lines(function)])
        text = _add(text, ("settings",), settings)
        if common_endpoint(old) is None:
            text = _add(text, ("endpoints",), [f"{FIRST_ENDPOINT}:"])
            expected["endpoints"][FIRST_ENDPOINT] = {}
        index = _common_index(old)
        if index is None:
            text = _add(text, ("connections",), ["- functions:", f"    - {name}"])
            expected["connections"] += ({"functions": [name]},)
        else:
            text = _add(text, ("connections", index, "functions"), [f"- {name}"])
            expected["connections"][index]["functions"] += (name,)
        new = parse(text.encode()).spec
    except (RegistryFileError, yaml.YAMLError):
        return None
    return text.encode() if new == RegistrySpec.model_validate(expected) else None


def common_endpoint(spec: RegistrySpec) -> str | None:
    """Return an endpoint that uses the common key row, None if there is none."""
    return next((name for name, endpoint in spec.endpoints.items() if endpoint.connection == "common"), None)


def _function_lines(function: FunctionSpec) -> list[str]:
    return [
        f"  module: {function.module}",
        f"  class: {function.class_name}",
        f"  area: {function.area}",
        f"  methods: [{', '.join(function.methods)}]",
        f"  settings: {function.settings}",
    ]


def _common_index(spec: RegistrySpec) -> int | None:
    keys = [(connection.endpoint, connection.api_key) for connection in spec.connections]
    common = (COMMON_ENDPOINT, DEFAULT_API_KEY)
    return keys.index(common) if common in keys else None


def _add(text: str, path: Path, lines: list[str]) -> str:
    """Add a member, given in block style, to the collection at a path, which is made if it is missing."""
    node, key_column = _find(text, path)
    if isinstance(node, yaml.ScalarNode):  # null
        head = text[: node.start_mark.index].rstrip(" ")
        return _insert_lines(head + text[node.end_mark.index :], len(head), lines, key_column + 2)
    if isinstance(node, yaml.CollectionNode) and node.flow_style:
        return _insert_in_flow(text, node, lines)
    if not path:
        return _insert_lines(text, len(text), lines, 0)
    if isinstance(node, yaml.CollectionNode):
        return _insert_lines(text, _last(node).end_mark.index, lines, _column(text, node))
    gap = [""] if len(path) == 1 else []
    return _add(text, path[:-1], [*gap, f"{path[-1]}:", *(f"  {line}" for line in lines)])


def _find(text: str, path: Path) -> tuple[yaml.Node | None, int]:
    """Return the node at a path, None if there is none, and the column of its key."""
    node, column = yaml.compose(text, Loader=yaml.CBaseLoader), 0
    for step in path:
        if isinstance(node, yaml.SequenceNode):
            node = node.value[int(step)]
        else:
            pairs = node.value if isinstance(node, yaml.MappingNode) else ()
            key, node = next(((key, value) for key, value in pairs if key.value == step), (None, None))
            column = key.start_mark.column if key else 0
    return node, column


def _last(node: yaml.Node) -> yaml.Node:
    """Return the last member of the last member, as far as they are in block style."""
    while isinstance(node, yaml.CollectionNode) and node.value and not node.flow_style:
        node = node.value[-1][1] if isinstance(node, yaml.MappingNode) else node.value[-1]
    return node


def _column(text: str, node: yaml.CollectionNode) -> int:
    """Return the column of a block collection's members; a sequence's is that of its dashes."""
    first = node.value[0][0] if isinstance(node, yaml.MappingNode) else node.value[0]
    start: int = first.start_mark.index
    if isinstance(node, yaml.SequenceNode):
        start = text.rindex("-", 0, start)
    return start - text.rfind("\n", 0, start) - 1


def _insert_lines(text: str, index: int, lines: list[str], column: int) -> str:
    """Insert lines after the line of an index, or before it if a line begins there."""
    newline = "\r\n" if "\r\n" in text else "\n"
    if index and text[index - 1] != "\n":
        index = text.find("\n", index) + 1 or len(text)
    head = text[:index] + ("" if text[:index].endswith("\n") or not index else newline)
    return head + "".join(f"{' ' * column}{line}".rstrip() + newline for line in lines) + text[index:]


def _insert_in_flow(text: str, node: yaml.CollectionNode, lines: list[str]) -> str:
    """Insert a member after the last one of ``[…]`` or ``{…}``, before a comma or comment after that one."""
    data = read_document("\n".join(lines).encode()).data
    member = yaml.safe_dump(data, default_flow_style=True, sort_keys=False, width=sys.maxsize).strip()[1:-1]
    if not node.value:
        index = node.end_mark.index - 1
        return text[:index] + member + text[index:]
    last = node.value[-1][1] if isinstance(node, yaml.MappingNode) else node.value[-1]
    index = last.end_mark.index
    return f"{text[:index]}, {member}{text[index:]}"
