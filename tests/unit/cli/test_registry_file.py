from pathlib import Path

import click
import pytest

from silvaengine_cli.registry.file import RegistryFileError, load, parse

FULL = """\
endpoints:
  demo:
  acme: {connection: own}
functions:
  hello:
    module: demo
    class: Greetings
    area: core
    methods: [GET]
    settings: demo
  report: {module: demo.reports, area: core, type: Event}
connections:
  - functions: [hello, {function: report, settings: demo}]
  - endpoint: acme
    api_key: acme-key
    functions: [hello]
    whitelist: [203.0.113.0/24, 198.51.100.7]
    grants: ["cache:admin"]
settings:
  demo: {greeting: Hello, limit: 0.5}
"""


def complaints(text: str) -> list[str]:
    """Return all complaints about a text, line by line."""
    with pytest.raises(RegistryFileError) as caught:
        parse(text.encode())
    return caught.value.message.splitlines()


def test_a_whole_registry_is_read() -> None:
    """Every section is read, and what is left out has its default."""
    registry = parse(FULL.encode())
    assert registry.warnings == ()
    report = registry.spec.functions["report"]
    assert (report.class_name, report.methods, report.settings) == (None, ("POST", "GET"), None)
    assert registry.spec.connections[0].api_key == "#####"
    assert registry.spec.connections[0].endpoint == "1"


