"""What a published version says of its functions and of its rights."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from silvaengine.errors import ConditionFailedError, ConfigurationError, NotFoundError
from silvaengine.observability.alerts import AlertPublisher
from silvaengine.protocol.messages import Callee, ExecutionRef, Invocation, ReplyTo, WorkerCall
from silvaengine_worker.describe import Describer, Rights
from silvaengine_worker.executions import ExecutionRunner
from silvaengine_worker.loader import Loader
from silvaengine_worker.release import NO_RELEASE, PROTOCOL, Release, WrongReleaseError
from silvaengine_worker.serving import CallServer, create_handler
from silvaengine_worker.worker import Worker

from .conftest import LambdaContext, no_replies

type Invoke = Callable[..., Any]

DIGEST = "d" * 64
SHOP = Release("shop", DIGEST)


def raiser(error: Exception) -> Callable[[], object]:
    """Return a request that ends with an error."""

    def request() -> None:
        raise error

    return request


RIGHTS: Rights = {
    "made": int,
    "refused by its condition": raiser(ConditionFailedError("conflict", detail="c")),
    "nothing there": raiser(NotFoundError("gone")),
    "denied": raiser(ConfigurationError("wrong", detail="PutObject x: AccessDenied: no")),
}


@pytest.fixture
def invoke(jobs: ExecutionRunner) -> Invoke:
    """Return a call of a worker of a release, by its payload."""

    def run(event: dict[str, Any], own: Release = SHOP) -> Any:
        loader = Loader(["sample_functions", "broken_functions"])
        server = CallServer(Worker(loader), lambda: jobs, no_replies, own, lambda: Describer(loader, RIGHTS))
        return create_handler(server, AlertPublisher(None))(event, LambdaContext())

    return run


def described(invoke: Invoke, *functions: tuple[str, str, str], typed: bool = False) -> dict[str, Any]:
    """Describe functions, as a publisher gets it."""
    event = {"describe": [(*names, typed) for names in functions], "release": DIGEST}
    result: dict[str, Any] = json.loads(json.dumps(invoke(event)))
    return result


def test_a_function_is_described_by_its_parameters_and_its_first_line(invoke: Invoke) -> None:
    """In their order, without the object; what isn't passed by name isn't there."""
    functions = described(
        invoke, ("sample_functions.plain", "", "posonly"), ("sample_functions.classes", "Service", "tell")
    )["functions"]
    assert functions["sample_functions.plain:posonly"] == {
        "parameters": [
            {"name": "a", "required": True},
            {"name": "b", "required": False},
            {"name": "c", "required": False},
        ],
        "summary": "Take two values by position, one by name.",
    }
    assert functions["sample_functions.classes:Service.tell"]["parameters"] == []


def test_a_typed_function_is_described_by_its_schemas(invoke: Invoke) -> None:
    """All that its signature and its docstring say; an annotation that can't be checked is an error."""
    find, *wrong = described(
        invoke,
        ("sample_functions.typed", "", "find"),
        ("sample_functions.typed", "", "unsupported"),
        typed=True,
    )["functions"].values()
    assert find["parameters"]["properties"]["limit"] == {"type": "integer", "maximum": 100, "default": 10}
    assert find["parameters"]["additionalProperties"] is False
    assert find["summary"] == "Return what it got, by kind."
    assert find["result"]["type"] == "object"
    assert wrong == [{"error": "unsupported: parameter 'value': complex can't be checked"}]


def test_a_function_that_cannot_be_had_says_why(
    invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others are described all the same; an import's failure has the end of its traceback."""
    package = tmp_path / "broken_functions"
    package.mkdir()
    for name, text in (
        ("missing", "import nowhere\n"),
        ("crash", "def boot():\n    raise RuntimeError('password=hunter2')\nboot()\n"),
        ("leave", "raise SystemExit(1)\n"),
        ("wrong", "def f(:\n"),
    ):
        (package / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    functions = described(
        invoke,
        ("sample_functions.plain", "", "absent"),
        ("os", "", "system"),
        *((f"broken_functions.{name}", "", "f") for name in ("missing", "crash", "leave", "wrong")),
        ("sample_functions.plain", "", "nothing"),
    )["functions"]
    errors = [member.get("error", "") for member in functions.values()]
    assert errors[0] == "module 'sample_functions.plain' has no 'absent'"
    assert errors[1] == "package 'os' isn't on the allow-list"
    assert errors[2].splitlines()[-2:] == [
        "    import nowhere",
        "ModuleNotFoundError: No module named 'nowhere'",
    ]
    assert "line 2, in boot" in errors[3]
    assert "hunter2" not in errors[3]
    assert errors[4].endswith("SystemExit: 1")
    assert "wrong.py" in errors[5]
    assert errors[6] == ""


def test_a_right_is_there_if_aws_said_no_to_something_else(invoke: Invoke) -> None:
    """A condition that can't hold is looked at after the right; what AWS said of a missing right is told."""
    result = described(invoke)
    assert result["rights"] == {
        "made": "ok",
        "refused by its condition": "ok",
        "nothing there": "ok",
        "denied": "PutObject x: AccessDenied: no",
    }
    assert (result["silvaengine"], result["protocol"]) == (1, PROTOCOL)
    assert result["python"] == ".".join(map(str, sys.version_info[:3]))


def test_only_the_release_itself_describes_itself(invoke: Invoke) -> None:
    """An artefact that isn't what was published imports nothing."""
    event = {"describe": [("sample_functions.plain", "", "nothing", False)]}
    with pytest.raises(WrongReleaseError):
        invoke({**event, "release": "e" * 64})
    with pytest.raises(WrongReleaseError):
        invoke({**event, "release": "e" * 64}, NO_RELEASE)
    assert "sample_functions" not in sys.modules


def test_the_worker_that_ships_describes_its_functions(invoke: Invoke) -> None:
    """Without a release."""
    functions = invoke({"describe": [("sample_functions.plain", "", "nothing", False)]}, NO_RELEASE)
    assert functions["functions"]["sample_functions.plain:nothing"]["parameters"] == []


def test_no_client_can_have_a_release_described() -> None:
    """A gateway writes a payload's members itself, of which none has this name.

    What clients and registry rows say stands inside of them, as text or below a name of its own.
    """
    wild = {"describe": [["os", "", "system"]]}
    call = WorkerCall(
        Callee("m", "C", "f", json.dumps(wild)),
        params=wild,
        body=json.dumps(wild),
        context=wild,
        invocation=Invocation("r", "describe", "describe", "describe", None),
        job=ExecutionRef("j", "o", "e", 1, 1, 3, "retry", 1, 1),
        socket=ReplyTo("c", "describe", wants_result=True),
    )
    full_event = call._replace(aws_event=wild, aws_context=wild)
    for payload in (call.encode(), full_event.encode(), call.encode(call.content())):
        assert "describe" not in json.loads(payload)
    assert "describe" not in json.loads(full_event.content())
