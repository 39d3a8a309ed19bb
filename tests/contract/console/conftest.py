"""The console on a loopback port, of a made-up stack in moto."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from silvaengine_cli.console.serving import running_console
from silvaengine_cli.console.session import Session
from silvaengine_cli.deployment import Deployment

from ..conftest import made_tables, pointed_at
from ..stacks import create_stack
from .visitor import Visitor

OUTPUTS = {
    "ApiUrl": "https://api.example/beta",
    "TablePrefix": "se-",
    "WorkerArn": "arn:aws:lambda:us-east-1:123456789012:function:seen-Worker",
}

type Open = Callable[..., Visitor]


@pytest.fixture
def deployment(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    """A stack with tables; its name is the test module's STACK, else `seen`."""
    name = getattr(request.module, "STACK", "seen")
    found = Deployment(stack=name, endpoint_url=pointed_at("moto", request, monkeypatch))
    with made_tables(str(found.endpoint_url)):
        create_stack(found.client("cloudformation"), name, OUTPUTS)
        yield found
        found.client("cloudformation").delete_stack(StackName=name)


@pytest.fixture
def open_console(deployment: Deployment) -> Iterator[Open]:
    """Start a console, which may write if so asked, and return who has opened its address."""
    with ExitStack() as running:

        def start(*, may_write: bool = False) -> Visitor:
            address = running.enter_context(running_console(Session(deployment, may_write=may_write)))
            return Visitor(address)

        yield start


@pytest.fixture
def console(open_console: Open) -> Visitor:
    """Somebody who has opened a console that only reads."""
    return open_console()
