"""The wrapper of a cached function, compiled once from its signature: the way of a hit in memory.

It has the function's parameters, so that ``f(1)``, ``f(a=1)`` and a default spelled out are one key without
binding arguments at run time. A hit is a look-up in a dict, two comparisons and a counter. An exception from
an argument's ``__hash__`` or from ``key=`` is a miss there, and is handled as one (``decorators``).
"""

from collections.abc import Callable, Mapping
from functools import update_wrapper
from inspect import CO_VARARGS, CO_VARKEYWORDS
from types import FunctionType
from typing import Any, NamedTuple

from silvaengine.cache.identity import DECLARED

SKIP = "skip_cache"
PREFIX = "_se_"  # of the wrapper's own names

_CACHED = """
{prefix}def wrapper({parameters}):
    if {skip}:
        return {wait}_se_call(({values}))
    try:
        _se_entry = _se_entries[_se_id, _se_tenant(), {key}]
    except Exception:
        return {wait}_se_miss(({values}))
    _se_now = _se_clock()
    _se_view = _se_entry.view
    if _se_now < _se_entry.until and _se_now < _se_view.until:
        _se_entry.used = _se_now
        _se_view.hits += 1
        _se_value = _se_entry.value
        return _se_value if _se_value is not _se_mutable else _se_copy(_se_entry.data)
    return {wait}_se_miss(({values}))
"""
_VARIADIC = """
{prefix}def wrapper({parameters}):
    if {skip}:
        return {wait}_se_call(({values}), {args}, {kwargs})
    return {wait}_se_miss(({values}), {args}, {kwargs})
"""
_BINDER = """
def bind({parameters}):
    return ({values}), {args}, {kwargs}
"""


class Signature(NamedTuple):
    """The names of a function's parameters by kind; ``args`` and ``kwargs`` are those with asterisks."""

    positional_only: tuple[str, ...]
    positional: tuple[str, ...]
    keyword_only: tuple[str, ...]
    args: str = ""
    kwargs: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters that take one value each, in order."""
        return (*self.positional_only, *self.positional, *self.keyword_only)


def read_signature(function: Callable[..., Any]) -> Signature:
    """Return a function's parameters; other callables are taken to have ``*args`` and ``**kwargs``."""
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
    function: Callable[..., Any],
    names: Mapping[str, object],
    *,
    in_class: bool,
    is_async: bool,
    has_key: bool,
) -> Callable[..., Any]:
    """Compile the wrapper of a function.

    Args:
        function: the function to cache.
        names: the values of the wrapper's own names, without ``_se_``.
        in_class: whether the first argument may be an object, to be replaced by its identity.
        is_async: whether it is a coroutine function.
        has_key: whether ``names["key"]`` makes the key from the arguments.
    """
    signature = read_signature(function)
    is_variadic = bool(signature.args or signature.kwargs)
    skip, takes_skip = "False", SKIP not in signature.names
    if takes_skip:
        skip = f"{signature.kwargs}.pop({SKIP!r}, False)" if signature.kwargs else SKIP
    source = (_VARIADIC if is_variadic else _CACHED).format(
        prefix="async " if is_async else "",
        wait="await " if is_async else "",
        parameters=_parameter_list(function, signature, add_skip=takes_skip and not signature.kwargs),
        skip=_skip_condition(skip, names),
        values=_members(signature.names),
        args=signature.args or "()",
        kwargs=signature.kwargs or "{}",
        key=_key_members(signature, in_class=in_class, has_key=has_key),
    )
    return update_wrapper(_compile("wrapper", source, function, names), function)


def compile_binder(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function that returns a call's values by parameter, its ``*args`` and its ``**kwargs``."""
    signature = read_signature(function)
    source = _BINDER.format(
        parameters=_parameter_list(function, signature, add_skip=False),
        values=_members(signature.names),
        args=signature.args or "()",
        kwargs=signature.kwargs or "{}",
    )
    return _compile("bind", source, function, {})


def _skip_condition(skip: str, names: Mapping[str, object]) -> str:
    return f"{skip} or not {PREFIX}enabled()" if "enabled" in names else skip


def _parameter_list(function: Callable[..., Any], signature: Signature, *, add_skip: bool) -> str:
    """Return the parameter list as source; defaults are names of the compiled namespace."""
    positional = [*signature.positional_only, *signature.positional]
    first = len(positional) - len(getattr(function, "__defaults__", None) or ())
    parts = [f"{name}={PREFIX}d_{name}" if place >= first else name for place, name in enumerate(positional)]
    if signature.positional_only:
        parts.insert(len(signature.positional_only), "/")
    keyword_defaults = getattr(function, "__kwdefaults__", None) or {}
    keyword_only = [
        f"{name}={PREFIX}d_{name}" if name in keyword_defaults else name for name in signature.keyword_only
    ]
    keyword_only += [f"{SKIP}=False"] if add_skip else []
    if signature.args or keyword_only:
        parts.append(f"*{signature.args}")
    return ", ".join(parts + keyword_only + ([f"**{signature.kwargs}"] if signature.kwargs else []))


def _members(names: tuple[str, ...]) -> str:
    return "".join(f"{name}, " for name in names)


def _key_members(signature: Signature, *, in_class: bool, has_key: bool) -> str:
    """Return the key's members as source: values, then their classes, since 1, 1.0 and True are equal."""
    owner, names = "", signature.names
    if in_class and names:
        first = names[0]
        own = f"{first}.{DECLARED} if {PREFIX}c in {PREFIX}constants else {PREFIX}number({first})"
        owner = f"({PREFIX}c := {first}.__class__), {own}, "
        names = names[1:]
    if has_key:
        arguments = [
            *signature.positional_only,
            *signature.positional,
            *(f"{n}={n}" for n in signature.keyword_only),
        ]
        return f"{owner}({PREFIX}k := {PREFIX}key({', '.join(arguments)})), {PREFIX}k.__class__"
    return owner + _members(names) + "".join(f"{name}.__class__, " for name in names)


def _compile(
    name: str, source: str, function: Callable[..., Any], names: Mapping[str, object]
) -> Callable[..., Any]:
    signature = read_signature(function)
    positional = [*signature.positional_only, *signature.positional]
    defaults = getattr(function, "__defaults__", None) or ()
    keyword_defaults = getattr(function, "__kwdefaults__", None) or {}
    values = {
        **dict(zip(positional[len(positional) - len(defaults) :], defaults, strict=True)),
        **keyword_defaults,
    }
    namespace: dict[str, Any] = {f"{PREFIX}{own}": value for own, value in names.items()}
    namespace |= {f"{PREFIX}d_{parameter}": value for parameter, value in values.items()}
    namespace["__name__"] = function.__module__
    # The source holds the names of the function's parameters, and nothing from callers.
    exec(compile(source, f"<cached {function.__module__}>", "exec"), namespace)  # noqa: S102 - see above
    compiled: Callable[..., Any] = namespace[name]
    return compiled
