"""What a package's ``deploy()`` says about its functions, as functions of the registry."""

import ast
import sys
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import click
from pydantic import ValidationError

from silvaengine_cli.registry.model import METHODS, Function

_MUTATIONS = ("mutation", "create", "update", "delete")


def read_metadata(folder: Path, package: str) -> list[Mapping[str, Any]]:
    """Give what ``deploy()`` returns: from the source when that is plain data, else by calling it.

    Args:
        folder: where the package stands.
        package: its name.

    Raises:
        ClickException: there is no such package or function, or it can't be imported here.
    """
    source = next(
        (path for path in (folder / package / "__init__.py", folder / f"{package}.py") if path.is_file()),
        None,
    )
    if source is None:
        raise click.ClickException(f"{folder} has no package {package!r}")
    literal = _returned_literal(ast.parse(source.read_text("utf-8"), str(source)))
    return _called(folder, package) if literal is None else literal


def functions_of(package: str, area: str, metadata: list[Mapping[str, Any]]) -> dict[str, Function]:
    """Give the registry's functions by name; raises ClickException for what the registry can't hold."""
    return {
        name: _function(package, area, service.get("class"), name, given)
        for service in metadata
        for name, given in service["functions"].items()
    }


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
    except ValueError:
        return None


def _called(folder: Path, package: str) -> list[Mapping[str, Any]]:
    sys.path.insert(0, str(folder.resolve()))
    try:
        answer: list[Mapping[str, Any]] = import_module(package).deploy()
    except (ImportError, AttributeError) as error:
        raise click.ClickException(f"deploy() of {package} can't be called here: {error}") from None
    finally:
        sys.path.remove(str(folder.resolve()))
    return answer


def _function(
    package: str, area: str, class_name: str | None, name: str, given: Mapping[str, Any]
) -> Function:
    try:
        return Function.model_validate(
            {
                "module": package,
                "class": class_name or None,
                "area": area,
                "methods": tuple(given.get("support_methods") or METHODS),
                "type": given.get("type") or "RequestResponse",
                "settings": given.get("settings") or package,
                "auth_required": bool(given.get("is_auth_required", False)),
                "graphql": bool(given.get("is_graphql", True)),
                "operations": {
                    "query": tuple(_actions(given, ("query",))),
                    "mutation": tuple(_actions(given, _MUTATIONS)),
                },
            }
        )
    except ValidationError as error:
        problem = error.errors()[0]
        place = ".".join(map(str, problem["loc"]))
        raise click.ClickException(f"{package}: deploy() of {name!r}: {place}: {problem['msg']}") from None


def _actions(given: Mapping[str, Any], kinds: tuple[str, ...]) -> Iterator[str]:
    """Give the flat names of these kinds, each once."""
    names = (each["action"] for kind in kinds for each in given.get(kind) or ())
    yield from dict.fromkeys(names)
