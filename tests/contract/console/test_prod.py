"""`silvaengine console --write` of a stack that is called prod."""

import pytest

from silvaengine_cli.console import app
from silvaengine_cli.console.views import action
from silvaengine_cli.deployment import Deployment

from .conftest import Open
from .test_frame import done, rename
from .test_functions import add

STACK = "prod"


@pytest.mark.parametrize(("typed", "status"), [("", 403), ("Prod", 403), ("prod", 303)])
def test_its_name_is_typed_before_it_is_changed(
    open_console: Open, monkeypatch: pytest.MonkeyPatch, typed: str, status: int
) -> None:
    """Pressing the button isn't enough."""
    monkeypatch.setattr(app, "ROUTES", (*app.ROUTES, action("/rename/{name}", rename)))
    done.clear()
    assert open_console(may_write=True).post("/rename/x", stack=typed).status == status
    assert done == (["x"] if status == 303 else [])


@pytest.mark.parametrize(("typed", "status"), [("", 403), ("prod", 200)])
def test_its_name_is_typed_before_a_function_is_called(
    open_console: Open, deployment: Deployment, typed: str, status: int
) -> None:
    """A call may change something, too."""
    address = add(deployment, "hello")
    form = {"endpoint": "acme", "params": "{}", "stack": typed}
    assert open_console(may_write=True).post(address, **form).status == status
