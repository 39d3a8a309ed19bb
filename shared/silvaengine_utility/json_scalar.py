"""``JSON``: a graphene scalar for any JSON value, for graphene 2 and 3."""

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Any

from silvaengine_utility.json_text import normalize
from silvaengine_utility.libraries import library

type Node = Any  # graphql-core's, of any version

GRAPHENE = "graphene==2.1.9 (or graphene>=3)"


def _serialize(value: object) -> object:
    return normalize(value, parser_number=False, parse_datetime=False)


def _unchanged(value: object) -> object:
    return value


def _parse_literal(node: Node, variables: Mapping[str, object] | None = None) -> object:
    """Return a literal's value; nodes are called ``IntValue`` in graphql-core 2, ``IntValueNode`` in 3."""
    kind = type(node).__name__.removesuffix("Node")
    match kind:
        case "ListValue":
            return [_parse_literal(member, variables) for member in node.values]
        case "ObjectValue":
            return {field.name.value: _parse_literal(field.value, variables) for field in node.fields}
        case "Variable":
            return (variables or {}).get(node.name.value)
        case "NullValue":
            return None
    parsers: dict[str, Callable[[Any], object]] = {"IntValue": int, "FloatValue": float}
    return parsers.get(kind, _unchanged)(node.value)


def _raise_for_graphene(*_args: object, **_options: object) -> None:
    """Have the name imported where graphene is missing, and raise where it is used."""
    library("graphene", GRAPHENE)


def _scalar() -> type:
    if find_spec("graphene") is None:
        return type("JSON", (), {"__new__": _raise_for_graphene})
    members = {
        "__doc__": "Any JSON value.",
        "serialize": staticmethod(_serialize),
        "parse_value": staticmethod(_unchanged),
        "parse_literal": staticmethod(_parse_literal),
    }
    return type("JSON", (library("graphene", GRAPHENE).Scalar,), members)


JSON: Any = _scalar()
