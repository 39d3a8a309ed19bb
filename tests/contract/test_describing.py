"""``apply`` describes the typed functions that ship, by what the deployed worker says."""

import json
import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from silvaengine.tables import CONFIG_DATA, FUNCTIONS, GENERATION_KEY
from silvaengine_cli.registry import describing
from silvaengine_cli.registry.describing import Described, describe_shipped
from silvaengine_cli.registry.tables import RegistryTables
from silvaengine_worker.describe import Describer
from silvaengine_worker.loader import Loader

PACKAGES = Path(__file__).parents[1] / "unit/worker/packages"
WORKER = "arn:aws:lambda:us-east-1:123456789012:function:worker"
CONFIG = {"module_name": "sample_functions.typed", "typed": True}


class WorkerLambda:
    """The worker's Lambda, with the functions of the tests."""

    def __init__(self) -> None:
        self.asked = 0

    def invoke(self, *, FunctionName: str, Payload: str) -> Any:  # noqa: N803 - boto3's names
        assert FunctionName == WORKER
        self.asked += 1
        answer = Describer(Loader(["sample_functions"]), {}).describe(json.loads(Payload)["describe"])
        return {"Payload": BytesIO(json.dumps(answer).encode())}


class BrokenLambda:
    """A worker that can't say anything."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def invoke(self, **_: str) -> Any:
        if isinstance(self.answer, Exception):
            raise self.answer
        return {"Payload": BytesIO(json.dumps(self.answer).encode()), "FunctionError": "Unhandled"}


@pytest.fixture
def tables(dynamodb: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[RegistryTables]:
    """The account's registry tables; the worker's functions can be imported, and aren't for other tests."""
    monkeypatch.syspath_prepend(PACKAGES)
    yield RegistryTables(dynamodb)
    for name in [each for each in sys.modules if each.partition(".")[0] == "sample_functions"]:
        del sys.modules[name]


def put(tables: RegistryTables, name: str, **config: Any) -> None:
    """Add a function of the worker."""
    row = {"aws_lambda_arn": WORKER, "function": name, "area": "core", "config": CONFIG | config}
    tables.create(FUNCTIONS, row | {"revision": 1})


def get(tables: RegistryTables, name: str) -> dict[str, Any]:
    """Return a function's row."""
    row = tables.get(FUNCTIONS, WORKER, name)
    assert row is not None
    return row


def generation(tables: RegistryTables) -> int:
    """Return how often the registry has changed."""
    row = tables.get(CONFIG_DATA, *CONFIG_DATA.key_of(GENERATION_KEY))
    return int(row["value"]) if row else 0


def test_a_typed_function_is_described_in_its_row(tables: RegistryTables) -> None:
    """By another name, too; one that isn't typed isn't asked for. Again it changes nothing."""
    put(tables, "find")
    put(tables, "search", function_name="find", class_name="")
    put(tables, "plain", typed=False)
    before, worker = generation(tables), WorkerLambda()
    assert sorted(describe_shipped(tables, WORKER, worker).written) == ["find", "search"]
    assert generation(tables) == before + 1
    row = get(tables, "find")
    assert json.loads(row["description"])["parameters"]["properties"]["limit"]["maximum"] == 100
    assert row["description"] == get(tables, "search")["description"]
    assert row["revision"] == 2
    assert "description" not in get(tables, "plain")
    assert describe_shipped(tables, WORKER, worker) == Described([], [])
    assert generation(tables) == before + 1


def test_a_function_that_is_typed_no_more_loses_its_description(tables: RegistryTables) -> None:
    """And without a typed one the worker isn't asked at all."""
    put(tables, "find")
    worker = WorkerLambda()
    describe_shipped(tables, WORKER, worker)
    row = get(tables, "find")
    tables.update(FUNCTIONS, row, row | {"config": row["config"] | {"typed": False}})
    assert describe_shipped(tables, WORKER, worker) == Described(["find"], [])
    assert get(tables, "find")["description"] == ""
    assert worker.asked == 1


def test_what_cannot_be_described_is_said(tables: RegistryTables, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are described all the same."""
    for name in ("find", "unsupported", "absent"):
        put(tables, name)
    described = describe_shipped(tables, WORKER, WorkerLambda())
    assert described.written == ["find"]
    assert described.notes == [
        "absent can't be described: module 'sample_functions.typed' has no 'absent'",
        "unsupported can't be described: unsupported: parameter 'value': complex can't be checked",
    ]
    monkeypatch.setattr(describing, "MAX_BYTES", 100)
    _, (_, note, _) = describe_shipped(tables, WORKER, WorkerLambda())
    assert note == "find isn't described: that would be more than 64 KB"


@pytest.mark.parametrize(
    "answer",
    [
        ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "Invoke"),
        {"errorMessage": "MODULENAME"},
        None,
    ],
)
def test_a_worker_that_does_not_answer_changes_nothing(tables: RegistryTables, answer: Any) -> None:
    """One from before, or that may not be invoked: what was described stays."""
    put(tables, "find")
    describe_shipped(tables, WORKER, WorkerLambda())
    before = get(tables, "find")
    (note,) = describe_shipped(tables, WORKER, BrokenLambda(answer)).notes
    assert note.startswith("typed functions aren't described: ")
    assert get(tables, "find") == before
