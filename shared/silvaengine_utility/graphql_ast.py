"""``Graphql``: the fields of a query by path, for checks of permissions."""

from typing import Any

from silvaengine_utility.libraries import library

type Node = Any  # graphql-core's, of any version

MAX_DEPTH = 50
MAX_PATHS = 10_000  # fragments that use one another twice double at each level


class Graphql:
    """The predecessor's name for the function below."""

    @staticmethod
    def extract_flatten_ast(query: str) -> list[dict[str, Any]]:
        """See ``flatten``."""
        return flatten(query)


def flatten(query: str) -> list[dict[str, Any]]:
    """Return the kind, name and fields by path of each operation, in lower case.

    Returns:
        ``{"operation", "operation_name", "fields": {"/": [...], "/a/": [...]}}`` for each operation; a
        fragment's fields stand where it is used.

    Raises:
        ImportError: the function's requirements lack graphql-core.
        ValueError: the query has more than 50 levels or 10,000 paths, or a fragment contains itself.
        GraphQLError: the text isn't a query.
    """
    document = library("graphql", "graphene==2.1.9 (or graphene>=3)").parse(query)
    definitions = document.definitions
    fragments = {node.name.value: node for node in definitions if _kind(node) == "FragmentDefinition"}
    return [_operation(node, fragments) for node in definitions if _kind(node) == "OperationDefinition"]


def _kind(node: Node) -> str:
    return type(node).__name__.removesuffix("Node")


def _operation(node: Node, fragments: dict[str, Node]) -> dict[str, Any]:
    fields: dict[str, list[str]] = {}
    _collect(node, "/", fragments, fields, 0)
    return {
        "operation": getattr(node.operation, "value", node.operation).lower(),
        "operation_name": node.name.value.lower() if node.name else "",
        "fields": fields,
    }


def _collect(
    node: Node,
    path: str,
    fragments: dict[str, Node],
    fields: dict[str, list[str]],
    depth: int,
) -> None:
    if depth > MAX_DEPTH or len(fields) > MAX_PATHS:
        raise ValueError(f"The query has more than {MAX_DEPTH} levels or {MAX_PATHS} paths")
    for selection in node.selection_set.selections if node.selection_set else ():
        match _kind(selection):
            case "Field":
                name = selection.name.value.lower()
                names = fields.setdefault(path, [])
                if name not in names:
                    names.append(name)
                _collect(selection, f"{path}{name}/", fragments, fields, depth + 1)
            case "InlineFragment":
                _collect(selection, path, fragments, fields, depth + 1)
            case "FragmentSpread" if selection.name.value in fragments:
                _collect(fragments[selection.name.value], path, fragments, fields, depth + 1)
