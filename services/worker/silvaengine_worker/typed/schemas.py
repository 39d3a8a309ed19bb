"""JSON Schema 2020-12 of a signature: what is valid by it is what the function takes, and nothing else.

msgspec's own schema says less than msgspec does, or more (``forms``); pydantic's is as pydantic makes it.
json-schema.org/draft/2020-12
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from inspect import Parameter, isclass
from inspect import signature as inspect_signature
from types import NoneType
from typing import Any, Literal

from msgspec import Struct
from msgspec.json import schema_components

from silvaengine.errors import ConfigurationError
from silvaengine_worker.arguments import Parameters
from silvaengine_worker.results import ResultError, to_json_value
from silvaengine_worker.typed.docstrings import Docstring, read_docstring
from silvaengine_worker.typed.models import ModelType
from silvaengine_worker.typed.native import NativeType
from silvaengine_worker.typed.shapes import Shape
from silvaengine_worker.typed.signature import Signature, ValueType

type Schema = dict[str, Any]
type Mode = Literal["validation", "serialization"]

_REPLACED = {"type", "format", "contentEncoding"}  # by a form's schema


def describe_signature(function: Callable[..., object], parameters: Parameters | None = None) -> Schema:
    """Return what a typed function's signature and docstring say.

    Args:
        function: the function.
        parameters: its own; left out for a plain function.

    Returns:
        ``summary``, ``description``; ``parameters`` and ``headers``, each the schema of an object;
        ``result``, that of the result, ``{}`` where it isn't annotated; ``errors``, what a FunctionError
        means by its status; ``codes``, lists by status, where errors have any. Each schema is complete by its
        own ``$defs``.

    Raises:
        ConfigurationError: an annotation can't be checked; ``detail`` names the parameter.
    """
    signature = Signature(function, parameters or Parameters.from_signature(function))
    docstring = read_docstring(function.__doc__)
    by_header = {name: signature.parameters[name] for name in signature.headers}
    others = {name: each for name, each in signature.parameters.items() if name not in by_header}
    described = _Described(function, signature, docstring)
    return {
        "summary": docstring.summary,
        "description": docstring.description,
        "parameters": {"additionalProperties": False} | described.object(others, rest=signature.rest),
        "headers": described.object(by_header, signature.headers),
        "result": _one(signature.result, "serialization") if signature.result else {},
        "errors": docstring.errors,
        **({"codes": docstring.codes} if docstring.codes else {}),
    }


class _Described:
    """The schemas of a function's parameters."""

    def __init__(self, function: Callable[..., object], signature: Signature, docstring: Docstring) -> None:
        self._defaults = {name: each.default for name, each in inspect_signature(function).parameters.items()}
        self._required = signature.plain.required
        self._docstring = docstring

    def object(
        self,
        types: Mapping[str, ValueType],
        names: Mapping[str, str] | None = None,
        rest: ValueType | None = None,
    ) -> Schema:
        """Return the schema of an object of parameters, under other names where ``names`` has them.

        ``rest`` is the type of all others, None where nothing is said of them.
        """
        names = names or {}
        schemas, definitions = _schemas([*types.values(), *filter(None, [rest])], "validation")
        properties = {
            names.get(name, name): self._complete(name, schema)
            for name, schema in zip(types, schemas, strict=False)
        }
        required = [names.get(name, name) for name in types if name in self._required]
        schema: Schema = {"type": "object", "properties": properties, "required": required}
        if rest:
            schema["additionalProperties"] = schemas[-1]
        return schema | ({"$defs": definitions} if definitions else {})

    def _complete(self, name: str, schema: Schema) -> Schema:
        text, default = self._docstring.parameters.get(name), self._defaults[name]
        if text:
            schema = {"description": text} | schema
        if default is not Parameter.empty:
            with suppress(ResultError):  # it may have no form in JSON
                schema = {"default": to_json_value(default)} | schema
        return schema


def _one(value_type: ValueType, mode: Mode = "validation") -> Schema:
    (schema,), definitions = _schemas([value_type], mode)
    return schema | ({"$defs": definitions} if definitions else {})


def _schemas(types: Iterable[ValueType], mode: Mode) -> tuple[list[Schema], Schema]:
    """Return the schemas of types, and the definitions to which these refer."""
    types = list(types)
    natives = [each for each in types if isinstance(each, NativeType)]
    made, definitions = schema_components(
        [each.annotation for each in natives], ref_template="#/$defs/{name}"
    )
    corrected: set[int] = set()
    for native, schema in zip(natives, made, strict=True):
        _correct(native.shape, schema, definitions, corrected)
    remaining, schemas = iter(made), []
    for each in types:
        schema = _model_schema(each, mode, definitions) if isinstance(each, ModelType) else next(remaining)
        schemas.append(schema)
    return schemas, definitions


def _model_schema(model: ModelType, mode: Mode, definitions: Schema) -> Schema:
    from pydantic.json_schema import GenerateJsonSchema  # lazy: the package's own, loaded already

    class OfResults(GenerateJsonSchema):
        """What ``to_json_value`` makes of a model."""

        def decimal_schema(self, schema: Any) -> Schema:  # noqa: ANN401, ARG002 - pydantic's
            return {"type": "number"}

    is_result = mode == "serialization"
    # Of several adapters a model's schema is a reference, as other classes' are; of one it isn't.
    schemas, made = model.adapter.json_schemas(
        [("", mode, model.adapter)],
        by_alias=not is_result,
        ref_template="#/$defs/{model}",
        schema_generator=OfResults if is_result else GenerateJsonSchema,
    )
    for name, definition in made.get("$defs", {}).items():
        if definitions.setdefault(name, definition) != definition:
            detail = f"two classes are called {name}, one of them in a model of pydantic's"
            raise ConfigurationError("The function is misconfigured", detail=detail)
    schema: Schema = schemas["", mode]
    return schema


def _order(option: Shape) -> int:
    """Return where msgspec puts an option of a union: Structs go behind others, None is the last."""
    if option.annotation in (None, NoneType):
        return 2
    return isclass(option.annotation) and issubclass(option.annotation, Struct)


def _correct(shape: Shape, schema: Schema, definitions: Schema, done: set[int]) -> None:
    """Make a schema of msgspec's say what ``NativeType`` takes."""
    if "$ref" in schema:
        schema = definitions[schema["$ref"].rpartition("/")[2]]
        if id(schema) in done:
            return
        done.add(id(schema))
    if shape.form is not None:
        kept = {name: value for name, value in schema.items() if name not in _REPLACED}
        schema.clear()
        schema |= {**shape.form.schema, **kept}
    for option, inner in zip(sorted(shape.options, key=_order), schema.get("anyOf", ()), strict=False):
        _correct(option, inner, definitions, done)
    for name, (field, _) in shape.fields.items():
        _correct(field, schema["properties"][name], definitions, done)
    for member, inner in zip(shape.prefix, schema.get("prefixItems", ()), strict=False):
        _correct(member, inner, definitions, done)
    items = schema.get("additionalProperties", schema.get("items"))
    if shape.items is not None and isinstance(items, dict):
        _correct(shape.items, items, definitions, done)
