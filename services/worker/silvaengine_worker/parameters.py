"""What a function or a constructor takes, read once from its signature and compared by name."""

import inspect
from collections.abc import Callable, Container, Iterable, Mapping
from typing import Any, NamedTuple, Self

from silvaengine.errors import ConfigurationError

_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class Parameters(NamedTuple):
    """The parameters of a callable.

    ``positional`` are those that can't be given by name, with their defaults. ``accepts_any`` is
    ``**kwargs``, ``variadic`` is ``*args``; ``receiver`` is a method's ``self`` or ``cls``, which even
    ``**kwargs`` doesn't take a second time.
    """

    positional: tuple[tuple[str, Any], ...]
    names: frozenset[str]
    required: tuple[str, ...]
    accepts_any: bool
    variadic: bool
    receiver: str | None

    @classmethod
    def of(cls, function: Callable[..., Any], *, unbound: bool = False) -> Self:
        """Read a signature; ``unbound`` leaves out the receiver of a method that is taken from its class.

        Raises:
            ConfigurationError: Python can't tell the signature, as for some classes written in C.
        """
        found = _signature(function)
        receiver = found.pop(0).name if unbound and found and found[0].kind in _POSITIONAL else None
        kinds = {parameter.kind for parameter in found}
        plain = [p for p in found if p.kind in (*_NAMED, inspect.Parameter.POSITIONAL_ONLY)]
        return cls(
            positional=tuple(
                (p.name, p.default) for p in plain if p.kind is inspect.Parameter.POSITIONAL_ONLY
            ),
            names=frozenset(p.name for p in plain),
            required=tuple(p.name for p in plain if p.default is inspect.Parameter.empty),
            accepts_any=inspect.Parameter.VAR_KEYWORD in kinds,
            variadic=inspect.Parameter.VAR_POSITIONAL in kinds,
            receiver=receiver,
        )

    def takes(self, name: str) -> bool:
        """Return whether a value of this name can be handed over."""
        return name in self.names or (self.accepts_any and name != self.receiver)

    def unknown(self, names: Iterable[str]) -> str | None:
        """Return the first of the names that isn't taken."""
        return next((name for name in names if not self.takes(name)), None)

    def missing(self, names: Container[str]) -> str | None:
        """Return the first required parameter that isn't among the names."""
        return next((name for name in self.required if name not in names), None)

    def call(self, function: Callable[..., Any], values: Mapping[str, Any]) -> Any:  # noqa: ANN401 - its result
        """Call with values by name, which must be known and complete; positional-only ones go by position."""
        by_name = dict(values)
        by_position = [by_name.pop(name, default) for name, default in self.positional]
        return function(*by_position, **by_name)


def _signature(function: Callable[..., Any]) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError) as error:
        raise ConfigurationError("The function is misconfigured", detail=f"{function!r}: {error}") from error
