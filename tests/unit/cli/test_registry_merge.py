from decimal import Decimal

import pytest

from silvaengine.tables import CONFIG_DATA, CONNECTIONS, ENDPOINTS, FUNCTIONS
from silvaengine_cli.registry.equality import same
from silvaengine_cli.registry.merge import beyond_file, merge
from silvaengine_cli.registry.rows import Row

WORKER = "arn:aws:lambda:us-east-1:123456789012:function:worker"


def entry(name: str, setting: str = "", **more: object) -> Row:
    """Return a connection's entry."""
    return {"aws_lambda_arn": WORKER, "function": name, "setting": setting, **more}


def connection(*entries: Row, **more: object) -> Row:
    """Return a common key row."""
    return {"endpoint_id": "1", "api_key": "#####", "functions": list(entries), **more}


CONFIG = {
    "module_name": "demo",
    "class_name": "",
    "funct_type": "RequestResponse",
    "methods": ["POST", "GET"],
    "setting": "",
    "auth_required": False,
    "graphql": False,
    "operations": {"query": [], "mutation": []},
}
FUNCTION = {"aws_lambda_arn": WORKER, "function": "hello", "area": "core", "config": CONFIG}


def test_a_default_that_the_row_leaves_out_is_no_difference() -> None:
    """A predecessor's short row means the same as ours with every default written out."""
    short = FUNCTION | {"config": {"module_name": "demo", "setting": None, "methods": []}}
    assert merge(FUNCTIONS, short, FUNCTION) == short
    assert merge(ENDPOINTS, {"endpoint_id": "a"}, {"endpoint_id": "a", "special_connection": False}) == {
        "endpoint_id": "a"
    }


def test_unknown_attributes_stay() -> None:
    """Neither a row's nor a configuration's unknown members are lost when something else changes."""
    existing = FUNCTION | {
        "code": 7,
        "config": CONFIG | {"label": "x", "operations": {"subscription": ["s"]}},
    }
    desired = FUNCTION | {
        "area": "admin",
        "config": CONFIG | {"operations": {"query": ["q"], "mutation": []}},
    }
    row = merge(FUNCTIONS, existing, desired)
    assert (row["area"], row["code"], row["config"]["label"]) == ("admin", 7, "x")
    assert row["config"]["operations"] == {"subscription": ["s"], "query": ["q"]}


def test_a_switch_can_be_turned_off_again() -> None:
    """False in the file overrides true in the row."""
    existing = FUNCTION | {"config": CONFIG | {"auth_required": True, "methods": ["GET"], "class_name": "A"}}
    assert merge(FUNCTIONS, existing, FUNCTION)["config"] == CONFIG


def test_a_right_that_the_file_drops_is_dropped_from_the_row() -> None:
    """What a row says about executions goes with its line in the file; what others wrote stays."""
    executions = {
        "broadcasts": True,
        "internal": True,
        "typed": True,
        "keep_empty": True,
        "mcp": True,
        "idempotency": "required",
        "on_lost": "retry",
        "max_attempts": 1,
    }
    existing = FUNCTION | {"config": CONFIG | executions | {"label": "x"}}
    desired = FUNCTION | {"config": CONFIG | {"on_lost": "retry"}}
    assert merge(FUNCTIONS, existing, desired)["config"] == CONFIG | {"on_lost": "retry", "label": "x"}


def test_a_right_that_is_off_is_no_difference() -> None:
    """The row may have the attribute or not."""
    existing = FUNCTION | {"config": CONFIG | {"broadcasts": False, "on_lost": None}}
    assert merge(FUNCTIONS, existing, FUNCTION) == existing


def test_another_callable_that_the_file_drops_is_dropped_from_the_row() -> None:
    """Without it the function calls its own name again."""
    existing = FUNCTION | {"config": CONFIG | {"function_name": "other"}}
    assert merge(FUNCTIONS, existing, FUNCTION) == FUNCTION


