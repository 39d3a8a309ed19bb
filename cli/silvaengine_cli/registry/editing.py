"""Changes in a YAML text at places that the parser names, with every other byte unchanged.

A round trip through ruamel.yaml would write the whole file again: it drops comments within ``[a, b]``, and
wraps and indents all alike. Whoever changes a text so reads the result again: unless that means what was
meant, nothing is written.
"""

import sys

import yaml

from silvaengine_cli.registry.document import Path, read_document


def add(text: str, path: Path, lines: list[str]) -> str:
    """Add a member, given in block style, to the collection at a path, which is made if it is missing."""
    node, key_column = find(text, path)
    if isinstance(node, yaml.ScalarNode):  # null
        head = text[: node.start_mark.index].rstrip(" ")
        return _insert_lines(head + text[node.end_mark.index :], len(head), lines, key_column + 2)
    if isinstance(node, yaml.CollectionNode) and node.flow_style:
        return _insert_in_flow(text, node, lines)
    if not path:
        return _insert_lines(text, len(text), lines, 0)
    if isinstance(node, yaml.CollectionNode):
        return _insert_lines(text, last(node).end_mark.index, lines, _column(text, node))
    gap = [""] if len(path) == 1 else []
    return add(text, path[:-1], [*gap, f"{path[-1]}:", *(f"  {line}" for line in lines)])


def find(text: str, path: Path) -> tuple[yaml.Node | None, int]:
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


def last(node: yaml.Node) -> yaml.Node:
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


def replace(text: str, path: Path, value: str) -> str:
    """Replace the plain value at a path."""
    node, _ = find(text, path)
    if not isinstance(node, yaml.ScalarNode):
        raise yaml.YAMLError(f"{path} is no plain value")
    return text[: node.start_mark.index] + value + text[node.end_mark.index :]


def remove(text: str, path: Path) -> str:
    """Remove the lines of a member of a mapping in block style; raise YAMLError for any other."""
    node, _ = find(text, path[:-1])
    pairs = node.value if isinstance(node, yaml.MappingNode) and not node.flow_style else ()
    for key, value in pairs:
        if key.value == path[-1]:
            start = text.rfind("\n", 0, key.start_mark.index) + 1
            end = text.find("\n", last(value).end_mark.index) + 1 or len(text)
            return text[:start] + text[end:]
    raise yaml.YAMLError(f"{path} is no member of a mapping in block style")
