import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import silvaengine_base
from silvaengine.errors import SilvaEngineError
from silvaengine_base import FunctionError, Resources, Tasks, Worker

SHARED = Path(__file__).parents[3] / "shared"


def run_with_layer_only(code: str) -> subprocess.CompletedProcess[str]:
    """Run code where nothing but the layer's own packages can be imported."""
    command = [sys.executable, "-I", "-S", "-c", f"import sys; sys.path.append({str(SHARED)!r}); {code}"]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_function_error_has_its_status() -> None:
    """A FunctionError has the status that the specification gives it."""
    error = FunctionError("no such order", status_code=404)
    assert (str(error), error.status_code, error.status) == ("no such order", 404, 404)


def test_every_public_name_is_there_and_no_other() -> None:
    """Each public name loads at its first use, and no other is there."""
    for name in silvaengine_base.__all__:
        assert getattr(silvaengine_base, name).__name__ == name
    with pytest.raises(AttributeError, match="Resource"):
        silvaengine_base.Resource  # noqa: B018 - the access is the test


@pytest.mark.slow
def test_importing_the_names_loads_no_service_and_no_library() -> None:
    """The facade costs nothing before it is used."""
    done = run_with_layer_only(
        "import silvaengine_base; print([m for m in sys.modules if m[:5] in ('silva', 'botoc', 'boto3')])"
    )
    assert done.stdout.strip() == "['silvaengine_base']", done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("use", "service"),
    [
        ("Resources().handler({}, None)", "silvaengine_http"),
        ("Resources().handler({'requestContext': {'connectionId': 'c'}}, None)", "silvaengine_websocket"),
        ("Resources()._handle_cache_management('cache_stats', {})", "silvaengine_http"),
        ("Tasks.get_handler()({}, None)", "silvaengine_tasks"),
        ("Worker.get_handler()({}, None)", "silvaengine_worker"),
    ],
)
def test_an_artefact_without_the_service_says_so_in_one_line(use: str, service: str) -> None:
    """Where only the layer is, each service is missing."""
    done = run_with_layer_only(f"from silvaengine_base import Resources, Tasks, Worker; {use}")
    assert (
        done.stderr.splitlines()[-1] == f"ImportError: This artefact does not contain the service {service}"
    )


@pytest.mark.slow
def test_a_broken_service_is_not_called_missing(tmp_path: Path) -> None:
    """A module that a service lacks is named as it is."""
    package = tmp_path / "silvaengine_tasks"
    package.mkdir()
    (package / "app.py").write_text("import no_such_library")
    done = run_with_layer_only(
        f"sys.path.append({str(tmp_path)!r}); from silvaengine_base import Tasks; Tasks().handler({{}}, None)"
    )
    assert "No module named 'no_such_library'" in done.stderr


def test_the_doors_give_handlers() -> None:
    """``get_handler`` takes the logger that old callers hand over."""
    for door in (Resources, Tasks, Worker):
        assert callable(door.get_handler(None))


def test_the_doors_lead_to_the_services(capsys: pytest.CaptureFixture[str]) -> None:
    """The event says which Lambda it is for."""
    socket = {"requestContext": {"connectionId": "c", "routeKey": "$connect", "eventType": "CONNECT"}}
    assert Resources().handler(socket, None)["statusCode"] >= 400
    assert Resources.get_handler()({"httpMethod": "OPTIONS", "path": "/a/b/c"}, None)["statusCode"] in (
        204,
        400,
    )
    assert Resources()._handle_cache_management("cache_stats", {})["success"] is True
    by_name = SimpleNamespace(invoked_function_arn="arn:aws:lambda:us-east-1:123456789012:function:tasks")
    with pytest.raises(SilvaEngineError, match="alias"):
        Tasks().handler({"Records": [{"eventSource": "aws:sqs"}]}, by_name)
    with pytest.raises(SilvaEngineError):
        Worker().handler({}, None)
