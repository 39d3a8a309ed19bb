"""A package's worker runs calls of its own release, an ordinary one calls of none, by their public names."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from silvaengine.errors import ConfigurationError
from silvaengine.ledger.execution import Execution
from silvaengine.ledger.store import Ledger
from silvaengine.observability.alerts import AlertPublisher
from silvaengine.registry import packages
from silvaengine_worker.executions import ExecutionRunner
from silvaengine_worker.loader import Loader
from silvaengine_worker.release import NO_RELEASE, PROTOCOL, RELEASE_FILE, Release, read_release
from silvaengine_worker.serving import CallServer, create_handler
from silvaengine_worker.worker import Worker

from ...fakes.executions import JOB_ID, accepted_execution
from .conftest import LambdaContext, no_replies

type Serve = Callable[..., Any]
type Notices = list[tuple[str, dict[str, Any]]]

DIGEST, OTHER = "d" * 64, "e" * 64
SHOP = Release("shop", DIGEST)


class VersionContext(LambdaContext):
    """The context of a published version."""

    function_version = "12"


@pytest.fixture
def serve(jobs: ExecutionRunner, notices: Notices, payload: Callable[..., dict[str, Any]]) -> Serve:
    """Return a call of a worker of a release, of the shop's by default."""
    alerts = AlertPublisher(lambda subject, text: notices.append((subject, json.loads(text))))

    def run(function: str, *, own: Release = SHOP, **members: Any) -> Any:
        server = CallServer(Worker(Loader(["sample_functions"])), lambda: jobs, no_replies, own)
        event = payload(function, **members)
        event["invocation"] |= {"function": members.pop("public", event["funct"])}
        return create_handler(server, alerts)(event, VersionContext())

    return run


@pytest.fixture
def job(ledger: Ledger) -> Callable[..., dict[str, Any]]:
    """Write an execution; return the payload's member that tells the worker of it."""

    def write(*, claimed: bool, on_lost: str, attempt: int = 1) -> dict[str, Any]:
        state, attempts = ("running", attempt) if claimed else ("accepted", attempt - 1)
        execution = accepted_execution(ledger.now(), state=state, attempts=attempts, on_lost=on_lost)
        ledger.accept(execution)
        names = ("job_id", "owner", "effect", "fence", "max_attempts", "on_lost")
        told = {name: getattr(execution, name) for name in (*names, "keep_seconds", "backoff_seconds")}
        return {**told, "attempt": attempt, "claimed": claimed}

    return write


def row(ledger: Ledger) -> Execution:
    """Read the execution."""
    found = ledger.get(JOB_ID)
    assert found is not None
    return found


