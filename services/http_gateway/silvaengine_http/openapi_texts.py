"""The schemas of path, query and headers: of what a function takes, that which a text can be.

A text is no null and no object, and a list of texts is no list of lists.
"""

from collections.abc import Mapping
from typing import Any

from silvaengine_http.openapi_schemas import Schema

# What ``path`` refuses: an encoded slash, a dot segment, control characters, what isn't UTF-8.
_SEGMENT = r"^(?!\.{1,2}$)[^/\\\u0000-\u001f\u007f-\u009f\ufffd]+$"
_SAYS_MORE = frozenset({"enum", "format", "pattern"})
_TYPES = frozenset({"type", "enum", "const", "oneOf", "allOf"})


def as_text(schema: Schema, components: Mapping[str, Schema], *, in_list: bool = False) -> Schema | None:
    """Return what of a schema a text, or every text of a name, can be; None for nothing.

    Args:
        schema: a parameter's.
        components: the schemas to which it may refer, by name.
        in_list: whether the schema is that of a list's items.
    """
    if "$ref" in schema:
        target = components[schema["$ref"].rpartition("/")[2]]
        text = as_text(target, components, in_list=in_list)
        return schema if text == target else text
    kept = {name: value for name, value in schema.items() if name != "default" or value is not None}
    if "anyOf" in kept:
        texts = [as_text(option, components, in_list=in_list) for option in kept.pop("anyOf")]
        options = [text for text in texts if text is not None]
        return {**kept, **(options[0] if len(options) == 1 else {"anyOf": options})} if options else None
    if kept.get("type") == "array":
        return None if in_list else _list(kept, components)
    if "enum" in kept:
        kept["enum"] = [value for value in kept["enum"] if value is not None]
    if kept.get("type") in ("object", "null"):
        return None
    return kept if kept.keys() & _TYPES else {"type": "string", **kept}


def as_segment(schema: Schema) -> Schema:
    """Return what a path's parameter can be."""
    if schema.get("type") != "string" or schema.keys() & _SAYS_MORE:
        return schema
    return {**schema, "minLength": max(1, schema.get("minLength", 1)), "pattern": _SEGMENT}


def _list(schema: dict[str, Any], components: Mapping[str, Schema]) -> Schema | None:
    """Return the schema of a list of texts, of which none can't be sent."""
    items = as_text(schema.get("items") or {}, components, in_list=True)
    members = [as_text(each, components, in_list=True) for each in schema.get("prefixItems", ())]
    if items is None or None in members:
        return None
    inside = {"prefixItems": members} if members else {"items": items}
    return {**schema, **inside, "minItems": max(1, schema.get("minItems", 1))}
