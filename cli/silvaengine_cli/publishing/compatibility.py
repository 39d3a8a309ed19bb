"""The promises of a release that the next one breaks: what clients and other functions relied on.

Additions break none. What can't be told apart, such as two patterns, counts as broken.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Self

from silvaengine.registry.packages import call_of
from silvaengine_cli.publishing.schema_changes import Schema, find_changes
from silvaengine_cli.registry.rows import Row

# What may be given up, and what not: `internal: true` takes a function from clients.
_DEFAULTS: Mapping[str, object] = {"idempotency": "optional", "typed": False}
_MAY_NOT_BECOME: Mapping[str, object] = {"auth_required": True, "internal": True, "idempotency": "required"}
_NO_HEADERS: Schema = {"type": "object"}
_STATUSES = {"RequestResponse": 200, "Event": 202}


class Promises(NamedTuple):
    """What a release says: its ``functions`` by name, and their ``descriptions`` by what they call.

    A function without a description promises nothing about its parameters and its result.
    """

    functions: Mapping[str, Any]
    descriptions: Mapping[str, Any]

    @classmethod
    def of(cls, release: Row) -> Self:
        """Return those of a release's row."""
        return cls(json.loads(release["functions"]), json.loads(release.get("descriptions") or "{}"))

    def description(self, name: str) -> Mapping[str, Any]:
        """Return a function's description, which may be empty."""
        said: Mapping[str, Any] = self.descriptions.get(call_of(name, self.functions[name]["config"]), {})
        return said if "parameters" in said else {}


def broken_promises(before: Promises, after: Promises) -> Iterator[str]:
    """Yield a line for each promise that is broken: the function, where, and ``old -> new``."""
    for name, old in sorted(before.functions.items()):
        if name not in after.functions:
            yield f"{name}: gone"
            continue
        new = after.functions[name]
        changes = [*_call_changes(old, new)]
        said, says = before.description(name), after.description(name)
        if said and says:
            changes += _signature_changes(said, says)
        yield from (f"{name}: {change}" for change in changes)


def _call_changes(old: Row, new: Row) -> Iterator[str]:
    """Yield what changes for a caller by what the registry says of a function."""
    if old["area"] != new["area"]:
        yield f"area {old['area']} -> {new['area']}"
    before, after = _DEFAULTS | old["config"], _DEFAULTS | new["config"]
    if (route := before.get("route")) and route != after.get("route"):
        yield f"route {route} -> {after.get('route') or 'none'}"
    if set(before["methods"]) - set(after["methods"]):
        yield f"methods {', '.join(before['methods'])} -> {', '.join(after['methods'])}"
    if before["funct_type"] != after["funct_type"]:
        status, other = (_STATUSES[config["funct_type"]] for config in (before, after))
        yield f"status {status} -> {other}, type {before['funct_type']} -> {after['funct_type']}"
    for member, worse in _MAY_NOT_BECOME.items():
        if after.get(member) == worse != before.get(member):
            yield f"{member} {_text(before.get(member) or False)} -> {_text(worse)}"
    if before["typed"] != after["typed"]:
        yield f"typed {_text(before['typed'])} -> {_text(after['typed'])}"


def _signature_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """Yield what changes for a caller by two descriptions of a function."""
    before, after = old["parameters"], new["parameters"]
    if isinstance(before, list) or isinstance(after, list):  # an untyped function's have names alone
        before, after = _names_alone(before), _names_alone(after)
    yield from (f"parameter {change}" for change in find_changes(before, after))
    headers = (description.get("headers", _NO_HEADERS) for description in (old, new))
    yield from (f"header {change}" for change in find_changes(*headers))
    if "result" in new:
        yield from (
            f"result {change}"
            for change in find_changes(old.get("result", {}), new["result"], is_result=True)
        )
    for status in sorted((old.get("errors") or {}).keys() - (new.get("errors") or {}).keys()):
        yield f"error {status} -> none"
    for status, codes in sorted((old.get("codes") or {}).items()):
        for code in codes:
            if code not in ((new.get("codes") or {}).get(status) or ()):
                yield f"error {status} {code} -> none"


def _names_alone(parameters: list[Row] | Schema) -> Schema:
    if isinstance(parameters, list):
        names = {each["name"]: each["required"] for each in parameters}
    else:
        names = {name: name in parameters["required"] for name in parameters["properties"]}
    return {"properties": {name: {} for name in names}, "required": [name for name in names if names[name]]}


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
