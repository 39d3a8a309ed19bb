"""The registry file against real tables: plan, conditional writing, pruning, export, and their commands."""

import json
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from silvaengine.aws.backoff import Backoff
from silvaengine.aws.table_client import UnprocessedError
from silvaengine.tables import CONFIG_DATA, CONNECTIONS, ENDPOINTS, FUNCTIONS, GENERATION_KEY, Table
from silvaengine_cli.api_keys import find_unrestricted_keys
from silvaengine_cli.main import cli
from silvaengine_cli.registry import tables as registry_tables
from silvaengine_cli.registry.apply import ConflictError, apply_file, carry_out
from silvaengine_cli.registry.export import export
from silvaengine_cli.registry.file import load, parse
from silvaengine_cli.registry.plan import make_plan
from silvaengine_cli.registry.tables import RegistryTables

WORKER = "arn:aws:lambda:us-east-1:123456789012:function:worker"
OTHER = "arn:aws:lambda:us-east-1:123456789012:function:other"
REGISTRY = """\
endpoints:
  demo:
  acme: {connection: own}
functions:
  hello: {module: demo, class: Greetings, area: core, methods: [GET], settings: demo}
  report: {module: demo.reports, area: core, type: Event, operations: {query: [a]}, graphql: true}
connections:
  - functions: [hello, {function: report, settings: demo}]
  - endpoint: acme
    api_key: acme-secret-key
    functions: [hello]
    whitelist: [203.0.113.0/24]
    grants: ["cache:admin"]
settings:
  demo:
    greeting: Hello
    limit: 0.1
    big: 12345678901234567890123456789012345678
    nested: {a: [1, null, true]}
"""

type Apply = Callable[..., tuple[str, ...]]


def row(tables: RegistryTables, table: Table, *key: str) -> dict[str, Any]:
    """Read one row."""
    return tables.read(table, [key])[key]


def generation(tables: RegistryTables) -> int:
    """Read how often the registry has changed."""
    key = CONFIG_DATA.key_of(GENERATION_KEY)
    return int(tables.read(CONFIG_DATA, [key]).get(key, {"value": 0})["value"])


def test_a_file_becomes_the_contracts_rows(apply: Apply, tables: RegistryTables) -> None:
    """Each section fills its table, with fixed attributes and revision 1; rows come after those they name."""
    assert apply(REGISTRY) == (
        "create configdata demo / greeting",
        "create configdata demo / limit",
        "create configdata demo / big",
        "create configdata demo / nested",
        "create functions worker / hello",
        "create functions worker / report",
        "create connections 1 / #####",
        "create connections acme / acme…",
        "create endpoints demo",
        "create endpoints acme",
    )
    assert row(tables, FUNCTIONS, WORKER, "hello") == {
        "aws_lambda_arn": WORKER,
        "function": "hello",
        "area": "core",
        "config": {
            "module_name": "demo",
            "class_name": "Greetings",
            "funct_type": "RequestResponse",
            "methods": ["GET"],
            "setting": "demo",
            "auth_required": False,
            "graphql": False,
            "operations": {"query": [], "mutation": []},
        },
        "revision": 1,
    }
    assert row(tables, CONNECTIONS, "acme", "acme-secret-key") == {
        "endpoint_id": "acme",
        "api_key": "acme-secret-key",
        "functions": [{"aws_lambda_arn": WORKER, "function": "hello", "setting": ""}],
        "whitelist": ["203.0.113.0/24"],
        "grants": ["cache:admin"],
        "revision": 1,
    }
    assert row(tables, ENDPOINTS, "acme") == {
        "endpoint_id": "acme",
        "special_connection": True,
        "revision": 1,
    }
    assert row(tables, CONFIG_DATA, "demo", "limit")["value"] == Decimal("0.1")
    assert row(tables, CONFIG_DATA, "demo", "big")["value"] == Decimal(
        "12345678901234567890123456789012345678"
    )
    assert generation(tables) == 1


