"""The schemas of functions' descriptions, gathered as an OpenAPI document's components."""

import re
from collections.abc import Mapping
from typing import Any

type Schema = Mapping[str, Any]

_DEFINITION = "#/$defs/"
_COMPONENT = "#/components/schemas/"
_OF_CLASSES = frozenset({"properties", "additionalProperties", "enum"})


class Components:
    """Schemas by name: a definition of several functions is there once if it is the same in all of them."""

    def __init__(self, schemas: Mapping[str, Schema]) -> None:
        self.schemas: dict[str, Any] = dict(schemas)

    def take(self, schema: Schema, owner: str) -> dict[str, Any]:
        """Return a schema without definitions of its own, which become components.

        Args:
            schema: complete by its own ``$defs``, as functions are described.
            owner: the function's name, which precedes a name that is another schema's already.
        """
        definitions: Mapping[str, Any] = schema.get("$defs", {})
        rest = {name: value for name, value in schema.items() if name != "$defs"}
        names = {name: re.sub("[^A-Za-z0-9._-]", "_", name) for name in definitions}
        if not self._fits(definitions, names):
            names = {name: f"{owner}.{component}" for name, component in names.items()}
            # Generators of clients name a class by its title, which is the other schema's, too.
            definitions = {name: {**each, "title": names[name]} for name, each in definitions.items()}
        self.schemas |= {names[name]: _rewrite(each, names) for name, each in definitions.items()}
        rewritten: dict[str, Any] = _rewrite(rest, names)
        return rewritten

    def _fits(self, definitions: Mapping[str, Any], names: Mapping[str, str]) -> bool:
        return len(set(names.values())) == len(names) and all(
            self.schemas.get(names[name], rewritten) == rewritten
            for name, each in definitions.items()
            for rewritten in [_rewrite(each, names)]
        )


def _rewrite(value: Any, names: Mapping[str, str]) -> Any:  # noqa: ANN401 - any part of a schema
    """Return a part of a schema whose references, in ``$ref`` or a discriminator, are to components."""
    if isinstance(value, dict):
        rewritten = {name: _rewrite(member, names) for name, member in value.items()}
        if isinstance(members := rewritten.get("properties"), dict):
            rewritten["properties"] = {name: _entitle(name, member) for name, member in members.items()}
        if rewritten.get("items") is False and "maxItems" in rewritten:
            del rewritten["items"]  # generators know no schema that is false
        return rewritten
    if isinstance(value, list):
        return [_rewrite(member, names) for member in value]
    if isinstance(value, str) and value.startswith(_DEFINITION):
        return _COMPONENT + names.get(value.removeprefix(_DEFINITION), value.removeprefix(_DEFINITION))
    return value


def _entitle(name: str, member: Any) -> Any:  # noqa: ANN401 - likewise
    """Return a member's schema with its name as title where it is this or null: generated classes have it."""
    match member:
        case {"anyOf": [{**option}, {"type": "null"} as null]} if option.keys() & _OF_CLASSES:
            return {**member, "anyOf": [{"title": name, **option}, null]}
    return member
