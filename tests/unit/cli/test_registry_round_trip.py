from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, cast

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer
from hypothesis import given
from hypothesis import strategies as st

from silvaengine.tables import Table
from silvaengine_cli.registry.export import export
from silvaengine_cli.registry.file import parse
from silvaengine_cli.registry.handover import hand_over
from silvaengine_cli.registry.insertion import insert_function
from silvaengine_cli.registry.model import FunctionSpec, RegistrySpec
from silvaengine_cli.registry.plan import make_plan
from silvaengine_cli.registry.rows import Row, all_rows
from silvaengine_cli.registry.tables import Key, RegistryTables

WORKER = "arn:aws:lambda:us-east-1:123456789012:function:worker"
OTHERS = [f"arn:aws:lambda:us-east-1:123456789012:function:other:{number}" for number in (1, 2)]


class TablesInMemory:
    """Rows as DynamoDB returns them."""

    def __init__(self, rows: Sequence[tuple[Table, Row]]) -> None:
        self._rows = [(table, _through_dynamodb(row)) for table, row in rows]

    def scan(self, table: Table) -> Iterator[Row]:
        return (row for of, row in self._rows if of is table)

    def query(self, table: Table, value: str) -> Iterator[Row]:
        return (row for row in self.scan(table) if row[table.hash_key] == value)

    def read(self, table: Table, keys: Sequence[Key]) -> dict[Key, Row]:
        return {table.key_of(row): row for row in self.scan(table) if table.key_of(row) in keys}


def _through_dynamodb(row: Row) -> Row:
    return {
        name: TypeDeserializer().deserialize(TypeSerializer().serialize(value)) for name, value in row.items()
    }


