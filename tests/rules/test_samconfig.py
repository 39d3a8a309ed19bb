"""The environments of samconfig.toml fit the template and one another."""

import tomllib
from typing import Any

import pytest
from samcli.yamlhelper import yaml_parse

from .conftest import PROJECT

CONFIG = tomllib.loads((PROJECT / "samconfig.toml").read_text())
PARAMETERS: dict[str, Any] = yaml_parse((PROJECT / "template.yaml").read_text())["Parameters"]


def overrides(environment: str) -> dict[str, str]:
    """Return the template's parameters as an environment sets them."""
    pairs = CONFIG[environment]["deploy"]["parameters"].get("parameter_overrides", [])
    return dict(pair.split("=", 1) for pair in pairs)


@pytest.mark.parametrize("environment", ["dev", "prod", "local"])
def test_an_environment_deploys_the_template(environment: str) -> None:
    """Each environment says what the transforms and the roles need, and sets parameters that exist."""
    deploy = CONFIG[environment]["deploy"]["parameters"]
    assert CONFIG[environment]["global"]["parameters"]["language_extensions"] is True
    assert deploy["capabilities"] == ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
    assert overrides(environment).keys() <= PARAMETERS.keys()


def test_prod_is_where_the_predecessors_tables_are() -> None:
    """Stage and table names of prod are the contract's; it asks before it changes anything."""
    assert overrides("prod")["Stage"] == PARAMETERS["Stage"]["Default"] == "beta"
    assert "TablePrefix" not in overrides("prod")
    assert PARAMETERS["TablePrefix"]["Default"] == "se-"
    assert CONFIG["prod"]["deploy"]["parameters"]["confirm_changeset"] is True


def test_dev_shares_nothing_with_prod_and_leaves_nothing() -> None:
    """In one account dev has its own tables, which go with its stack, so that it can be made again."""
    assert CONFIG["dev"]["global"]["parameters"]["stack_name"] == "silvaengine-dev"
    assert CONFIG["prod"]["global"]["parameters"]["stack_name"] == "silvaengine-prod"
    assert overrides("dev")["TablePrefix"] == "dev-se-"
    assert overrides("dev")["TablesDeletionPolicy"] == "Delete"
    assert "TablesDeletionPolicy" not in overrides("prod")
    assert PARAMETERS["TablesDeletionPolicy"]["Default"] == "Retain"


def test_prod_writes_access_logs() -> None:
    """Elsewhere an account may lack the role for them, without which a deployment fails."""
    assert overrides("prod")["AccessLogs"] == "true"
    assert PARAMETERS["AccessLogs"]["Default"] == "false"
