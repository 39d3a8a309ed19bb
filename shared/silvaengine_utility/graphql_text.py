"""GraphQL without a GraphQL library: the question for a schema, an operation's text, an error as a dict."""

import sys
from collections.abc import Iterator, Mapping
from typing import Any

MAX_DEPTH = 5
_TYPE = "kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name } } } }"
_INPUT = f"name type {{ {_TYPE} }} defaultValue"
INTROSPECTION = f"""
query IntrospectionQuery {{
  __schema {{
    queryType {{ name }} mutationType {{ name }} subscriptionType {{ name }}
    types {{
      kind name description
      fields(includeDeprecated: true) {{ name description args {{ {_INPUT} }} type {{ {_TYPE} }} }}
      inputFields {{ {_INPUT} }}
      interfaces {{ {_TYPE} }}
      enumValues(includeDeprecated: true) {{ name }}
      possibleTypes {{ {_TYPE} }}
    }}
  }}
}}
"""

type Schema = Mapping[str, Any]


def format_error(error: BaseException) -> dict[str, Any]:
    """Return a GraphQL error as its specification writes it, any other as ``{"message": text}``."""
    graphql = sys.modules.get("graphql.error")  # loaded, if the error is one of its
    if graphql is None or not isinstance(error, graphql.GraphQLError):
        return {"message": str(error)}
    formatted = getattr(error, "formatted", None)  # graphql-core 3
    return dict(graphql.format_error(error) if formatted is None else formatted)


def generate_operation(operation_name: str, operation_type: str, schema: Schema) -> str:
    """Write an operation that asks for all of a field, down to 5 levels.

    Args:
        operation_name: a field of the schema's query or mutation type.
        operation_type: ``Query`` or ``Mutation``, in any case.
        schema: the ``__schema`` that ``fetch_schema`` gives.

    Raises:
        LookupError: the schema has no such operation.
    """
    kind = operation_type.lower()
    types = {each["name"]: each for each in schema["types"]}
    root = types.get((schema.get(f"{kind}Type") or {}).get("name"), {})
    field = next((each for each in root.get("fields") or () if each["name"] == operation_name), None)
    if field is None:
        raise LookupError(f"The schema has no {kind} {operation_name!r}")
    arguments = field["args"]
    variables = ", ".join(f"${each['name']}: {_type_text(each['type'])}" for each in arguments)
    values = ", ".join(f"{each['name']}: ${each['name']}" for each in arguments)
    head = f"{kind} {operation_name}{_bracketed(variables)}"
    selection = _selection(field["type"], types, ())
    return f"{head} {{ {operation_name}{_bracketed(values)}{selection} }}"


def _bracketed(text: str) -> str:
    return f"({text})" if text else ""


def _type_text(given: Schema) -> str:
    match given["kind"]:
        case "NON_NULL":
            return f"{_type_text(given['ofType'])}!"
        case "LIST":
            return f"[{_type_text(given['ofType'])}]"
        case _:
            return str(given["name"])


def _selection(given: Schema, types: Mapping[str, Schema], above: tuple[str, ...]) -> str:
    """Return what to ask of a type, empty for a scalar; a type inside itself is left out, so it ends."""
    fields = _inner(given, types).get("fields")
    if not fields:
        return ""
    asked = " ".join(_fields(fields, types, (*above, _inner(given, types)["name"])))
    return f" {{ {asked or '__typename'} }}"


def _fields(fields: list[Schema], types: Mapping[str, Schema], above: tuple[str, ...]) -> Iterator[str]:
    for field in fields:
        inner = _inner(field["type"], types)
        is_demanding = any(argument["type"]["kind"] == "NON_NULL" for argument in field["args"])
        is_leaf = inner.get("kind") in ("SCALAR", "ENUM")
        is_new = bool(inner.get("fields")) and inner["name"] not in above and len(above) < MAX_DEPTH
        if not is_demanding and (is_leaf or is_new):
            yield f"{field['name']}{_selection(field['type'], types, above)}"


def _inner(given: Schema, types: Mapping[str, Schema]) -> Schema:
    while given.get("ofType"):
        given = given["ofType"]
    return types.get(given["name"], given)