def line(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """Read the one line of an invocation."""
    (text,) = (text for text in capsys.readouterr().out.splitlines() if '"service"' in text)
    return dict(json.loads(text))


@pytest.mark.parametrize(
    ("own", "wanted"), [(SHOP, {"release": OTHER}), (SHOP, {}), (NO_RELEASE, {"release": OTHER})]
)
def test_a_call_of_another_release_is_refused(
    serve: Serve, caplog: pytest.LogCaptureFixture, own: Release, wanted: dict[str, str]
) -> None:
    """Before anything is imported, with a response for who waits and one record that names both releases."""
    response = serve("plain:whoami", own=own, **wanted)
    assert (response["kind"], response["status"]) == ("error", 500)
    assert (response["value"], response["error_type"]) == (
        "The function is misconfigured",
        "WrongReleaseError",
    )
    assert "sample_functions" not in sys.modules
    (record,) = caplog.records
    message = record.getMessage()
    assert all(digest in message for digest in (*wanted.values(), own.digest))


@pytest.mark.parametrize(("own", "wanted"), [(SHOP, {"release": DIGEST}), (NO_RELEASE, {})])
def test_a_call_of_the_own_release_runs(serve: Serve, own: Release, wanted: dict[str, str]) -> None:
    """The digests are equal, or there is none on either side."""
    assert serve("plain:whoami", own=own, **wanted)["status"] == 200


def test_a_refused_event_that_nobody_keeps_is_raised_and_alerted(serve: Serve, notices: Notices) -> None:
    """As every failure of a call that neither a caller nor the ledger waits for."""
    with pytest.raises(ConfigurationError):
        serve("plain:whoami", release=OTHER, deadline=None)
    assert [text["error_type"] for _, text in notices] == ["WrongReleaseError"]


@pytest.mark.parametrize("claimed", [False, True])
@pytest.mark.parametrize(
    ("on_lost", "attempt", "state"), [("retry", 1, "accepted"), ("retry", 3, "dead"), ("fail", 1, "dead")]
)
def test_a_refused_execution_is_lost_not_failed(
    serve: Serve, job: Any, ledger: Ledger, claimed: bool, on_lost: str, attempt: int, state: str
) -> None:
    """The ledger keeps the cause: ``failed`` would be the function's own word, which never ran.

    So the sweeper sends it again, perhaps to a worker that is right by then, or tells the operator.
    """
    member = job(claimed=claimed, on_lost=on_lost, attempt=attempt)
    response = serve("plain:whoami", release=OTHER, job=member, deadline=4e9 if claimed else None)
    assert (response or {"status": 500})["status"] == 500
    lost = row(ledger)
    assert (lost.state, lost.cause, lost.attempts) == (state, "WrongReleaseError", attempt)
    assert lost.is_swept
    assert "sample_functions" not in sys.modules


def test_the_line_of_a_packages_worker_names_package_and_release(
    serve: Serve, capsys: pytest.CaptureFixture[str]
) -> None:
    """A refused call has them, too; an ordinary worker's line has neither."""
    for wanted in (DIGEST, OTHER):
        serve("plain:whoami", release=wanted)
        written = line(capsys)
        assert (written["package"], written["release"]) == ("shop", 12)
    serve("plain:whoami", own=NO_RELEASE)
    assert not {"package", "release"} & line(capsys).keys()


def test_a_function_has_its_public_name_everywhere(serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    """What is called in the code is the code's own affair; whoever calls ``who`` reads of ``who``."""
    response = serve("plain:whoami", public="who", release=DIGEST)
    assert response["value"]["function"] == "who"
    assert line(capsys)["function"] == "who"


@pytest.mark.parametrize(
    ("function", "params", "message"),
    [
        ("plain:crash", {}, "Function 'who' failed"),
        ("plain:absent", {}, "Function 'who' isn't available"),
        ("plain:strict", {"c": 1}, "Function 'who' has no parameter 'c'"),
        ("plain:strict", {}, "Function 'who' requires the parameter 'a'"),
    ],
)
def test_a_failure_names_the_public_name(
    serve: Serve, caplog: pytest.LogCaptureFixture, function: str, params: dict[str, Any], message: str
) -> None:
    """The message and the record of a failure are for who knows the public name alone."""
    params = params or ({"b": "b"} if function == "plain:strict" else {})
    assert serve(function, public="who", params=params, release=DIGEST)["value"] == message
    assert all(record.getMessage().startswith("Function 'who'") for record in caplog.records)


def test_an_alert_names_the_public_name(serve: Serve, notices: Notices) -> None:
    """Two public names of one method are two functions to the operator."""
    for public in ("who", "what"):
        with pytest.raises(RuntimeError):
            serve("plain:crash", public=public, release=DIGEST, deadline=None)
    assert [text["function"] for _, text in notices] == ["who", "what"]


def test_an_artefact_says_which_release_it_is(tmp_path: Path) -> None:
    """The file is in a package's artefact alone."""
    assert read_release(tmp_path) == NO_RELEASE
    (tmp_path / RELEASE_FILE).write_text(json.dumps({"package": "shop", "digest": DIGEST}))
    assert read_release(tmp_path) == SHOP


def test_the_worker_and_the_gateways_have_one_protocol() -> None:
    """The worker reads no registry, so that the number stands on both sides."""
    assert PROTOCOL == packages.PROTOCOL