def test_ids_may_be_written_without_quotes() -> None:
    """The endpoint 1 is the text "1"; one with leading zeros keeps them."""
    spec = parse(
        b"endpoints: {7: , 007: {connection: own}}\nconnections: [{endpoint: 007}, {api_key: 12}]"
    ).spec
    assert list(spec.endpoints) == ["7", "007"]
    assert [(it.endpoint, it.api_key) for it in spec.connections] == [("007", "#####"), ("1", "12")]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "functions:\n  hello:\n    module: a\n    area: core\n    clas: X",
            ":5: functions.hello.clas: unknown field (did you mean class?)",
        ),
        (
            "functions:\n  hello: {module: a}",
            ":2: functions.hello.area: required field is missing",
        ),
        (
            "functions:\n  hello: {module: a, area: b, x9: 1}",
            ":2: functions.hello.x9: unknown field; known are module, class, call, area, methods, type",
        ),
        (
            "endpoints:\n  rate_limit: {rate_limit: {per_secnd: 1}}",
            ":2: endpoints.rate_limit.rate_limit.per_secnd: unknown field (did you mean per_second?)",
        ),
        (
            "functions:\n  events: {module: a, area: b, events: [{endpoint: a, quue: b}]}",
            ":2: functions.events.events[0].quue: unknown field (did you mean queue?)",
        ),
        ("conections: []", ":1: conections: unknown field (did you mean connections?)"),
        (
            "functions:\n  hello: {module: a, area: b, triggers: []}",
            ":2: functions.hello.triggers: unknown field",
        ),
        (
            "\nfunctions:\n  cache_clear: {module: a, area: b}",
            ":3: functions.cache_clear: 'cache_clear' is reserved: the gateway answers it itself",
        ),
        (
            "functions:\n  job_status@eu: {module: a, area: b}",
            ":2: functions.job_status@eu: 'job_status' is reserved: the gateway answers it itself",
        ),
        (
            "functions:\n  _x: {module: a, area: b}",
            ":2: functions._x: '_x' must be a Python name",
        ),
        ("connections: [{packages: [my-shop]}]", ":1: connections[0].packages[0].package: 'my-shop' must be"),
        ("functions:\n  x: {area: b}", ":2: functions.x: needs a module, and a class for a method; or"),
        ("functions:\n  x: {area: b, module: a, call: 'a:b'}", ":2: functions.x: needs a module"),
        ("functions:\n  x: {area: b, class: A, call: 'a:b'}", ":2: functions.x: needs a module"),
        ("functions:\n  x: {area: b, call: a.b}", ":2: functions.x.call: 'a.b' must be shop.orders:Orders"),
        ("functions:\n  x: {area: b, call: 'a:A._b'}", ":2: functions.x.call: 'a:A._b' must be"),
        ("functions:\n  x: {module: _a, area: b}", ":2: functions.x.module: '_a' must be"),
        ("functions:\n  x: {module: a, area: b/c}", ":2: functions.x.area: 'b/c' must be"),
        ("functions:\n  x: {module: a, area: b, graphql: yes}", "functions.x.graphql: must be true or false"),
        ("functions:\n  x: {module: a, area: b, methods: []}", "functions.x.methods: must not be empty"),
        (
            "functions:\n  x: {module: a, area: b, methods: [get]}",
            "functions.x.methods[0]: must be one of 'GET', 'POST'",
        ),
        (
            "functions:\n  x: {module: a, area: b, operations: {querys: []}}",
            "querys: unknown field (did you mean",
        ),
        (
            "functions:\n  x: {module: a, area: b, lambda: worker}",
            "functions.x.lambda: 'worker' must be a Lambda's",
        ),
        ("functions: [x]", ":1: functions: must be a mapping"),
        ("endpoints: {a: {connection: mine}}", "endpoints.a.connection: must be one of 'common' or 'own'"),
        ("endpoints:\n  a/b:", ":2: endpoints.a/b: 'a/b' must be"),
        ("connections: [{functions: [{funct: x}]}]", "funct: unknown field (did you mean function?)"),
        ("connections: [{whitelist: [1.2.3]}]", "connections[0].whitelist[0]: '1.2.3' does not appear to be"),
        (
            "connections: [{api_key: k, endpoints: []}]",
            "connections[0].endpoints: must not be empty; leave it out for every endpoint",
        ),
        ("endpoints: {a: {rate_limit: {per_second: '0.%s'}}}" % ("1" * 39), "must have at most 38 digits"),
        ("endpoints: {a: {rate_limit: {per_second: '1e-200'}}}", "greater than or equal to 0.000001"),
        ("connections: [{rate_limit: {per_second: 0}}]", "greater than or equal to 0.000001"),
        ("connections: [{api_key: true}]", "connections[0].api_key: must be text"),
        ("settings: {silvaengine: {a: 1}}", "settings.silvaengine: 'silvaengine' is reserved"),
        ("- a", ":1: must be a mapping"),
        ("a: [", ":2: not YAML"),
    ],
)
def test_each_mistake_has_its_line_and_place(text: str, complaint: str) -> None:
    """All complaints have one form, from which an editor can jump to the line."""
    assert [line for line in complaints(text) if complaint in line]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "functions:\n  x: {module: a, area: b, settings: dmo}\nsettings: {demo: {a: 1}}",
            ":2: functions.x.settings: setting 'dmo' is not in this file (did you mean demo?)",
        ),
        (
            "functions:\n  x: {module: a, area: b, settings: demo}\nsettings: {demo: }",
            ":2: functions.x.settings: setting 'demo' has no variables; a setting in use needs at least one",
        ),
        (
            "functions:\n  hello: {module: a, area: b}\nconnections:\n  - functions: [helo]",
            ":4: connections[0].functions[0]: function 'helo' is not in this file (did you mean hello?)",
        ),
        (
            "functions:\n  x: {module: a, area: b}\nconnections:\n- functions: [{function: x, settings: y}]",
            ":4: connections[0].functions[0].settings: setting 'y' is not in this file; add it to `settings`",
        ),
        (
            "functions:\n  x: {module: a, area: b}\nconnections:\n  - functions:\n    - x\n    - x",
            ":6: connections[0].functions[1]: function 'x' is in this connection already",
        ),
        (
            "connections:\n  - {endpoint: acme}",
            ":2: connections[0].endpoint: endpoint 'acme' is not in this file; add it to `endpoints`",
        ),
        (
            "connections:\n  - {}\n  - {endpoint: 1}",
            ":3: connections[1]: the same endpoint and api_key as connections[0]",
        ),
        (
            "connections:\n  - packages:\n    - shop\n    - {package: shop}",
            ":4: connections[0].packages[1]: package 'shop' is in this connection already",
        ),
        (
            "connections:\n  - packages: [{package: shop, settings: dmo}]\nsettings: {demo: {a: 1}}",
            ":2: connections[0].packages[0].settings: setting 'dmo' is not in this file (did you mean demo?)",
        ),
        (
            "functions:\n  x@a: {module: a, area: b}\n  x@b: {module: a, area: b}",
            ":3: functions.x@b: the same function and lambda as 'x@a'",
        ),
        (
            "settings:\n  a: 1\n  a: 2",
            ":3: settings.a: duplicate key, already on line 2",
        ),
        ("settings:\n  a: {x: 1, x: 2}", ":2: settings.a.x: duplicate key, already on line 2"),
    ],
)
def test_unknown_names_and_duplicates_are_errors(text: str, complaint: str) -> None:
    """Dangling references and duplicates are found, not only wrong fields."""
    assert f"registry.yaml{complaint}" in complaints(text)


def test_all_mistakes_come_at_once_in_the_order_of_lines() -> None:
    """One run shows all mistakes that it can find."""
    text = "functions:\n  x: {modul: a}\nendpoints:\n  a: {connecton: own}\n"
    assert [line.split(":")[1] for line in complaints(text)] == ["2", "2", "4"]


