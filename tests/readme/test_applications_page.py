"""docs/applications.md and the model of silvaengine.toml."""

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from silvaengine_cli.project import Project, ProjectSpec, StageSpec

from .blocks import read_blocks
from .test_links import PROJECT

PAGE = (PROJECT / "docs/applications.md").read_text()


@pytest.mark.parametrize(
    ("model", "title"), [(ProjectSpec, "## silvaengine.toml"), (StageSpec, "### A stage")]
)
def test_each_member_is_listed(model: type[BaseModel], title: str) -> None:
    """A table has the members of a model, in their order."""
    section = re.split(r"^##+ ", PAGE.partition(f"{title}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
    assert re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE) == [*model.model_fields]


def test_the_example_is_a_file_that_is_read(tmp_path: Path) -> None:
    """It is valid, and has each member of a stage but those that follow from the rest."""
    (example,) = [block for block in read_blocks(PAGE) if block.language == "toml"]
    (tmp_path / "silvaengine.toml").write_text(example.text)
    prod = Project.find(tmp_path).stage("prod")
    assert (prod.stack, prod.region, prod.parameters["LogRetentionDays"]) == ("shop-prod", "eu-west-1", "90")
    assert prod.environment
    assert prod.settings
