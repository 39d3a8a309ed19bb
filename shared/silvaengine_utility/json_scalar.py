"""``JSON``: a graphene scalar for any JSON value, for graphene 2 and 3."""

from importlib.util import find_spec
from typing import Any

from silvaengine_utility.json_text import normalize
from silvaengine_utility.libraries import library

GRAPHENE = "graphene==2.1.9 (or graphene>=3)"


class _WithoutGraphene:
    """Stands in the scalar's place where there is no graphene, so that importing its name fails nobody."""

    def __new__(cls, *_args: object, **_options: object) -> "_WithoutGraphene":
        library("graphene", GRAPHENE)
        raise AssertionError  # the line above raises


def _serialize(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    return normalize(value, parser_number=False, parse_datetime=False)


def _as_it_is(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    return value


def _parse_literal(node: Any, variables: Any = None) -> Any:  # noqa: ANN401 - graphql's nodes
    """Read a literal; the nodes' classes are called ``IntValue`` by graphql-core 2, ``IntValueNode`` by 3."""
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
    readers: dict[str, Any] = {"IntValue": int, "FloatValue": float}
    return readers.get(kind, _as_it_is)(node.value)


def _scalar() -> Any:  # noqa: ANN401 - a class of graphene's
    if find_spec("graphene") is None:
        return type("JSON", (_WithoutGraphene,), {})
    members = {
        "__doc__": "Any JSON value.",
        "serialize": staticmethod(_serialize),
        "parse_value": staticmethod(_as_it_is),
        "parse_literal": staticmethod(_parse_literal),
    }
    return type("JSON", (library("graphene", GRAPHENE).Scalar,), members)


JSON: Any = _scalar()