def test_a_function_may_call_another_name(apply: Apply, tables: RegistryTables) -> None:
    """The row says which only where it is another one, so that rows that are there stay as they are."""
    text = "functions:\n  a: {call: 'shop.orders:Orders.place', area: b}\n  b: {call: 'shop:b', area: b}\n"
    apply(text)
    place, same_name = (row(tables, FUNCTIONS, WORKER, name)["config"] for name in "ab")
    assert (place["module_name"], place["class_name"]) == ("shop.orders", "Orders")
    assert place["function_name"] == "place"
    assert (same_name["module_name"], same_name["class_name"]) == ("shop", "")
    assert "function_name" not in same_name
    assert "call: 'shop.orders:Orders.place'" in export(tables, WORKER).text
    assert apply(export(tables, WORKER).text, prune=True) == ()


def test_a_second_apply_does_nothing(apply: Apply, tables: RegistryTables) -> None:
    """A second apply writes no row, and not even the generation moves."""
    apply(REGISTRY)
    assert apply(REGISTRY) == ()
    assert generation(tables) == 1


def test_a_change_writes_its_row_alone(apply: Apply, tables: RegistryTables) -> None:
    """One row gets its next revision, and running instances are told."""
    apply(REGISTRY)
    assert apply(REGISTRY.replace("greeting: Hello", "greeting: Hi")) == (
        "update configdata demo / greeting",
    )
    assert row(tables, CONFIG_DATA, "demo", "greeting")["revision"] == 2
    assert row(tables, CONFIG_DATA, "demo", "limit")["revision"] == 1
    assert generation(tables) == 2


def test_of_two_operators_the_second_is_refused(tables: RegistryTables) -> None:
    """A row that changed since the plan was made is named and kept; the generation rises for the others."""
    carry_out(make_plan(parse(REGISTRY.encode()).spec, tables, WORKER), tables)
    second = REGISTRY.replace("module: demo,", "module: mine,").replace("greeting: Hello", "greeting: Mine")
    plan = make_plan(parse(second.encode()).spec, tables, WORKER)
    first = REGISTRY.replace("module: demo,", "module: theirs,")
    carry_out(make_plan(parse(first.encode()).spec, tables, WORKER), tables)
    with pytest.raises(ConflictError, match=r"functions worker / hello was changed .*Written before it: 1"):
        carry_out(plan, tables)
    assert row(tables, FUNCTIONS, WORKER, "hello")["config"]["module_name"] == "theirs"
    assert row(tables, CONFIG_DATA, "demo", "greeting")["value"] == "Mine"
    assert generation(tables) == 3


def test_of_two_operators_who_create_the_same_row_the_second_is_refused(tables: RegistryTables) -> None:
    """A row that wasn't there when the plan was made may not be there when it is written."""
    spec = parse(b"endpoints: {a: }").spec
    plan = make_plan(spec, tables, WORKER)
    carry_out(make_plan(spec, tables, WORKER), tables)
    with pytest.raises(ConflictError, match="endpoints a was changed"):
        carry_out(plan, tables)
    assert generation(tables) == 1


def test_a_row_that_another_tool_changes_meanwhile_is_not_overwritten(
    dynamodb: Any, tables: RegistryTables
) -> None:
    """A predecessor's row has no revision: what is replaced has to be what was read."""
    key = {"endpoint_id": {"S": "1"}, "api_key": {"S": "#####"}}
    dynamodb.put_item(TableName="se-connections", Item={**key, "functions": {"L": []}})
    text = "functions: {hello: {module: a, area: b}}\nconnections: [{functions: [hello]}]"
    plan = make_plan(parse(text.encode()).spec, tables, WORKER)
    theirs = {"L": [{"M": {"function": {"S": "x"}, "aws_lambda_arn": {"S": OTHER}}}]}
    dynamodb.put_item(TableName="se-connections", Item={**key, "functions": theirs})
    with pytest.raises(ConflictError, match="connections 1 / #####"):
        carry_out(plan, tables)


