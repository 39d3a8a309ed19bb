"""A package to be published: its folder and what ``package.yaml`` in it says, read and checked.

Its functions are ``registry.yaml``'s; environment, resources and permissions are CloudFormation's own words,
short functions (``!Ref Orders``) included.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import click

from silvaengine_cli.descriptions import Descriptions
from silvaengine_cli.packages import PACKAGE_FILE
from silvaengine_cli.project import find_application
from silvaengine_cli.publishing.model import PackageSpec
from silvaengine_cli.registry.callables import missing_callables
from silvaengine_cli.registry.checks import Finding
from silvaengine_cli.registry.document import Document, Problem
from silvaengine_cli.registry.file import checked, opened, validated
from silvaengine_cli.registry.routes import route_conflicts
from silvaengine_cli.registry.rows import function_config
from silvaengine_cli.registry.signatures import undescribable, unfit

DEFAULT_STAGE = "default"  # of variables that every stage has
_CLOUDFORMATION = ("environment", "resources", "permissions")


@dataclass(frozen=True)
class Package:
    """A package as its folder has it; ``warnings`` are oddities with which it can be published."""

    folder: Path
    spec: PackageSpec
    document: Document
    warnings: tuple[Problem, ...] = ()

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Read a package's folder.

        Raises:
            RegistryFileError: something in its ``package.yaml`` is wrong; each problem has its line.
            ClickException: there is no such file, or it can't be read.
        """
        path = folder / PACKAGE_FILE
        try:
            content = path.read_bytes()
        except OSError as error:
            raise click.ClickException(f"{path}: {error.strerror}") from None
        document = opened(content, str(path), _CLOUDFORMATION)
        spec = validated(document, PackageSpec, str(path))
        found = (*missing_callables(spec.functions, folder), *_route_findings(spec))
        warnings = checked(document, found, str(path))
        return cls(folder, spec, document, warnings)

    @property
    def name(self) -> str:
        """The package's name."""
        return self.spec.package

    @property
    def application(self) -> Path:
        """The folder of the application: the one with `packages/`, in which the package's folder is."""
        return self.folder.resolve().parents[1]

    @property
    def file(self) -> str:
        """The path of its ``package.yaml``."""
        return str(self.folder / PACKAGE_FILE)

    @property
    def is_isolated(self) -> bool:
        """Whether each tenant has execution environments of its own."""
        return self.spec.isolation == "tenant"

    def environment(self, stage: str) -> dict[str, Any]:
        """Return the variables of a stage, the application's for all packages included.

        A value is text or a function of CloudFormation.

        Raises:
            ClickException: the application's ``silvaengine.toml`` is wrong.
        """
        stages, application = self.spec.environment, find_application(self.application)
        shared = application.stages.get(stage) if application else None
        variables = {
            **stages.get(DEFAULT_STAGE, {}),
            **stages.get(stage, {}),
            **(shared.environment if shared else {}),
        }
        return {name: value if isinstance(value, dict) else _text(value) for name, value in variables.items()}

    def check_signatures(self) -> tuple[Problem, ...]:
        """Return warnings about the signatures of its typed functions, whose modules are imported for it.

        Raises:
            RegistryFileError: one can't be described; each problem has its line.
        """
        found = undescribable(self.spec.functions, self.folder, typed=self.spec.typed)
        return checked(self.document, found, self.file)

    def unfit(self, described: Descriptions) -> Iterator[Finding]:
        """Yield what is wrong with its typed functions, by what they say of themselves."""
        yield from unfit(self.spec.functions, described, typed=self.spec.typed)

    def check(self, found: Iterable[Finding]) -> None:
        """Raise RegistryFileError, with a line for each, if something was found in the file."""
        checked(self.document, found, self.file)


def _route_findings(spec: PackageSpec) -> Iterator[Finding]:
    routes = {name: function.route for name, function in spec.functions.items()}
    for name, message in route_conflicts(routes):
        yield Finding(("functions", name, "route"), message)


def functions_text(package: Package) -> str:
    """Return what a release says of its functions, as the JSON text that its digest is of."""
    default = dict.fromkeys(("typed", "keep_empty"), package.spec.typed)
    if package.spec.mcp:
        default["mcp"] = True
    functions = {
        name: {"area": function.area, "config": {**default, **function_config(name, function)}}
        for name, function in package.spec.functions.items()
    }
    return json.dumps(functions, sort_keys=True, separators=(",", ":"))


def _text(value: object) -> str:
    return json.dumps(value) if isinstance(value, bool) else str(value)
