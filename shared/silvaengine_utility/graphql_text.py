"""GraphQL without a library: the introspection query, the text of operations, errors as dicts."""

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
    """Return a GraphQL error in its specification's form, any other as ``{"message": text}``."""
    graphql = sys.modules.get("graphql.error")  # loaded if the error comes from it
    if graphql is None or not isinstance(error, graphql.GraphQLError):
        return {"message": str(error)}
    formatted = getattr(error, "formatted", None)  # graphql-core 3
    return dict(graphql.format_error(error) if formatted is None else formatted)


def generate_operation(operation_name: str, operation_type: str, schema: Schema) -> str:
    """Return an operation that selects all of a field, down to 5 levels.

    Args:
        operation_name: a field of the schema's query or mutation type.
        operation_type: ``Query`` or ``Mutation``, in any case.
        schema: the ``__schema`` that ``fetch_schema`` returns.

    Raises:
        LookupError: the schema has no such operation.
    """
    kind = operation_type.lower()
    types = {type_["name"]: type_ for type_ in schema["types"]}
    root = types.get((schema.get(f"{kind}Type") or {}).get("name"), {})
    field = next((each for each in root.get("fields") or () if each["name"] == operation_name), None)
    if field is None:
        raise LookupError(f"The schema has no {kind} {operation_name!r}")
    arguments = field["args"]
    variables = ", ".join(f"${each['name']}: {_type_text(each['type'])}" for each in arguments)
    values = ", ".join(f"{each['name']}: ${each['name']}" for each in arguments)
    head = f"{kind} {operation_name}{_in_brackets(variables)}"
    selection = _selection(field["type"], types, ())
    return f"{head} {{ {operation_name}{_in_brackets(values)}{selection} }}"


def _in_brackets(text: str) -> str:
    return f"({text})" if text else ""


def _type_text(type_ref: Schema) -> str:
    match type_ref["kind"]:
        case "NON_NULL":
            return f"{_type_text(type_ref['ofType'])}!"
        case "LIST":
            return f"[{_type_text(type_ref['ofType'])}]"
        case _:
            return str(type_ref["name"])


def _selection(type_ref: Schema, types: Mapping[str, Schema], above: tuple[str, ...]) -> str:
    """Return the selection set for a type, empty for a scalar; types that are above it are left out."""
    fields = _named_type(type_ref, types).get("fields")
    if not fields:
        return ""
    selected = " ".join(_fields(fields, types, (*above, _named_type(type_ref, types)["name"])))
    return f" {{ {selected or '__typename'} }}"


def _fields(fields: list[Schema], types: Mapping[str, Schema], above: tuple[str, ...]) -> Iterator[str]:
    for field in fields:
        inner = _named_type(field["type"], types)
        needs_arguments = any(argument["type"]["kind"] == "NON_NULL" for argument in field["args"])
        is_leaf = inner.get("kind") in ("SCALAR", "ENUM")
        is_new = bool(inner.get("fields")) and inner["name"] not in above and len(above) < MAX_DEPTH
        if not needs_arguments and (is_leaf or is_new):
            yield f"{field['name']}{_selection(field['type'], types, above)}"


def _named_type(type_ref: Schema, types: Mapping[str, Schema]) -> Schema:
    while type_ref.get("ofType"):
        type_ref = type_ref["ofType"]
    return types.get(type_ref["name"], type_ref)
