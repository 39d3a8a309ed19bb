"""A function's signature with the types of its parameters and its result, read once."""

from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Generator,
    Iterable,
    Iterator,
    Mapping,
)
from functools import cached_property
from inspect import Parameter
from inspect import signature as inspect_signature
from typing import Any, Protocol, get_args, get_origin, get_type_hints

from silvaengine.annotations import Header
from silvaengine.errors import ConfigurationError
from silvaengine.protocol.messages import RESERVED_PARAMETERS
from silvaengine_worker.arguments import Parameters
from silvaengine_worker.typed.models import ModelType, is_of_pydantic
from silvaengine_worker.typed.native import NativeType
from silvaengine_worker.typed.shapes import Annotation, UnsupportedTypeError

_STREAMS = (Generator, Iterator, Iterable, AsyncGenerator, AsyncIterator, AsyncIterable)

BODY = "body"
"""The parameter that takes a whole body."""


class ValueType(Protocol):
    """The type of a parameter or a result, as ``NativeType`` and ``ModelType`` are.

    ``takes_text`` is whether a text may be meant as it is, ``takes_list`` whether a list is.
    """

    annotation: Any
    takes_text: bool
    takes_list: bool

    def convert(self, value: object) -> object:
        """Return a decoded JSON value as one of the type; raises InvalidValueError."""

    def convert_text(self, text: str) -> object:
        """Return what ``convert`` returns of the value of JSON text; raises ValueError if that isn't sure."""

    def check_result(self, result: object, value: object, /) -> None:
        """Check a result and its JSON form; raises InvalidValueError."""


class Signature:
    """The types of a function's parameters, by name in their order, and of its result.

    ``given`` are the parameters that only the framework fills, ``headers`` the lower-case names of headers by
    parameter, ``rest`` is the type of what ``**`` takes, None without it. ``takes_body`` is whether a
    parameter is the whole body, ``takes_body_alone`` whether a request needs to have nothing else.
    ``plain`` are the parameters as an untyped function has them.

    Raises:
        ConfigurationError: an annotation can't be checked; ``detail`` names the parameter.
    """

    def __init__(self, function: Callable[..., object], plain: Parameters) -> None:
        self._function = function
        self.plain = plain
        self._hints = _read_hints(function)
        self.given = plain.names & RESERVED_PARAMETERS
        names = [name for name in inspect_signature(function).parameters if name in plain.names - self.given]
        self.parameters: Mapping[str, ValueType] = {name: self._type(name) for name in names}
        self.headers = {name: header for name in names if (header := _header_of(self._hints.get(name)))}
        self.takes_body = BODY in self.parameters and BODY not in self.headers
        self.rest = self._rest() if plain.accepts_any else None
        is_simple = not (self.given or self.headers or self.rest) and {BODY}.issuperset(plain.required)
        self.takes_body_alone = self.takes_body and is_simple

    @cached_property
    def result(self) -> ValueType | None:
        """The type of the result, of a generator's list; None without an annotation."""
        hint = self._hints.get("return", Any)
        if self.is_stream:
            hint = list[get_args(hint)[0]]  # type: ignore[misc] # known at run time only
        return None if hint is Any else self._read("the result", hint)

    @property
    def is_stream(self) -> bool:
        """Whether the function is annotated as a generator."""
        return get_origin(self._hints.get("return")) in _STREAMS

    def type_of(self, name: str) -> ValueType | None:
        """Return the type of what is passed by a name, None if nothing can be."""
        if name in self.parameters:
            return self.parameters[name]
        return None if name == self.plain.receiver else self.rest

    def _rest(self) -> ValueType:
        parameters = inspect_signature(self._function).parameters.values()
        return self._type(next(each.name for each in parameters if each.kind is Parameter.VAR_KEYWORD))

    def _type(self, name: str) -> ValueType:
        return self._read(f"parameter {name!r}", self._hints.get(name, Any))

    def _read(self, what: str, annotation: Annotation) -> ValueType:
        if annotation is object:
            annotation = Any
        try:
            return ModelType(annotation) if is_of_pydantic(annotation) else NativeType(annotation)
        except (UnsupportedTypeError, NameError, TypeError) as error:
            raise _misconfigured(self._function, f"{what}: {error}") from error


def _read_hints(function: Callable[..., object]) -> dict[str, Any]:
    try:
        return get_type_hints(function, include_extras=True)
    except (NameError, TypeError) as error:
        raise _misconfigured(function, str(error)) from error


def _header_of(annotation: object) -> str | None:
    names = [each.name for each in getattr(annotation, "__metadata__", ()) if isinstance(each, Header)]
    return names[0].lower() if names else None


def _misconfigured(function: Callable[..., object], reason: str) -> ConfigurationError:
    detail = f"{function.__qualname__}: {reason}"
    return ConfigurationError("The function is misconfigured", detail=detail)