def test_pruning_deletes_only_what_an_apply_wrote(
    dynamodb: Any, apply: Apply, tables: RegistryTables
) -> None:
    """Rows without a revision and the generation are not the file's, and stay."""
    dynamodb.put_item(TableName="se-endpoints", Item={"endpoint_id": {"S": "theirs"}})
    apply(REGISTRY)
    assert apply("endpoints: {demo: }") == ()
    assert sorted(apply("endpoints: {demo: }", prune=True)) == sorted(
        (
            "delete endpoints acme",
            "delete connections 1 / #####",
            "delete connections acme / acme…",
            "delete functions worker / hello",
            "delete functions worker / report",
            "delete configdata demo / big",
            "delete configdata demo / greeting",
            "delete configdata demo / limit",
            "delete configdata demo / nested",
        )
    )
    assert sorted(it["endpoint_id"] for it in tables.scan(ENDPOINTS)) == ["demo", "theirs"]
    assert list(tables.scan(CONFIG_DATA)) == []
    assert generation(tables) == 2


def test_pruning_does_not_delete_what_changed_meanwhile(tables: RegistryTables) -> None:
    """Deletions are conditional, too."""
    carry_out(make_plan(parse(b"endpoints: {a: }").spec, tables, WORKER), tables)
    plan = make_plan(parse(b"").spec, tables, WORKER, prune=True)
    carry_out(make_plan(parse(b"endpoints: {a: {connection: own}}").spec, tables, WORKER), tables)
    with pytest.raises(ConflictError, match="endpoints a was changed"):
        carry_out(plan, tables)


def test_what_an_export_says_is_what_is_there(dynamodb: Any, apply: Apply, tables: RegistryTables) -> None:
    """Applying an export changes nothing, for our rows and the predecessor's, one name in two Lambdas too."""
    apply(
        REGISTRY
        + '  odd: {word: "no", date: "2024-01-01", digits: "007", empty: "", "1": "null", e: "1e3"}\n'
    )
    config = {
        "module_name": {"S": "old"},
        "setting": {"S": "demo"},
        "methods": {"L": []},
        "label": {"S": "x"},
    }
    functions = [
        {"M": {"aws_lambda_arn": {"S": OTHER}, "function": {"S": "hello"}, "setting": {"NULL": True}}}
    ]
    dynamodb.put_item(
        TableName="se-functions",
        Item={
            "aws_lambda_arn": {"S": OTHER},
            "function": {"S": "hello"},
            "area": {"S": "b"},
            "config": {"M": config},
        },
    )
    dynamodb.put_item(
        TableName="se-endpoints", Item={"endpoint_id": {"S": "old"}, "special_connection": {"BOOL": True}}
    )
    dynamodb.put_item(
        TableName="se-connections",
        Item={"endpoint_id": {"S": "old"}, "api_key": {"S": "#####"}, "functions": {"L": functions}},
    )
    exported = export(tables, WORKER)
    assert exported.notes == ()
    assert "hello@other:" in exported.text
    assert apply(exported.text, prune=True) == ()


def test_an_export_names_what_no_file_can_express(dynamodb: Any, tables: RegistryTables) -> None:
    """Entries without a function, connections without an endpoint and sets are left out, with a note."""
    entry = {"M": {"aws_lambda_arn": {"S": OTHER}, "function": {"S": "gone"}}}
    for endpoint in ("1", "lost"):
        dynamodb.put_item(
            TableName="se-connections",
            Item={
                "endpoint_id": {"S": endpoint},
                "api_key": {"S": "secret-key"},
                "functions": {"L": [entry]},
            },
        )
    dynamodb.put_item(
        TableName="se-configdata",
        Item={"setting_id": {"S": "a"}, "variable": {"S": "b"}, "value": {"M": {"c": {"SS": ["x"]}}}},
    )
    assert sorted(export(tables, WORKER).notes) == [
        "configdata a / b is left out: its value holds a set or bytes",
        "connections 1 / sec…: gone is left out: its function has no row",
        "connections lost / sec… is left out: its endpoint has no row",
    ]


