"""docs/registry.md and the model of registry.yaml."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

import pytest
import yaml
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from silvaengine.registry.policy import ExecutionPolicy
from silvaengine.tables import EVENTS_SETTING_ID, STREAMS_SETTING_ID
from silvaengine_cli.registry.file import parse
from silvaengine_cli.registry.model import (
    BindingSpec,
    ConnectionSpec,
    EndpointSpec,
    EntrySpec,
    FunctionSpec,
    OperationsSpec,
    PackageEntrySpec,
    RateLimitSpec,
    RegistrySpec,
)
from silvaengine_cli.registry.rows import all_rows

from .blocks import read_blocks
from .test_links import PROJECT

PAGE = (PROJECT / "docs/registry.md").read_text()
SECTIONS: Mapping[type[BaseModel], str] = {
    RegistrySpec: "The file",
    EndpointSpec: "endpoints",
    RateLimitSpec: "rate_limit",
    FunctionSpec: "functions",
    OperationsSpec: "operations",
    BindingSpec: "events",
    ConnectionSpec: "connections",
    EntrySpec: "entries",
    PackageEntrySpec: "packages",
}


def test_each_part_of_the_file_has_a_section() -> None:
    """A new model is a new section of the page."""
    (base,) = RegistrySpec.__bases__
    assert set(base.__subclasses__()) == set(SECTIONS)


@pytest.mark.parametrize("model", SECTIONS, ids=lambda model: model.__name__)
def test_each_member_is_listed_with_its_default(model: type[BaseModel]) -> None:
    """A table has the model's members, in their order; a default that the model has is the page's."""
    listed = {name: default for name, _, default, _ in _rows(SECTIONS[model])}
    assert list(listed) == [field.alias or name for name, field in model.model_fields.items()]
    for name, field in model.model_fields.items():
        default = listed[field.alias or name]
        assert (default == "required") == (field.default is PydanticUndefined), name
        if isinstance(field.default, str | bool | tuple | dict):
            value = yaml.safe_load(default.strip("`"))
            expected = list(field.default) if isinstance(field.default, tuple) else field.default
            assert value == expected, name


def test_defaults_of_the_running_system_are_listed() -> None:
    """What a file leaves out and the services fill in is as they do."""
    listed = {name: default.strip("`") for name, _, default, _ in _rows("functions")}
    for name, value in ExecutionPolicy()._asdict().items():
        assert name == "on_lost" or listed[name] == str(value)


@pytest.mark.parametrize("model", SECTIONS, ids=lambda model: model.__name__)
def test_the_example_has_each_member(model: type[BaseModel]) -> None:
    """The page's first block is a valid file, without a warning, in which every member is set."""
    registry = parse(next(block for block in read_blocks(PAGE) if block.language == "yaml").text.encode())
    assert registry.warnings == ()
    assert _used_members([registry.spec])[model] == model.model_fields.keys()


def test_attributes_that_have_another_name_are_listed() -> None:
    """Each of the example's rows is a member's of that name, or listed; nothing is listed that no row has."""
    members = {field.alias or name for model in SECTIONS for name, field in model.model_fields.items()}
    settings = {name for variables in _example().settings.values() for name in variables}
    attributes = {name for _, row in all_rows(_example(), "stack-Worker") for name in _attributes(row)}
    lines = [line for line in _section("Rows").splitlines() if line.startswith("| ")][2:]
    listed = set(re.findall(r"`([a-z_]+)`", "".join(line.split(" | ")[2] for line in lines)))
    assert attributes - settings - members <= listed
    assert listed - {"own", EVENTS_SETTING_ID, STREAMS_SETTING_ID} <= attributes


def _attributes(value: object) -> Iterator[str]:
    """Return the names of a row's attributes, and of those within."""
    for name, member in value.items() if isinstance(value, dict) else ():
        yield name
        yield from _attributes(member)
    for member in value if isinstance(value, list) else ():
        yield from _attributes(member)


def _example() -> RegistrySpec:
    return parse(next(block for block in read_blocks(PAGE) if block.language == "yaml").text.encode()).spec


def _section(title: str) -> str:
    sections = re.split(r"^## (.+)\n", PAGE, flags=re.MULTILINE)
    return sections[sections.index(title) + 1]


def _rows(title: str) -> Iterator[list[str]]:
    """Return the rows of the table in a section, each a list of its cells; the first is a name."""
    for line in re.findall(r"^\| `.+ \|$", _section(title), re.MULTILINE):
        name, *cells = line.strip("| ").split(" | ")
        yield [name.strip("`"), *cells]


def _used_members(values: Iterable[object]) -> dict[type[BaseModel], set[str]]:
    """Return the members that are set in values, their members and so on, by model."""
    used: dict[type[BaseModel], set[str]] = defaultdict(set)
    pending = list(values)
    while pending:
        value = pending.pop()
        if isinstance(value, BaseModel):
            used[type(value)] |= value.model_fields_set
            pending += [member for _, member in value]
        elif isinstance(value, dict):
            pending += value.values()
        elif isinstance(value, tuple):
            pending += value
    return used