def test_a_rate_limit_is_replaced_whole() -> None:
    """Without a burst in the file the row has none; a limit that the file leaves out stays."""
    existing = {"endpoint_id": "a", "rate_limit": {"per_second": Decimal(5), "burst": 100}}
    desired = {"endpoint_id": "a", "special_connection": False, "rate_limit": {"per_second": Decimal(5)}}
    assert merge(ENDPOINTS, existing, desired)["rate_limit"] == {"per_second": 5}
    del desired["rate_limit"]
    assert merge(ENDPOINTS, existing, desired) == existing


def test_entries_that_the_file_does_not_name_stay() -> None:
    """Existing entries keep their order and are changed in place, new ones come last."""
    existing = connection(entry("old", note="x"), entry("hello"))
    row = merge(CONNECTIONS, existing, connection(entry("new"), entry("hello", "s")))
    assert row["functions"] == [entry("old", note="x"), entry("hello", "s"), entry("new")]
    assert beyond_file(existing, connection(entry("new"))) == ["old", "hello"]


def test_pruning_drops_entries_addresses_and_grants_that_the_file_does_not_name() -> None:
    """With prune a connection is what the file says."""
    existing = connection(entry("old"), entry("hello"), whitelist=["10.0.0.1", "10.0.0.2"], grants=["admin"])
    row = merge(CONNECTIONS, existing, connection(entry("hello"), whitelist=["10.0.0.2"]), prune=True)
    assert row == connection(entry("hello"), whitelist=["10.0.0.2"], grants=[])


def test_a_whitelist_that_the_file_leaves_out_stays_even_when_pruning() -> None:
    """An omission doesn't let everybody in; an explicit empty list does."""
    existing = connection(whitelist=["10.0.0.1"])
    assert merge(CONNECTIONS, existing, connection(), prune=True) == existing
    assert merge(CONNECTIONS, existing, connection(whitelist=[]), prune=True)["whitelist"] == []


def test_addresses_are_added_and_grants_are_as_the_file_says() -> None:
    """A whitelist only grows; grants are exactly those of the file, so that a line less is a grant less."""
    existing = connection(whitelist=["10.0.0.1"], grants=["admin", "jobs"])
    row = merge(CONNECTIONS, existing, connection(whitelist=["10.0.0.2"], grants=["jobs"]))
    assert row == connection(whitelist=["10.0.0.1", "10.0.0.2"], grants=["jobs"])
    assert beyond_file(existing, connection(whitelist=["10.0.0.2"])) == ["10.0.0.1"]


@pytest.mark.parametrize("nothing", [{}, {"whitelist": None}, {"whitelist": []}])
def test_an_absent_null_or_empty_whitelist_means_none(nothing: Row) -> None:
    """All three forms of the predecessor's rows are left as they are."""
    existing = {"endpoint_id": "1", "api_key": "#####", **nothing}
    assert merge(CONNECTIONS, existing, connection(whitelist=[])) == existing


def test_of_two_entries_with_one_name_only_the_first_is_changed() -> None:
    """The first is the one that counts for requests."""
    existing = connection(entry("a", "1"), entry("a", "2"))
    assert merge(CONNECTIONS, existing, connection(entry("a", "3")), prune=True)["functions"] == [
        entry("a", "3"),
        entry("a", "2"),
    ]


def test_settings_are_replaced_whole() -> None:
    """A value is one thing: members that the file doesn't name go."""
    row = {"setting_id": "a", "variable": "b", "value": {"x": 1, "y": 2}, "note": "n"}
    desired = {"setting_id": "a", "variable": "b", "value": {"x": 1}}
    assert merge(CONFIG_DATA, row, desired) == row | {"value": {"x": 1}}


@pytest.mark.parametrize(
    ("left", "right", "alike"),
    [
        (1, Decimal("1.0"), True),
        (True, 1, False),
        (False, Decimal(0), False),
        (None, "", False),
        ([1, {"a": [Decimal("0.5")]}], [1, {"a": [Decimal("0.50")]}], True),
        ([1], [1, 2], False),
        ({"a": 1}, {"b": 1}, False),
        ("1", 1, False),
        ({"a"}, {"a"}, True),
    ],
)
def test_json_values_are_compared_as_json(left: object, right: object, alike: bool) -> None:
    """Numbers are compared by value, true is not 1, text is not a number."""
    assert same(left, right) is alike