NUMBERS = st.decimals(allow_nan=False, allow_infinity=False, places=9, min_value=-(10**20), max_value=10**20)
LEAVES = st.none() | st.booleans() | st.integers(-(10**38) + 1, 10**38 - 1) | NUMBERS | st.text(max_size=12)
WORDS = st.sampled_from(
    ["no", "1e3", "007", "tRuE", "null", "~", ".5", "+1", "2024-01-01", "- x", "#####", "a: b", "<<"]
)
VALUES = st.recursive(
    LEAVES | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
SETTINGS = st.dictionaries(st.text(min_size=1, max_size=9) | WORDS, VALUES, max_size=4)
LABELS = st.sampled_from(["hello", "report", "No", "hello@1"])
MODULES = st.fixed_dictionaries(
    {"module": st.sampled_from(["a", "a.b"])}, optional={"class": st.sampled_from(["A", "No"])}
)
CALLS = st.fixed_dictionaries({"call": st.sampled_from(["a.b:hello", "a:A.hello", "a:No.other", "a:other"])})
EXECUTED = st.fixed_dictionaries(
    {"area": st.sampled_from(["core", "007"])},
    optional={
        "methods": st.lists(st.sampled_from(["GET", "POST", "PUT"]), min_size=1, max_size=3),
        "type": st.sampled_from(["Event", "RequestResponse"]),
        "settings": st.just("s"),
        "auth_required": st.booleans(),
        "graphql": st.booleans(),
        "internal": st.booleans(),
        "mcp": st.booleans(),
        "operations": st.just({"query": ["q"], "mutation": []}),
    },
).filter(lambda members: not (members.get("internal") and members.get("mcp")))
FUNCTIONS = st.builds(lambda callee, rest: callee | rest, MODULES | CALLS, EXECUTED)


BINDINGS = st.lists(
    st.sampled_from(
        [
            {"endpoint": "demo", "queue": "orders", "batch": True},
            {"endpoint": "demo", "queue": "007"},
            {"endpoint": "demo", "bucket": "photos", "prefix": "in/", "suffix": ".jpg"},
            {"endpoint": "demo", "bucket": "photos", "prefix": "no"},
            {"endpoint": "demo", "table": "orders"},
            {"endpoint": "demo", "topic": "news"},
            {"endpoint": "demo", "rule": "1e3"},
            {"endpoint": "demo", "schedule": "nightly", "batch": True},
        ]
    ),
    max_size=4,
    unique_by=str,
)


@st.composite
def specs(draw: st.DrawFn) -> RegistrySpec:
    """Draw a valid registry; a label with `@` has a Lambda of its own, so that no two are one function."""
    functions: dict[str, Any] = draw(st.dictionaries(LABELS, FUNCTIONS, max_size=4))
    if "hello@1" in functions:
        functions["hello@1"]["lambda"] = draw(st.sampled_from(OTHERS))
    names = [name for name in functions if "@" not in name]
    for name in names:
        functions[name]["events"] = draw(BINDINGS)
    entries = [{"function": name, "settings": draw(st.sampled_from([None, "s"]))} for name in names]
    optional = {"whitelist": ["10.0.0.0/8"], "grants": ["cache:admin"]} if draw(st.booleans()) else {}
    limited = draw(st.sampled_from([{}, {"rate_limit": {"per_second": Decimal("0.25"), "burst": 3}}]))
    return RegistrySpec.model_validate(
        {
            "endpoints": {"007": {"connection": "own", **limited}, "demo": None},
            "functions": functions,
            "connections": [
                {"functions": entries},
                {"endpoint": "007", "api_key": "1e3", **optional, **limited},
            ],
            "settings": {"s": draw(SETTINGS) | {"always": 1}, "no": draw(SETTINGS)},
        }
    )


@given(specs())
def test_applying_an_export_changes_nothing(spec: RegistrySpec) -> None:
    """Whatever a registry holds, the plan of its export is empty, with pruning too."""
    tables = cast("RegistryTables", TablesInMemory(list(all_rows(spec, WORKER))))
    exported = export(tables, WORKER)
    again = parse(exported.text.encode()).spec
    assert exported.notes == ()
    assert not make_plan(again, tables, WORKER, prune=True)


@given(specs(), st.sampled_from(["\n", "\r\n"]))
def test_a_function_is_inserted_into_any_export(spec: RegistrySpec, newline: str) -> None:
    """Whatever a registry holds, it can be continued, and its text stays, whatever ends its lines."""
    tables = cast("RegistryTables", TablesInMemory(list(all_rows(spec, WORKER))))
    text = export(tables, WORKER).text.replace("\n", newline)
    function = FunctionSpec.model_validate({"module": "m", "class": "M", "area": "a", "settings": "greet"})
    content = insert_function(text.encode(), "greet", function, {"greeting": "Hello"})
    assert content is not None
    characters = iter(content.decode())
    assert all(character in characters for character in text)


@given(specs(), st.sampled_from(["\n", "\r\n"]))
def test_functions_of_any_export_are_handed_over_to_a_package(spec: RegistrySpec, newline: str) -> None:
    """Whatever a registry holds, what a package takes over leaves the rest as it was."""
    tables = cast("RegistryTables", TablesInMemory(list(all_rows(spec, WORKER))))
    text = export(tables, WORKER).text.replace("\n", newline)
    before = parse(text.encode()).spec
    names = [name for name, function in before.functions.items() if function.lambda_arn is None]
    content = hand_over(text.encode(), names, "shop")
    assert content is not None
    after = parse(content).spec
    assert after.functions.keys() == before.functions.keys() - set(names)
    assert after.settings == before.settings
    opened = [entry for connection in after.connections for entry in connection.functions]
    assert {entry.package for entry in opened} <= {"shop"}


def test_numbers_of_any_size_come_back_exactly() -> None:
    """Large and small numbers come back with all of their 38 digits."""
    numbers = [Decimal("1E+125"), Decimal("1E-130"), Decimal("0." + "7" * 38), 10**38 - 1, Decimal("-1.50")]
    spec = RegistrySpec.model_validate(
        {"settings": {"s": {f"n{i}": number for i, number in enumerate(numbers)}}}
    )
    tables = cast("RegistryTables", TablesInMemory(list(all_rows(spec, WORKER))))
    assert list(parse(export(tables, WORKER).text.encode()).spec.settings["s"].values()) == numbers