def test_rows_larger_than_dynamodb_takes_are_refused_with_what_to_do() -> None:
    """The complaints about a large connection and a large setting have their lines and say what to do."""
    names = [f"function_{number:05}" for number in range(5000)]
    functions = "\n".join(f"  {name}: {{module: a, area: b}}" for name in names)
    connection = f"connections:\n  - functions: [{', '.join(names)}]"
    found = complaints(f"functions:\n{functions}\n{connection}\nsettings:\n  a:\n    b: {'x' * 409_600}")
    assert [line.split(":")[1] for line in found] == ["5003", "5006"]
    assert (
        "DynamoDB's limit for a row is 400 KB; move functions to a connection with another api_key"
        in found[0]
    )
    assert "settings.a.b" in found[1]


def test_odd_things_are_warnings() -> None:
    """What works but can't be intended doesn't make the file invalid."""
    registry = parse(b"endpoints:\n  a: {connection: own}\n  b:\nconnections:\n  - endpoint: b\n")
    assert [warning.text("r") for warning in registry.warnings] == [
        "r:2: warning: endpoints.a: says `connection: own`, and no connection names it: no key opens it",
        "r:5: warning: connections[0]: is never used: write `endpoints: {b: {connection: own}}`",
    ]


@pytest.mark.parametrize(("internal", "count"), [("", 1), ("internal: false,", 0), ("internal: true,", 0)])
def test_a_function_for_events_that_clients_can_call_is_a_warning(internal: str, count: int) -> None:
    """Events come without a key, so that a function of theirs is open to everybody unless it is internal."""
    heard = f"  heard: {{module: a, area: b, {internal} events: [{{endpoint: demo, queue: q}}]}}"
    sections = ("endpoints: {demo: }", "functions:", heard, "connections: [{functions: [heard]}]")
    registry = parse("\n".join(sections).encode())
    warnings = [warning.text("r") for warning in registry.warnings]
    assert len(warnings) == count
    assert all(
        warning.startswith("r:3: warning: functions.heard: clients can call it") for warning in warnings
    )


def test_settings_of_two_endpoints_are_named() -> None:
    """A gateway's setting id doesn't say where its area ends; one that nobody else's path reads is fine."""
    registry = parse(b"""\
endpoints: {shop: , acme_shop: , toys: }
functions:
  sell: {module: shop, area: core_acme}
  look: {module: shop, area: core}
connections: [{functions: [sell, look]}]
settings: {beta_core_acme_shop: {a: 1}, beta_core_toys: {a: 1}, core_acme_shop: {a: 1}}
""")
    assert [warning.text("r") for warning in registry.warnings] == [
        (
            "r:6: warning: settings.beta_core_acme_shop: are those of /core/acme_shop and /core_acme/shop "
            "alike: give one of them another area or endpoint"
        )
    ]


def test_a_missing_file_says_how_to_get_one(tmp_path: Path) -> None:
    """The error names the command that makes a first registry."""
    with pytest.raises(click.ClickException, match="silvaengine init"):
        load(tmp_path / "registry.yaml")


BOUND = """
endpoints: {{demo: , acme: {{connection: own}}}}
functions:
  hello:
    module: a
    area: b
    events:
      - {}
connections: [{{functions: [hello]}}, {{endpoint: acme, api_key: key, functions: [hello]}}]
settings: {{dynamodb_stream_config: {{orders: []}}}}
"""


@pytest.mark.parametrize(
    ("binding", "complaint"),
    [
        ("{endpoint: demo}", "must name exactly one of queue, bucket"),
        ("{endpoint: demo, queue: a, topic: b}", "must name exactly one of queue, bucket"),
        ("{endpoint: demo, queue: a, prefix: b}", "prefix and suffix are for a bucket"),
        ("{endpoint: demo, table: a, batch: true}", "batch is not for a table"),
        ("{endpoint: demo, queue: 'arn:aws:sqs:a:b:c'}", "must be a name of AWS, without account and region"),
        ("{endpoint: demo, queu: a}", "queu: unknown field (did you mean queue?)"),
        ("{endpoint: dem, queue: a}", "endpoint 'dem' is not in this file (did you mean demo?)"),
        ("{endpoint: acme, queue: a}", "without one 'acme' does not reach 'hello'"),
        ("{endpoint: demo, table: orders}", "settings.dynamodb_stream_config has this table, too"),
        (
            "{endpoint: demo, queue: a}\n      - {endpoint: demo, queue: a, batch: true}",
            "events[1]: the same",
        ),
    ],
)
def test_a_binding_that_reaches_nothing_is_a_mistake(binding: str, complaint: str) -> None:
    """A source is one of six, its function's endpoint reaches it without a key, and none is named twice."""
    assert [line for line in complaints(BOUND.format(binding)) if complaint in line]
