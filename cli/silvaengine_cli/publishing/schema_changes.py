"""What an old schema promised and a new one doesn't keep, by JSON Schema 2020-12 as functions have it.

Parameters: what was taken must be taken. Results: what is returned must have been possible, and a member
that was always there must be. New members that needn't be there pass, as do new ones of a result.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

type Schema = Mapping[str, Any]
type Changes = list[tuple[str, str]]
"""JSON pointers, and what has changed there."""

_WORDS = frozenset({"title", "description", "examples", "default", "deprecated", "discriminator", "$defs"})
_LOWEST = ("minLength", "minItems", "minProperties")
_HIGHEST = ("maxLength", "maxItems", "maxProperties")
_INSIDE = frozenset({"properties", "required", "additionalProperties", "prefixItems", "items"})
_COMPARED = frozenset({"type", "enum", "const", "multipleOf", *_LOWEST, *_HIGHEST, *_INSIDE}) | {
    "minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum",
}  # fmt: skip
_NAMES = {str: "string", bool: "boolean", int: "integer", float: "number", type(None): "null"}


def find_changes(old: Schema, new: Schema, *, is_result: bool = False) -> Iterator[str]:
    """Yield ``/pointer: old -> new`` for each promise that the new schema breaks.

    Args:
        old: a schema, complete by its own ``$defs``.
        new: the one that is to take its place.
        is_result: whether the values are returned, not taken.
    """
    for pointer, change in _Comparison(old, new, is_result=is_result).compare(old, new):
        yield f"{pointer or '/'}: {change}"


class _Comparison:
    """Compares two schemas with their definitions; a pair is compared once, so that recursive ones end."""

    def __init__(self, old: Schema, new: Schema, *, is_result: bool) -> None:
        self._definitions = old.get("$defs", {}), new.get("$defs", {})
        self._is_result = is_result
        self._found: dict[tuple[str, str], Changes] = {}

    def compare(self, old: Schema, new: Schema) -> Changes:
        """Return the changes from one schema to another."""
        key = (_key(old), _key(new))
        if key not in self._found:
            self._found[key] = []  # what is being compared holds meanwhile
            befores, afters = self._options(old, 0), self._options(new, 1)
            self._found[key] = [*self._compare_options(befores, afters)]
        return self._found[key]

    def _options(self, schema: Schema, side: int) -> list[Schema]:
        """Return what a value may be: schemas without references, unions or several types."""
        if "$ref" in schema:
            return self._options(self._definitions[side][schema["$ref"].rpartition("/")[2]], side)
        union = schema.get("anyOf") or schema.get("oneOf")
        if union:
            return [option for each in union for option in self._options(each, side)]
        if isinstance(schema.get("type"), list):
            return [{**schema, "type": each} for each in schema["type"]]
        return [schema]

    def _compare_options(self, befores: list[Schema], afters: list[Schema]) -> Iterator[tuple[str, str]]:
        if len(befores) == len(afters) == 1:
            yield from self._compare_one(befores[0], afters[0])
            return
        narrows, wides = (afters, befores) if self._is_result else (befores, afters)
        for narrow in narrows:
            found = [[*self._compare_one(*self._in_time(narrow, wide))] for wide in wides]
            if all(found):
                alike = [
                    changes
                    for wide, changes in zip(wides, found, strict=True)
                    if wide.get("type") == narrow.get("type")
                ]
                yield from alike[0] if len(alike) == 1 else [("", f"{_union(befores)} -> {_union(afters)}")]

    def _in_time(self, narrow: Schema, wide: Schema) -> tuple[Schema, Schema]:
        """Return the old one and the new one; or the reverse, of two in time."""
        return (wide, narrow) if self._is_result else (narrow, wide)

    def _compare_one(self, old: Schema, new: Schema) -> Iterator[tuple[str, str]]:
        narrow, wide = self._in_time(old, new)
        if not _is_of_type(narrow, wide) or not _has_values(narrow, wide):
            yield "", f"{_name(old)} -> {_name(new)}"
            return
        for keyword in sorted(_broken_bounds(narrow, wide)):
            yield "", f"{keyword} {_shown(old, keyword)} -> {_shown(new, keyword)}"
        yield from self._compare_members(old, new)
        yield from self._compare_items(old, new)

    def _compare_members(self, old: Schema, new: Schema) -> Iterator[tuple[str, str]]:
        before, after = old.get("properties", {}), new.get("properties", {})
        rest_before, rest_after = old.get("additionalProperties"), new.get("additionalProperties")
        for name in before:
            if name in after:
                yield from self._at(name, before[name], after[name])
            elif rest_after in (None, False):
                yield _step(name), "gone"
            else:
                yield from self._at(name, before[name], _schema(rest_after))
        if rest_before not in (None, False):
            for name in after.keys() - before.keys():
                yield from self._at(name, _schema(rest_before), after[name])
        narrow, wide = self._in_time(old, new)
        for name in wide.get("required", ()):
            if name not in narrow.get("required", ()) and name in after:
                yield _step(name), "may be missing" if self._is_result else "required"
        yield from self._compare_rest(rest_before, rest_after)

    def _compare_rest(self, rest_before: object, rest_after: object) -> Iterator[tuple[str, str]]:
        """Yield the changes of members that have no name."""
        if rest_after is False:
            if rest_before is not False and not self._is_result:
                yield "", "other members -> none"
        elif rest_before not in (None, False):
            yield from self._at("*", _schema(rest_before), _schema(rest_after))

    def _compare_items(self, old: Schema, new: Schema) -> Iterator[tuple[str, str]]:
        before, after = old.get("prefixItems", ()), new.get("prefixItems", ())
        for index in range(max(len(before), len(after))):
            pair = _item(old, index), _item(new, index)
            if False not in pair:  # how many there may be is a bound
                yield from self._at(str(index), *map(_schema, pair))
        pair = old.get("items"), new.get("items")
        if pair != (None, None) and False not in pair:
            yield from self._at("*", *map(_schema, pair))

    def _at(self, name: str, old: Schema, new: Schema) -> Iterator[tuple[str, str]]:
        for pointer, change in self.compare(old, new):
            yield _step(name) + pointer, change


def _key(schema: Schema) -> str:
    return json.dumps(schema, sort_keys=True)


def _step(name: str) -> str:
    return "/" + name.replace("~", "~0").replace("/", "~1")


def _schema(rest: object) -> Schema:
    return rest if isinstance(rest, dict) else {}


def _item(schema: Schema, index: int) -> object:
    prefix: Sequence[Schema] = schema.get("prefixItems", ())
    return prefix[index] if index < len(prefix) else schema.get("items", {})


def _values(schema: Schema) -> set[str] | None:
    """Return the values that a schema lists, as JSON; None if it lists none."""
    if "const" in schema:
        return {_key(schema["const"])}
    return set(map(_key, schema["enum"])) if "enum" in schema else None


def _has_values(narrow: Schema, wide: Schema) -> bool:
    few, many = _values(narrow), _values(wide)
    return many is None or (few is not None and few <= many)


def _is_of_type(narrow: Schema, wide: Schema) -> bool:
    wanted = wide.get("type")
    if wanted is None:
        return True
    listed = [json.loads(each) for each in _values(narrow) or ()]
    kinds = {narrow["type"]} if "type" in narrow else {_NAMES.get(type(each)) for each in listed}
    return bool(kinds) and kinds <= ({"integer", "number"} if wanted == "number" else {wanted})


def _broken_bounds(narrow: Schema, wide: Schema) -> Iterator[str]:
    """Yield the keywords by which a value of ``narrow`` needn't be one of ``wide``."""
    for keyword in wide.keys() - _COMPARED - _WORDS:
        if narrow.get(keyword) != wide[keyword]:
            yield keyword
    for keyword in _LOWEST:
        if narrow.get(keyword, 0) < wide.get(keyword, 0):
            yield keyword
    for keyword in _HIGHEST:
        if keyword in wide and narrow.get(keyword, float("inf")) > wide[keyword]:
            yield keyword
    for keyword, exclusive, sign in (
        ("minimum", "exclusiveMinimum", 1),
        ("maximum", "exclusiveMaximum", -1),
    ):
        (low, is_open), (wanted, is_wanted_open) = (
            _limit(schema, keyword, exclusive, sign) for schema in (narrow, wide)
        )
        if low < wanted or (low == wanted and is_wanted_open and not is_open):
            yield keyword if keyword in wide else exclusive
    if "multipleOf" in wide and ("multipleOf" not in narrow or narrow["multipleOf"] % wide["multipleOf"]):
        yield "multipleOf"


def _limit(schema: Schema, keyword: str, exclusive: str, sign: int) -> tuple[float, bool]:
    """Return a lower limit, or with the sign -1 an upper one as if it were lower; and whether it is open."""
    limits = [(sign * schema[each], each == exclusive) for each in (keyword, exclusive) if each in schema]
    return max(limits, default=(float("-inf"), False))


def _shown(schema: Schema, keyword: str) -> str:
    return _key(schema[keyword]) if keyword in schema else "none"


def _name(schema: Schema) -> str:
    values = _values(schema)
    if values is not None:
        return " or ".join(sorted(values))
    return str(schema.get("type", "anything"))


def _union(options: list[Schema]) -> str:
    return " or ".join(dict.fromkeys(map(_name, options)))