def test_a_key_without_endpoints_is_not_exported_as_one_for_all(
    apply: Apply, run: Callable[..., Result], tables: RegistryTables
) -> None:
    """A row whose list of endpoints is empty is left out of an export: no file can express it."""
    apply("endpoints: {demo: }")
    nothing: dict[str, Any] = {"endpoint_id": "1", "api_key": "nothing-key", "functions": []}
    tables.create(CONNECTIONS, nothing | {"endpoints": []})
    tables.create(CONNECTIONS, nothing | {"api_key": "everything-key"})
    assert export(tables, WORKER).notes == (
        "connections 1 / not… is left out: its list of endpoints is empty",
    )
    assert "nothing-key" not in export(tables, WORKER).text
    (complaint,) = find_unrestricted_keys(tables)
    assert complaint.startswith("connections 1 / ever… opens every endpoint")
    listed = {facts["key"]: facts["endpoints"] for facts in json.loads(run("keys", "list", "--json").stdout)}
    assert listed == {"not…": [], "ever…": None}
    cells = {line.split()[0]: line for line in run("keys", "list").output.splitlines() if "…" in line}
    assert ["every endpoint" in cells[key] for key in ("not…", "ever…")] == [False, True]


def test_a_row_that_would_outgrow_dynamodb_is_refused_before_anything_is_written(
    dynamodb: Any, apply: Apply, tables: RegistryTables
) -> None:
    """A connection's own entries and the file's together may be too many."""
    entry = {"M": {"aws_lambda_arn": {"S": OTHER}, "function": {"S": "x" * 390_000}}}
    dynamodb.put_item(
        TableName="se-connections",
        Item={"endpoint_id": {"S": "1"}, "api_key": {"S": "#####"}, "functions": {"L": [entry]}},
    )
    names = [f"function_{number:04}" for number in range(200)]
    rows = "\n".join(f"  {name}: {{module: a, area: b}}" for name in names)
    with pytest.raises(click.ClickException, match="is 400 KB; move functions to a connection with another"):
        apply(f"functions:\n{rows}\nconnections:\n  - functions: [{', '.join(names)}]")
    assert list(tables.scan(FUNCTIONS)) == []


