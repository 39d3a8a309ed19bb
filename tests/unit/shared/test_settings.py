import logging
import re
from pathlib import Path

import pytest

from silvaengine.errors import ConfigurationError
from silvaengine.settings import Settings


def test_an_empty_environment_gives_the_contract_defaults() -> None:
    """Without a variable the specification's defaults hold."""
    settings = Settings.from_environment({})
    assert (settings.region, settings.stage, settings.table_prefix) == ("us-east-1", "beta", "se-")
    assert settings.log_level == logging.INFO
    assert settings.full_event_areas == frozenset()
    assert settings.sns_topic_arn is None


def test_an_empty_variable_counts_as_absent() -> None:
    """CloudFormation passes empty parameters as empty variables."""
    assert Settings.from_environment({"STAGE": "", "SNSTOPICARN": ""}) == Settings()


@pytest.mark.parametrize("text", ["DEBUG", "logging.DEBUG", "debug"])
def test_the_log_level_is_taken_in_the_old_form_too(text: str) -> None:
    """``logging.DEBUG`` is what existing deployments set."""
    assert Settings.from_environment({"LOGGINGLEVEL": text}).log_level == logging.DEBUG


def test_areas_are_trimmed() -> None:
    """Spaces around an area's name do not count."""
    assert Settings.from_environment({"FULL_EVENT_AREAS": " admin , debug,"}).full_event_areas == {
        "admin",
        "debug",
    }


@pytest.mark.parametrize(
    ("environ", "path"),
    [
        ({"EFSMOUNTPOINT": "/mnt", "PYTHONPACKAGESPATH": "packages"}, "/mnt/packages"),
        ({"PYTHONPACKAGESPATH": "/packages"}, "/packages"),
        ({"EFSMOUNTPOINT": "/mnt"}, "/mnt/"),
        ({}, None),
    ],
)
def test_the_packages_folder_is_joined(environ: dict[str, str], path: str | None) -> None:
    """Mount point and path name one folder together."""
    assert Settings.from_environment(environ).packages_path == path


@pytest.mark.parametrize(
    ("name", "value"),
    [("LOGGINGLEVEL", "LOUD"), ("REGISTRY_REFRESH_SECONDS", "soon"), ("REGISTRY_TTL_SECONDS", "-1")],
)
def test_a_wrong_value_is_named_in_the_detail_only(name: str, value: str) -> None:
    """The operator reads the variable's name in the log, a client does not."""
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_environment({name: value})
    assert name in caught.value.detail
    assert name not in caught.value.message


def test_every_variable_stands_in_the_contract() -> None:
    """What can be set is documented, and nothing else is asked for."""
    project = Path(__file__).parents[3]
    asked = set(re.findall(r'"([A-Z][A-Z_]+)"', (project / "shared/silvaengine/settings.py").read_text()))
    documented = (project / "docs/contract.md").read_text()
    assert {name for name in asked - {"INFO"} if f"`{name}`" not in documented} == set()
