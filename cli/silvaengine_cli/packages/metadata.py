"""What a package's ``deploy()`` says about its functions, as functions of the registry."""

import ast
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import click
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from silvaengine_cli.registry.model import METHODS, Function
from silvaengine_cli.registry.values import FunctionLabel

_MUTATIONS = ("mutation", "create", "update", "delete")


class _Action(BaseModel):
    """One of a function's GraphQL operations; what else is said of it doesn't concern the registry."""

    action: str


class _Given(BaseModel):
    """A function as a package describes it; ``Function`` checks what it becomes."""

    support_methods: Any = None
    type: Any = None
    settings: Any = None
    is_auth_required: Any = False
    is_graphql: Any = True
    query: tuple[_Action, ...] | None = None
    mutation: tuple[_Action, ...] | None = None
    create: tuple[_Action, ...] | None = None
    update: tuple[_Action, ...] | None = None
    delete: tuple[_Action, ...] | None = None


class _Service(BaseModel):
    """A class of a package and its functions."""

    class_name: Any = Field(None, alias="class")
    functions: dict[FunctionLabel, _Given]


_SERVICES = TypeAdapter(list[_Service])


def read_metadata(folder: Path, package: str) -> list[Mapping[str, Any]]:
    """Return what ``deploy()`` returns: from the source when that is plain data, else by calling it.

    Args:
        folder: where the package stands.
        package: its name.

    Raises:
        ClickException: there is no such package or function, or it can't be read, imported or called here.
    """
    source = next(
        (path for path in (folder / package / "__init__.py", folder / f"{package}.py") if path.is_file()),
        None,
    )
    if source is None:
        raise click.ClickException(f"{folder} has no package {package!r}")
    literal = _returned_literal(_read(source))
    return _called(folder, package) if literal is None else literal


def functions_of(package: str, area: str, metadata: list[Mapping[str, Any]]) -> dict[str, Function]:
    """Return the registry's functions by name; raises ClickException for what the registry can't hold."""
    try:
        services = _SERVICES.validate_python(metadata)
    except ValidationError as error:
        raise _refused(f"{package}: deploy()", error) from None
    return {
        name: _function(package, area, service.class_name, name, given)
        for service in services
        for name, given in service.functions.items()
    }


def _refused(what: str, error: ValidationError) -> click.ClickException:
    problem = error.errors()[0]
    place = ".".join(map(str, problem["loc"]))
    return click.ClickException(": ".join(filter(None, (what, place, problem["msg"]))))


def _read(source: Path) -> ast.Module:
    try:
        return ast.parse(source.read_text("utf-8"), str(source))
    except SyntaxError as error:
        raise click.ClickException(f"{source}:{error.lineno or 1}: {error.msg}") from None
    except UnicodeDecodeError:
        raise click.ClickException(f"{source} is not UTF-8 text") from None


def _returned_literal(module: ast.Module) -> Any:  # noqa: ANN401 - what deploy() answers
    for node in module.body:
        if isinstance(node, ast.FunctionDef) and node.name == "deploy":
            *before, last = node.body
            if all(isinstance(each, ast.Expr) for each in before) and isinstance(last, ast.Return):
                return _literal(last.value)
    return None


def _literal(node: ast.expr | None) -> Any:  # noqa: ANN401 - any literal
    try:
        return None if node is None else ast.literal_eval(node)
    except (ValueError, TypeError):
        return None


def _called(folder: Path, package: str) -> list[Mapping[str, Any]]:
    sys.path.insert(0, str(folder.resolve()))
    try:
        answer: list[Mapping[str, Any]] = import_module(package).deploy()
    except Exception as error:  # noqa: BLE001 - a package's own code may raise anything
        words = f"{type(error).__name__}: {error}"
        raise click.ClickException(f"deploy() of {package} can't be called here: {words}") from None
    finally:
        sys.path.remove(str(folder.resolve()))
    return answer


def _function(package: str, area: str, class_name: str | None, name: str, given: _Given) -> Function:
    try:
        return Function.model_validate(
            {
                "module": package,
                "class": class_name or None,
                "area": area,
                "methods": given.support_methods or METHODS,
                "type": given.type or "RequestResponse",
                "settings": given.settings or package,
                "auth_required": bool(given.is_auth_required),
                "graphql": bool(given.is_graphql),
                "operations": {
                    "query": tuple(_actions(given, ("query",))),
                    "mutation": tuple(_actions(given, _MUTATIONS)),
                },
            }
        )
    except ValidationError as error:
        raise _refused(f"{package}: deploy() of {name!r}", error) from None


def _actions(given: _Given, kinds: tuple[str, ...]) -> Iterator[str]:
    """Return the flat names of these kinds, each once."""
    names = (each.action for kind in kinds for each in getattr(given, kind) or ())
    yield from dict.fromkeys(names)
