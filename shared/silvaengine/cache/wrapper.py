"""The function that stands in for a cached one, compiled once from its signature.

Its parameters are the function's own, so that ``f(1)``, ``f(a=1)`` and a default spelled out are one key
without any binding at run time. A hit is a look-up in a dict, two comparisons and a counter. Whatever an
argument's ``__hash__`` or a ``key=`` raises there is a miss, which tells what to make of it.
"""

from collections.abc import Callable, Mapping
from functools import update_wrapper
from inspect import CO_VARARGS, CO_VARKEYWORDS
from types import FunctionType
from typing import Any, NamedTuple

from silvaengine.cache.identity import DECLARED

SKIP = "skip_cache"
OWN = "_se_"  # what the wrapper's own names begin with

_HIT = """
{prefix}def wrapper({parameters}):
    if {skip}:
        return {wait}_se_call(({values}))
    try:
        _se_entry = _se_entries[_se_id, _se_tenant(), {key}]
    except Exception:
        return {wait}_se_miss(({values}))
    _se_now = _se_clock()
    _se_space = _se_entry.space
    if _se_now < _se_entry.until and _se_now < _se_space.until:
        _se_entry.used = _se_now
        _se_space.hits += 1
        _se_value = _se_entry.value
        return _se_value if _se_value is not _se_mutable else _se_copy(_se_entry.data)
    return {wait}_se_miss(({values}))
"""
_OPEN = """
{prefix}def wrapper({parameters}):
    if {skip}:
        return {wait}_se_call(({values}), {rest}, {named})
    return {wait}_se_miss(({values}), {rest}, {named})
"""
_VALUES = """
def values({parameters}):
    return ({values}), {rest}, {named}
"""


class Signature(NamedTuple):
    """A function's parameters by kind; ``rest`` and ``named`` are those of ``*args`` and ``**kwargs``."""

    positional_only: tuple[str, ...]
    positional: tuple[str, ...]
    keyword_only: tuple[str, ...]
    rest: str = ""
    named: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters that take one value each, in order."""
        return (*self.positional_only, *self.positional, *self.keyword_only)


def signature(function: Callable[..., Any]) -> Signature:
    """Read a function's parameters from its code; anything else takes what it takes."""
    if not isinstance(function, FunctionType):
        return Signature((), (), (), "args", "kwargs")
    code = function.__code__
    positional = code.co_varnames[: code.co_argcount]
    others = list(code.co_varnames[code.co_argcount :])
    keyword_only = [others.pop(0) for _ in range(code.co_kwonlyargcount)]
    return Signature(
        positional[: code.co_posonlyargcount],
        positional[code.co_posonlyargcount :],
        tuple(keyword_only),
        others.pop(0) if code.co_flags & CO_VARARGS else "",
        others.pop(0) if code.co_flags & CO_VARKEYWORDS else "",
    )


def compile_wrapper(
    function: Callable[..., Any], names: Mapping[str, Any], *, in_class: bool, is_async: bool, has_key: bool
) -> Callable[..., Any]:
    """Compile the wrapper of a function.

    Args:
        function: what is cached.
        names: what the wrapper's own names stand for, without ``_se_``.
        in_class: whether the first argument may be an object, whose identity then stands for it.
        is_async: whether it is a coroutine function.
        has_key: whether ``names["key"]`` makes the key from the arguments.
    """
    given = signature(function)
    is_open = bool(given.rest or given.named)
    skip, takes_skip = "False", SKIP not in given.names
    if takes_skip:
        skip = f"{given.named}.pop({SKIP!r}, False)" if given.named else SKIP
    source = (_OPEN if is_open else _HIT).format(
        prefix="async " if is_async else "",
        wait="await " if is_async else "",
        parameters=_parameters(function, given, add_skip=takes_skip and not given.named),
        skip=_skipping(skip, names),
        values=_tuple(given.names),
        rest=given.rest or "()",
        named=given.named or "{}",
        key=_key(given, in_class=in_class, has_key=has_key),
    )
    return update_wrapper(_compiled("wrapper", source, function, names), function)


def compile_values(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile what turns a call's arguments into the values by parameter, the rest, and the named rest."""
    given = signature(function)
    source = _VALUES.format(
        parameters=_parameters(function, given, add_skip=False),
        values=_tuple(given.names),
        rest=given.rest or "()",
        named=given.named or "{}",
    )
    return _compiled("values", source, function, {})


def _skipping(skip: str, names: Mapping[str, Any]) -> str:
    return f"{skip} or not {OWN}enabled()" if "enabled" in names else skip


def _parameters(function: Callable[..., Any], given: Signature, *, add_skip: bool) -> str:
    """Return the parameter list as source; a default is a name of the compiled namespace."""
    positional = [*given.positional_only, *given.positional]
    first = len(positional) - len(getattr(function, "__defaults__", None) or ())
    parts = [f"{name}={OWN}d_{name}" if place >= first else name for place, name in enumerate(positional)]
    if given.positional_only:
        parts.insert(len(given.positional_only), "/")
    named = getattr(function, "__kwdefaults__", None) or {}
    keyword_only = [f"{name}={OWN}d_{name}" if name in named else name for name in given.keyword_only]
    keyword_only += [f"{SKIP}=False"] if add_skip else []
    if given.rest or keyword_only:
        parts.append(f"*{given.rest}")
    return ", ".join(parts + keyword_only + ([f"**{given.named}"] if given.named else []))


def _tuple(names: tuple[str, ...]) -> str:
    return "".join(f"{name}, " for name in names)


def _key(given: Signature, *, in_class: bool, has_key: bool) -> str:
    """Return the key's members as source: the values, then their classes, for 1, 1.0 and True are equal."""
    owner, names = "", given.names
    if in_class and names:
        first = names[0]
        own = f"{first}.{DECLARED} if {OWN}c in {OWN}constants else {OWN}number({first})"
        owner = f"({OWN}c := {first}.__class__), {own}, "
        names = names[1:]
    if has_key:
        arguments = [*given.positional_only, *given.positional, *(f"{n}={n}" for n in given.keyword_only)]
        return f"{owner}({OWN}k := {OWN}key({', '.join(arguments)})), {OWN}k.__class__"
    return owner + _tuple(names) + "".join(f"{name}.__class__, " for name in names)


def _compiled(
    name: str, source: str, function: Callable[..., Any], names: Mapping[str, Any]
) -> Callable[..., Any]:
    given = signature(function)
    positional = [*given.positional_only, *given.positional]
    defaults = getattr(function, "__defaults__", None) or ()
    named = getattr(function, "__kwdefaults__", None) or {}
    values = {**dict(zip(positional[len(positional) - len(defaults) :], defaults, strict=True)), **named}
    namespace = {f"{OWN}{own}": value for own, value in names.items()}
    namespace |= {f"{OWN}d_{parameter}": value for parameter, value in values.items()}
    namespace["__name__"] = function.__module__
    # The source holds the function's own parameter names, and nothing of a caller's.
    exec(compile(source, f"<cached {function.__module__}>", "exec"), namespace)  # noqa: S102 - see above
    compiled: Callable[..., Any] = namespace[name]
    return compiled
