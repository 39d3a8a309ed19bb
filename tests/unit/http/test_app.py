"""The deployed handler: made once, at the first event, of the environment."""

import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from silvaengine_http import app


@pytest.fixture
def cold_start() -> Iterator[None]:
    """Forget the deployed handler before and after, and what it did to logging."""
    handlers, level = logging.root.handlers[:], logging.root.level
    app._deployed.cache_clear()
    yield
    app._deployed.cache_clear()
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)


@pytest.mark.usefixtures("cold_start")
def test_the_deployed_handler_is_made_once(event_of: Callable[..., dict[str, Any]]) -> None:
    """It answers what needs no AWS without a client, a socket or credentials."""
    responses = [app.handler(event_of(httpMethod="OPTIONS"), None) for _ in range(2)]
    assert [response["statusCode"] for response in responses] == [204, 204]
    assert app._deployed.cache_info().misses == 1


class _Unreadable(dict[str, Any]):
    """An event that fails in a way that nobody foresaw."""

    def get(self, name: str, default: Any = None) -> Any:
        if name == "rawPath":
            raise RuntimeError("hunter2")
        return super().get(name, default)


def test_a_bug_of_ours_is_answered_and_told(world: Any, event_of: Callable[..., dict[str, Any]]) -> None:
    """Whatever fails, wherever, the client gets a response and the operator a notice."""
    response = world.call(_Unreadable(event_of()))
    assert response["statusCode"] == 500
    assert "hunter2" not in response["body"]
    ((_, _, notice),) = world.alerts.sent
    assert notice.keys() == {"service", "request_id", "status"}


@pytest.mark.slow
def test_importing_the_handler_loads_only_the_stdlib_and_ours() -> None:
    """Each import costs every cold start, so that AWS's and other libraries wait until they are needed."""
    program = (
        "import sys; before = set(sys.modules); import silvaengine_http.app;"
        "print(*sorted({name.partition('.')[0] for name in sys.modules.keys() - before}"
        " - sys.stdlib_module_names))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["silvaengine", "silvaengine_http"]
