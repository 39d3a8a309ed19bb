"""Turns the metadata of a package's ``deploy()`` into functions of the registry."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from silvaengine_cli.packages.deploying import call_deploy
from silvaengine_cli.registry.model import METHODS, FunctionSpec
from silvaengine_cli.registry.values import FunctionLabel

_MUTATIONS = ("mutation", "create", "update", "delete")


class _Action(BaseModel):
    """A GraphQL operation of a function; the registry needs nothing else of it."""

    action: str


class _FunctionMetadata(BaseModel):
    """A function as a package describes it; ``FunctionSpec`` checks what it becomes."""

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
    """A class of a package, and its functions."""

    class_name: Any = Field(None, alias="class")
    functions: dict[FunctionLabel, _FunctionMetadata]


_SERVICES = TypeAdapter(list[_Service])


def read_metadata(folder: Path, package: str) -> object:
    """Return what ``deploy()`` returns: read from the source if that is plain data, else by a call.

    Raises:
        ClickException: there is no such package or function, or it can't be read, imported or called here.
    """
    source = next(
        (path for path in (folder / package / "__init__.py", folder / f"{package}.py") if path.is_file()),
        None,
    )
    if source is None:
        raise click.ClickException(f"{folder} has no package {package!r}")
    literal = _return_literal(_read(source))
    return call_deploy(folder, package) if literal is None else literal


def functions_of(package: str, area: str, description: object) -> dict[str, FunctionSpec]:
    """Return the registry's functions by name; raise ClickException if the registry can't hold them."""
    try:
        services = _SERVICES.validate_python(description)
    except ValidationError as error:
        raise _invalid(f"{package}: deploy()", error) from None
    return {
        name: _function(package, area, service.class_name, name, metadata)
        for service in services
        for name, metadata in service.functions.items()
    }


def _invalid(what: str, error: ValidationError) -> click.ClickException:
    problem = error.errors()[0]
    place = ".".join(map(str, problem["loc"]))
    return click.ClickException(": ".join(filter(None, (what, place, problem["msg"]))))


def _read(source: Path) -> ast.Module:
    try:
        return ast.parse(source.read_bytes(), str(source))
    except SyntaxError as error:
        raise click.ClickException(f"{source}:{error.lineno or 1}: {error.msg}") from None


def _return_literal(module: ast.Module) -> object:
    for node in module.body:
        if isinstance(node, ast.FunctionDef) and node.name == "deploy":
            *before, last = node.body
            if all(isinstance(each, ast.Expr) for each in before) and isinstance(last, ast.Return):
                return _literal(last.value)
    return None


def _literal(node: ast.expr | None) -> object:
    try:
        return None if node is None else ast.literal_eval(node)
    except (ValueError, TypeError):
        return None


def _function(
    package: str, area: str, class_name: str | None, name: str, metadata: _FunctionMetadata
) -> FunctionSpec:
    try:
        return FunctionSpec.model_validate(
            {
                "module": package,
                "class": class_name or None,
                "area": area,
                "methods": metadata.support_methods or METHODS,
                "type": metadata.type or "RequestResponse",
                "settings": metadata.settings or package,
                "auth_required": bool(metadata.is_auth_required),
                "graphql": bool(metadata.is_graphql),
                "operations": {
                    "query": tuple(_actions(metadata, ("query",))),
                    "mutation": tuple(_actions(metadata, _MUTATIONS)),
                },
            }
        )
    except ValidationError as error:
        raise _invalid(f"{package}: deploy() of {name!r}", error) from None


def _actions(metadata: _FunctionMetadata, kinds: tuple[str, ...]) -> Iterator[str]:
    """Return the operations of these kinds, each once."""
    names = (each.action for kind in kinds for each in getattr(metadata, kind) or ())
    yield from dict.fromkeys(names)
