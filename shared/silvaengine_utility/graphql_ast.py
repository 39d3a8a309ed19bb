"""``Graphql``: what a query asks for, as lists of names that permissions are checked against."""

from typing import Any

from silvaengine_utility.libraries import library

MAX_DEPTH = 50
MAX_PATHS = 10_000  # fragments that name one another twice would double at each level


class Graphql:
    """The predecessor's name for the function below."""

    @staticmethod
    def extract_flatten_ast(query: str) -> list[dict[str, Any]]:
        """See ``flatten``."""
        return flatten(query)


def flatten(query: str) -> list[dict[str, Any]]:
    """Return each operation's kind, name and fields by path, all in lower case.

    Returns:
        ``{"operation", "operation_name", "fields": {"/": [...], "/a/": [...]}}`` for each operation; fields
        of fragments stand where the fragment is used.

    Raises:
        ImportError: the function's requirements have no graphql-core.
        ValueError: the query has more than 50 levels or 10,000 paths, or a fragment is in itself.
        GraphQLError: the query isn't one.
    """
    document = library("graphql", "graphene==2.1.9 (or graphene>=3)").parse(query)
    is_fragment = "FragmentDefinition"
    fragments = {each.name.value: each for each in document.definitions if _kind(each) == is_fragment}
    return [
        _operation(each, fragments) for each in document.definitions if _kind(each) == "OperationDefinition"
    ]


def _kind(node: Any) -> str:  # noqa: ANN401 - graphql's nodes
    return type(node).__name__.removesuffix("Node")


def _operation(node: Any, fragments: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401 - graphql's nodes
    fields: dict[str, list[str]] = {}
    _collect(node, "/", fragments, fields, 0)
    return {
        "operation": getattr(node.operation, "value", node.operation).lower(),
        "operation_name": node.name.value.lower() if node.name else "",
        "fields": fields,
    }


def _collect(
    node: Any,  # noqa: ANN401 - graphql's nodes
    path: str,
    fragments: dict[str, Any],
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
