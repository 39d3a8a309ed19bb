"""An application's folder: its parts, and what ``silvaengine.toml`` says of its stack and stages.

``docs/applications.md`` is the reference. A clone of the repository is an application, too.
"""

import shlex
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, time
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import click
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict

from silvaengine_cli.closest import closest
from silvaengine_cli.packages import PACKAGES_FOLDER, PROJECT_FILE, functions_folder
from silvaengine_cli.platform_sources import application_folder, is_clone, platform_file, platform_sources
from silvaengine_cli.registry import values
from silvaengine_cli.registry.document import Document, path_text
from silvaengine_cli.registry.file import RegistryFileError, validated

CLONES_STACK = "silvaengine"
LOCAL_STAGE = "dev"

MAX_STACK_NAME = 47  # the functions' names begin with it and end at 64

type Parameters = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Stage:
    """A deployment of an application.

    Args:
        name: its name, which is the template's parameter Stage, too.
        stack: name of the CloudFormation stack on AWS.
        region: its region, None for boto3's default.
        parameters: the template's, those of every stage included.
        environment: variables of all packages, over those of their ``package.yaml``.
        settings: variables by setting, over those of ``registry.yaml``.
    """

    name: str
    stack: str
    region: str | None = None
    parameters: Parameters = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Project:
    """An application, in a ``folder`` of its own or in a clone; ``region`` is None for boto3's default."""

    folder: Path
    stack: str
    region: str | None
    stages: Mapping[str, Stage]

    @staticmethod
    def find(start: Path) -> "Project":
        """Return the application in a folder or the nearest one above.

        Raises:
            ClickException: there is none, or its ``silvaengine.toml`` is wrong.
        """
        if project := find_application(start):
            return project
        raise click.ClickException(
            f"no {PROJECT_FILE} here or above: `silvaengine new NAME` makes an application"
        )

    def stage(self, name: str) -> Stage:
        """Return a stage; raise UsageError if there is none of this name."""
        if name not in self.stages:
            hint = closest(name, self.stages) or f"; there are {', '.join(self.stages) or 'none'}"
            raise click.UsageError(f"{self.folder}: there is no stage {name!r}{hint}")
        return self.stages[name]

    @property
    def local(self) -> Stage:
        """The stage that `silvaengine dev` runs."""
        if is_clone(self.folder):
            return self.stages.get("local") or Stage("local", CLONES_STACK)
        return self.stages[LOCAL_STAGE]

    @property
    def functions(self) -> Path:
        """The folder of functions that ship with the worker; it needn't be there."""
        return functions_folder(self.folder)

    @property
    def registry(self) -> Path:
        """The registry's file; it needn't be there."""
        return (self.functions if is_clone(self.folder) else self.folder) / "registry.yaml"

    @property
    def packages(self) -> Path:
        """The folder of packages that are published; it needn't be there."""
        return self.folder / PACKAGES_FOLDER

    def platform(self) -> Path:
        """Return the folder with the platform's sources, up to date; see ``platform_sources``."""
        return platform_sources(self.folder)


def find_application(start: Path) -> Project | None:
    """Return the application in a folder or the nearest one above, None without.

    Raises:
        ClickException: its ``silvaengine.toml`` is wrong.
    """
    folder = application_folder(start)
    return _read_project(folder) if folder else None


def _read_project(folder: Path) -> Project:
    if is_clone(folder):
        return Project(folder, CLONES_STACK, None, _sam_stages(folder))
    spec = _read_spec(folder / PROJECT_FILE)
    stages = {LOCAL_STAGE: StageSpec(), **spec.stages}
    own = {name: _stage(folder / PROJECT_FILE, spec, name, stage) for name, stage in stages.items()}
    return Project(folder, spec.stack, spec.region, own)


def _parameter(value: object) -> str:
    """Return a template parameter's value as CloudFormation takes it; a list is one with commas."""
    match value:
        case bool():
            return str(value).lower()
        case str() | int() | float() | Decimal():
            return str(value)
        case list() if all(isinstance(each, str | int) for each in value):
            return ",".join(map(str, value))
    raise ValueError("must be text, a number, true, false or a list of texts")


