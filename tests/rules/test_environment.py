"""Environment variables: what the code reads is documented, and set by the template or said to be by hand."""

import re
from collections.abc import Callable

from silvaengine_cli.preflight.template import Resources

from .conftest import ALWAYS, PROJECT, TEMPLATE
from .test_surface import ENVIRONMENT

TABLE_ROW = re.compile(r"^\| (`[^|]*) \|", re.MULTILINE)
VARIABLE = re.compile(r"`([A-Z][A-Z0-9_]+[A-Z0-9])`")
BY_HAND = "by hand"


def documented() -> tuple[set[str], set[str]]:
    """Return the variables of the contract's tables, and those that it says are set by hand."""
    page = (PROJECT / "docs/contract.md").read_text()
    section = page.partition("## Environment variables")[2].partition("\n## ")[0]
    (by_hand,) = (line for line in section.splitlines() if BY_HAND in line)
    variables = VARIABLE.findall(" ".join(TABLE_ROW.findall(section)))
    return set(variables), set(VARIABLE.findall(by_hand))


def set_by_template() -> set[str]:
    """Return the variables that some function of the template has."""
    functions = [
        TEMPLATE["Globals"]["Function"],
        *(TEMPLATE["Resources"][name]["Properties"] for name in ALWAYS),
    ]
    return {name for each in functions for name in each.get("Environment", {"Variables": {}})["Variables"]}


def test_a_variable_that_is_read_is_documented() -> None:
    """The contract has what ``test_surface`` knows to be read, but for Lambda's own region."""
    assert ENVIRONMENT.keys() - documented()[0] == {"AWS_REGION", "REDIS_DB_METHOD"}


def test_a_documented_variable_is_set_by_the_template_or_by_hand() -> None:
    """An operator who looks for the parameter of a variable finds it, or the word that there is none."""
    variables, by_hand = documented()
    assert variables - set_by_template() == by_hand
    assert set_by_template() <= variables


def test_unbound_tables_have_a_tenant(resources_with: Callable[..., Resources]) -> None:
    """``EventStreamEndpointId`` is the predecessor's variable."""
    variables = resources_with(EventStreamEndpointId="acme")["Tasks"]["Properties"]["Environment"][
        "Variables"
    ]
    assert variables["DYNAMODBSTREAMENDPOINTID"] == "acme"
