"""The parameters of a function or a constructor, read once from its signature and compared by name."""

import inspect
from collections.abc import Callable, Container, Iterable, Mapping
from typing import NamedTuple, Self

from silvaengine.errors import ConfigurationError

_NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


class Parameters(NamedTuple):
    """The parameters of a callable.

    ``positional`` are the positional-only ones, with their defaults. ``accepts_any`` stands for ``**kwargs``,
    ``variadic`` for ``*args``; ``receiver`` is a method's ``self`` or ``cls``, which not even ``**kwargs``
    takes a second time.
    """

    positional: tuple[tuple[str, object], ...]
    names: frozenset[str]
    required: tuple[str, ...]
    accepts_any: bool
    variadic: bool
    receiver: str | None

    @classmethod
    def from_signature(cls, function: Callable[..., object], *, unbound: bool = False) -> Self:
        """Return the parameters of a signature; ``unbound`` leaves out the receiver of a class's method.

        Raises:
            ConfigurationError: Python has no signature for it, as for some classes written in C.
        """
        parameters = _parameters(function)
        has_receiver = unbound and parameters and parameters[0].kind in _POSITIONAL
        receiver = parameters.pop(0).name if has_receiver else None
        kinds = {parameter.kind for parameter in parameters}
        plain = [p for p in parameters if p.kind in (*_NAMED, inspect.Parameter.POSITIONAL_ONLY)]
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
        """Return whether a value of this name can be passed."""
        return name in self.names or (self.accepts_any and name != self.receiver)

    def unknown(self, names: Iterable[str]) -> str | None:
        """Return the first of the names that can't be passed."""
        return next((name for name in names if not self.takes(name)), None)

    def missing(self, names: Container[str]) -> str | None:
        """Return the first required parameter that isn't among the names."""
        return next((name for name in self.required if name not in names), None)

    def call[T](self, function: Callable[..., T], values: Mapping[str, object]) -> T:
        """Call with values by name, which must be complete and none unknown; return the result."""
        by_name = dict(values)
        by_position = [by_name.pop(name, default) for name, default in self.positional]
        return function(*by_position, **by_name)


def _parameters(function: Callable[..., object]) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError) as error:
        raise ConfigurationError("The function is misconfigured", detail=f"{function!r}: {error}") from error