def _json(value: object) -> object:
    """Refuse what TOML has and JSON, as which a setting is passed on, doesn't."""
    match value:
        case date() | time():
            raise ValueError("must be text in quotes: a setting has no dates")
        case Decimal() if not value.is_finite():
            raise ValueError("must be a finite number")
        case dict() | list():
            for each in value.values() if isinstance(value, dict) else value:
                _json(each)
    return value


_Text = Annotated[str, BeforeValidator(_parameter)]
_Json = Annotated[Any, AfterValidator(_json)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StageSpec(_Section):
    """A stage; what it leaves out follows from its name and the file's head."""

    stack: values.StackName | None = None
    region: values.Region | None = None
    parameters: dict[str, _Text] = {}
    schedules: dict[values.ScheduleLabel, values.ScheduleExpression] = {}
    environment: dict[values.EnvironmentName, _Text] = {}
    settings: dict[values.SettingId, dict[values.Variable, _Json]] = {}


class ProjectSpec(_Section):
    """The whole file."""

    stack: values.StackName
    region: values.Region | None = None
    stages: dict[values.Stage, StageSpec] = {}


def _read_spec(path: Path) -> ProjectSpec:
    try:
        data = tomllib.loads(path.read_text("utf-8-sig"), parse_float=Decimal)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{path}: {error}") from None
    try:
        spec = validated(Document(data), ProjectSpec, str(path))
    except RegistryFileError as error:  # a table has no line
        lines = (f"{path}: {path_text(each.path)}: {each.message}" for each in error.problems)
        raise click.ClickException("\n".join(lines)) from None
    _check_parameters(path, spec)
    return spec


def _check_parameters(path: Path, spec: ProjectSpec) -> None:
    """Raise ClickException for a parameter that the template doesn't take, or not with its value."""
    from silvaengine_cli.preflight.template import declared_in, parameters_of

    template = declared_in(platform_file("template.yaml"), "Parameters", "Rules")
    for name, stage in spec.stages.items():
        place = f"{path}: stages.{name}.parameters"
        if "Stage" in stage.parameters:
            raise click.ClickException(f"{place}.Stage: is the stage's name, {name!r}; leave it out")
        if "EventSchedules" in stage.parameters:
            raise click.ClickException(f"{place}.EventSchedules: is made of stages.{name}.schedules")
        try:
            parameters_of(template, stage.parameters)
        except ValueError as error:
            raise click.ClickException(f"{place}: {error}") from None


def _stage(path: Path, spec: ProjectSpec, name: str, stage: StageSpec) -> Stage:
    stack = stage.stack or f"{spec.stack}-{name}"
    if len(stack) > MAX_STACK_NAME:
        raise click.ClickException(
            f"{path}: stages.{name}.stack: {stack!r} has more than {MAX_STACK_NAME} characters"
        )
    own = {"Stage": name, "TablePrefix": f"{stack}-"}  # two stages of an account share no table
    if stage.schedules:  # a list's commas are between its entries
        entries = (f"{each}={when.replace(',', ';')}" for each, when in stage.schedules.items())
        own["EventSchedules"] = ",".join(entries)
    return Stage(
        name,
        stack,
        stage.region or spec.region,
        {**own, **stage.parameters},
        stage.environment,
        stage.settings,
    )


def _sam_stages(clone: Path) -> Mapping[str, Stage]:
    """Return a clone's environments of samconfig.toml."""
    path = clone / "samconfig.toml"
    config = tomllib.loads(path.read_text()) if path.is_file() else {}
    return {name: _sam_stage(name, each) for name, each in config.items() if isinstance(each, dict)}


def _sam_stage(name: str, sections: Mapping[str, Any]) -> Stage:
    shared, own = (sections.get(each, {}).get("parameters", {}) for each in ("global", "deploy"))
    overrides = own.get("parameter_overrides", [])
    if isinstance(overrides, str):  # as `sam deploy --guided` writes them
        overrides = shlex.split(overrides)
    return Stage(name, shared.get("stack_name", CLONES_STACK), own.get("region"), parameters_given(overrides))


def parameters_given(given: Iterable[str]) -> dict[str, str]:
    """Return template parameters by name; raise UsageError for a text that isn't NAME=VALUE."""
    return dict(_pair(each) for each in given)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise click.UsageError(f"--parameter is NAME=VALUE, not {text!r}")
    return name, value
