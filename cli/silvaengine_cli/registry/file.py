"""``registry.yaml``, read and checked; each problem has its line."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import IO, Any, get_args, get_origin

import click
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from silvaengine_cli.closest import closest
from silvaengine_cli.registry.callables import missing_callables, packages_beside
from silvaengine_cli.registry.checks import Finding, findings
from silvaengine_cli.registry.document import Document, DocumentError, Path, Problem, read_document
from silvaengine_cli.registry.model import RegistrySpec
from silvaengine_cli.registry.signatures import undescribable

_MESSAGES = {
    "missing": "required field is missing",
    "bool_type": "must be true or false",
    "string_type": "must be text",
    "tuple_type": "must be a list",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
    "model_attributes_type": "must be a mapping",
}


class RegistryFileError(click.ClickException):
    """The file can't be applied; ``problems`` has all that is wrong with it, in the order of lines."""

    def __init__(self, name: str, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(problem.text(name) for problem in problems))
        self.name = name
        self.problems = problems

    def show(self, file: IO[Any] | None = None) -> None:
        """Print one line for each problem, in the form that editors jump to."""
        click.echo(self.message, file=file, err=file is None)


@dataclass(frozen=True, slots=True)
class RegistryFile:
    """A file without errors, and warnings about it."""

    spec: RegistrySpec
    warnings: tuple[Problem, ...] = ()


def load(path: FilePath, *, compare: bool = True, describe: bool = False) -> RegistryFile:
    """Read a registry file and, to compare its functions with them, the packages in whose folder it is.

    With ``describe`` the packages are imported, to find out whether typed functions can be described.

    Raises:
        RegistryFileError: as ``parse``, or a function isn't in the packages' sources or can't be described.
        ClickException: the file can't be read.
    """
    packages = packages_beside(path) if compare else None
    try:
        return parse(path.read_bytes(), str(path), packages, describe=describe)
    except OSError as error:
        raise click.ClickException(
            f"{path}: {error.strerror}; `silvaengine init NAME` makes a first one"
        ) from None


def parse(
    content: bytes,
    name: str = "registry.yaml",
    packages: FilePath | None = None,
    *,
    describe: bool = False,
) -> RegistryFile:
    """Read a registry from YAML of at most 4 MB; raise RegistryFileError if anything in it is wrong.

    With the folder of the worker's ``packages`` that includes functions which aren't in their sources and,
    with ``describe``, typed ones that can't be described.
    """
    document = opened(content, name)
    spec = validated(document, RegistrySpec, name)
    missing = missing_callables(spec.functions, packages) if packages else ()
    warnings = checked(document, (*findings(spec), *missing), name)
    if packages and describe:
        warnings += checked(document, undescribable(spec.functions, packages), name)
    return RegistryFile(spec, warnings)


def opened(content: bytes, name: str, cloudformation: Collection[str] = ()) -> Document:
    """Return a file's document, as ``read_document``; raise RegistryFileError if it is none."""
    try:
        return read_document(content, cloudformation)
    except DocumentError as error:
        raise RegistryFileError(name, (error.problem,)) from None


def validated[M: BaseModel](document: Document, model: type[M], name: str) -> M:
    """Return a document as its model; raise RegistryFileError for fields that the model refuses."""
    try:
        return model.model_validate(document.data)
    except ValidationError as error:
        problems = tuple(_problem(document, detail, model) for detail in error.errors())
        raise RegistryFileError(name, _by_line(document.problems + problems)) from None


def checked(document: Document, found: Iterable[Finding], name: str) -> tuple[Problem, ...]:
    """Return the warnings of what was found in a document; raise RegistryFileError if there are errors."""
    problems = tuple(_locate(document, finding) for finding in found)
    errors = document.problems + tuple(problem for problem in problems if not problem.warning)
    if errors:
        raise RegistryFileError(name, _by_line(errors))
    return _by_line(problems)


def _by_line(problems: tuple[Problem, ...]) -> tuple[Problem, ...]:
    return tuple(sorted(problems, key=lambda problem: problem.line))


def _locate(document: Document, finding: Finding) -> Problem:
    return Problem(document.line_of(finding.path), finding.path, finding.message, finding.warning)


def _problem(document: Document, detail: ErrorDetails, model: type[BaseModel]) -> Problem:
    path: Path = tuple(step for step in detail["loc"] if step != "[key]")
    return Problem(document.line_of(path), path, _message(detail, path, model))


def _message(detail: ErrorDetails, path: Path, model: type[BaseModel]) -> str:
    kind = detail["type"]
    if kind == "extra_forbidden":
        return f"unknown field{_suggestion(path, model)}"
    if kind == "value_error":
        return str(detail["ctx"]["error"])
    if kind == "literal_error":
        return f"must be one of {detail['ctx']['expected']}"
    return _MESSAGES.get(kind, str(detail["msg"]))


def _suggestion(path: Path, model: type[BaseModel]) -> str:
    fields = [field.alias or name for name, field in _model_around(path, model).model_fields.items()]
    return closest(str(path[-1]), fields) or f"; known are {', '.join(fields)}"


def _model_around(path: Path, model: type[BaseModel]) -> type[BaseModel]:
    """Return the model that a path's last step is a field of, from a file's ``model`` down."""
    steps = iter(path[:-1])
    for step in steps:
        fields = {field.alias or name: field.annotation for name, field in model.model_fields.items()}
        inner = _model_in(fields.get(str(step)))
        if inner is None:
            break
        if get_origin(fields[str(step)]) in (dict, tuple):
            next(steps, None)  # a name or an index
        model = inner
    return model


def _model_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)