@pytest.fixture
def run(dynamodb: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run a command in a folder that holds the registry."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "registry.yaml").write_text(REGISTRY)
    monkeypatch.setenv("COLUMNS", "250")
    deployment = ("--table-prefix", "se-", "--worker-arn", WORKER, "--region", "us-east-1")

    def run_command(*arguments: str, response: str | None = None) -> Result:
        return CliRunner().invoke(cli, [*arguments, *deployment], input=response)

    return run_command


def test_apply_prints_its_plan_and_then_that_there_is_nothing_to_do(run: Callable[..., Result]) -> None:
    """An operator sees each row and attribute, and no setting's value."""
    first = run("apply")
    assert first.exit_code == 0, first.output
    assert "+ create endpoints acme" in first.output
    assert "applied: 10 rows written" in first.output
    assert "Hello" not in first.output
    assert "acme-secret-key" not in first.output
    second = run("apply")
    assert second.output == "nothing to do: the tables are as the file says\n"


def test_another_worker_is_not_compared_with_the_sources_here(
    run: Callable[..., Result], tmp_path: Path
) -> None:
    """With --worker-arn functions run in a Lambda whose packages are elsewhere."""
    folder = tmp_path / "services/worker/functions"
    folder.mkdir(parents=True)
    (folder / "mine.py").write_text("")
    path = (tmp_path / "registry.yaml").rename(folder / "registry.yaml")
    with pytest.raises(click.ClickException, match="package 'demo' is not beside this file"):
        load(path)
    assert run("apply", "-f", str(path)).exit_code == 0


def test_warnings_are_among_the_notes(tables: RegistryTables, tmp_path: Path) -> None:
    """`dev` shows them, which applies the file by this."""
    (tmp_path / "registry.yaml").write_text("endpoints: {late: {connection: own}}")
    (note,) = apply_file(tmp_path / "registry.yaml", tables, WORKER).notes
    assert str(note).startswith("registry.yaml:1: warning: endpoints.late: says `connection: own`")


def test_what_left_the_file_is_named(run: Callable[..., Result], tmp_path: Path) -> None:
    """A variable that left the file stays, and the tables are not said to be as the file says."""
    (tmp_path / "registry.yaml").write_text(
        REGISTRY.replace("greeting: Hello", "greeting: Hello\n    odd: 1")
    )
    run("apply")
    (tmp_path / "registry.yaml").write_text(REGISTRY)
    output = run("diff").output
    assert "rows that are not in the file stay: configdata" in output
    assert "/ odd (--prune deletes them)" in output
    assert "as the file says" not in output
    assert "delete" in run("apply", "--prune", "--yes").output
    assert run("diff").output == "nothing to do: the tables are as the file says\n"


def test_an_exported_file_is_readable_by_its_owner_alone(run: Callable[..., Result], tmp_path: Path) -> None:
    """It holds keys; if it can't be written, one line says why."""
    run("apply")
    assert run("export", "-o", "out.yaml").exit_code == 0
    assert (tmp_path / "out.yaml").stat().st_mode & 0o777 == 0o600
    refused = run("export", "-o", "nosuch/out.yaml")
    assert (refused.exit_code, refused.output) == (
        1, "Error: nosuch/out.yaml can't be written: No such file or directory\n"
    )  # fmt: skip


def test_diff_writes_nothing_and_can_fail_a_build(run: Callable[..., Result], tables: RegistryTables) -> None:
    """With --exit-code differences are 1; without, they are information."""
    assert run("diff").exit_code == 0
    assert run("diff", "--exit-code").exit_code == 1
    changes = json.loads(run("diff", "--json").stdout)["changes"]
    assert [change["action"] for change in changes] == ["create"] * 10
    assert list(tables.scan(ENDPOINTS)) == []
    run("apply")
    assert run("diff", "--exit-code").exit_code == 0


def test_diff_says_what_changes_and_what_stays(run: Callable[..., Result], tmp_path: Path) -> None:
    """Attribute by attribute, old and new; and what the file no longer names."""
    run("apply")
    text = REGISTRY.replace("methods: [GET]", "methods: [GET, POST]").replace(
        "functions: [hello, {", "functions: [{"
    )
    (tmp_path / "registry.yaml").write_text(text)
    output = run("diff").output
    assert "config.methods: GET -> GET, POST" in output
    assert "connections 1 / ##### keeps what is not in the file: hello (--prune drops it)" in output
    assert "functions: - hello" in run("diff", "--prune").output


def test_prune_asks_first(run: Callable[..., Result], tmp_path: Path, tables: RegistryTables) -> None:
    """No deletes nothing; --yes needs no response."""
    run("apply")
    (tmp_path / "registry.yaml").write_text("endpoints: {demo: }\n")
    refused = run("apply", "--prune", response="n\n")
    assert refused.exit_code == 1
    assert "- delete endpoints acme" in refused.output
    assert len(list(tables.scan(ENDPOINTS))) == 2
    assert run("apply", "--prune", "--yes").exit_code == 0
    assert len(list(tables.scan(ENDPOINTS))) == 1


def test_export_writes_a_file_that_apply_takes(run: Callable[..., Result], tmp_path: Path) -> None:
    """To stdout or a file, which is replaced only on demand."""
    run("apply")
    assert run("export", "-o", "out.yaml").exit_code == 0
    assert run("export", "-o", "out.yaml").exit_code == 1
    assert run("export", "-o", "out.yaml", "--force").exit_code == 0
    assert (tmp_path / "out.yaml").read_text() == run("export").stdout
    assert "nothing to do" in run("apply", "-f", "out.yaml", "--prune").output


def test_list_shows_each_table(run: Callable[..., Result]) -> None:
    """Names and kinds, no secret; the same for machines."""
    run("apply")
    assert "demo:Greetings" in run("list").output
    assert json.loads(run("list", "endpoints", "--json").stdout) == [
        {"endpoint": "acme", "connection": "own"},
        {"endpoint": "demo", "connection": "common"},
    ]
    assert "acme-secret-key" not in run("list", "connections").output
    assert json.loads(run("list", "settings", "--json").stdout) == [
        {"setting": "demo", "variables": ["big", "greeting", "limit", "nested"]}
    ]


def test_show_resolves_as_the_gateway_does(run: Callable[..., Result]) -> None:
    """An endpoint's functions, and a function with its merged settings, values only on demand."""
    run("apply")
    assert json.loads(run("show", "demo", "--json").stdout)["functions"] == ["hello", "report"]
    facts = json.loads(run("show", "demo", "hello", "--json").stdout)
    assert (facts["url"], facts["code"], facts["methods"]) == ("/core/demo/hello", "demo:Greetings", ["GET"])
    assert "Hello" not in run("show", "demo", "hello").output
    assert "greeting: Hello" in run("show", "demo", "hello", "--values").output
    assert "requires an API key" in run("show", "acme").output
    assert run("show", "acme", "--api-key", "acme-secret-key").exit_code == 0
    missing = run("show", "nobody")
    assert missing.exit_code == 1
    assert missing.output.startswith("Error: Endpoint 'nobody' does not exist")


def test_missing_tables_are_an_error_in_one_line(run: Callable[..., Result]) -> None:
    """AWS's own words are told, and no traceback."""
    result = CliRunner().invoke(
        cli, ["list", "--table-prefix", "no-", "--worker-arn", WORKER, "--region", "us-east-1"]
    )
    assert result.exit_code == 1
    assert result.output.startswith("Error: AWS: ")
    assert "Traceback" not in result.output


def test_bindings_of_several_functions_share_their_sources_row(apply: Apply, tables: RegistryTables) -> None:
    """What another tool bound stays, with a note, until it is pruned; an export holds all bindings."""
    bound = REGISTRY.replace("settings: demo}", "settings: demo, events: [{endpoint: demo, queue: work}]}", 1)
    bound = bound.replace(
        "graphql: true}", "graphql: true, events: [{endpoint: demo, queue: work, batch: true}]}"
    )
    apply(bound)
    key = ("silvaengine_events", "queue:work")
    ours = [
        {"endpoint_id": "demo", "funct": "hello"},
        {"endpoint_id": "demo", "funct": "report", "batch": True},
    ]
    assert row(tables, CONFIG_DATA, *key)["value"] == ours
    before = row(tables, CONFIG_DATA, *key)
    foreign = {"endpoint_id": "other", "funct": "theirs"}
    tables.update(CONFIG_DATA, before, {**before, "value": [foreign, *ours]})
    plan = make_plan(parse(bound.encode()).spec, tables, WORKER)
    assert not plan
    assert [note for note in plan.notes if "other/theirs" in note.names]
    assert apply(bound, prune=True) == ("update configdata silvaengine_events / queue:work",)
    assert row(tables, CONFIG_DATA, *key)["value"] == ours
    exported = export(tables, WORKER)
    assert "silvaengine_events" not in exported.text
    assert apply(exported.text, prune=True) == ()
    assert "delete configdata silvaengine_events / queue:work" in apply(REGISTRY, prune=True)


def test_an_export_notes_bindings_that_it_cannot_express(apply: Apply, tables: RegistryTables) -> None:
    """A function that no endpoint reaches without a key stays a row; a stream's, as settings, in the file."""
    apply(REGISTRY)
    target = [{"endpoint_id": "nobody", "funct": "hello"}]
    for setting_id, variable in (("silvaengine_events", "topic:news"), ("dynamodb_stream_config", "orders")):
        tables.create(CONFIG_DATA, {"setting_id": setting_id, "variable": variable, "value": target})
    exported = export(tables, WORKER)
    assert [note for note in exported.notes if "topic:news" in note]
    assert parse(exported.text.encode()).spec.settings["dynamodb_stream_config"]["orders"] == target


def test_keys_that_stay_unprocessed_end_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    """DynamoDB may leave keys unread; it is asked again after pauses that grow, but not for ever."""
    pauses: list[float] = []
    monkeypatch.setattr(registry_tables, "BATCHES", Backoff(0.1, 4, sleep=pauses.append))

    def leave_unread(**request: Any) -> Any:
        return {"Responses": {}, "UnprocessedKeys": request["RequestItems"]}

    with pytest.raises(UnprocessedError, match="busy"):
        RegistryTables(SimpleNamespace(batch_get_item=leave_unread)).read(ENDPOINTS, [("acme",)])
    assert pauses == sorted(pauses)
    assert len(pauses) == 3
