"""What a FunctionError says to programs beside its status and its message for people."""

from collections.abc import Callable
from typing import Any

import pytest

from silvaengine.errors import FunctionError
from silvaengine_worker.testing import Invoke

from ...canaries import SETTINGS, TEXTS, found_in

type Handle = Callable[..., Any]


def test_code_and_details_are_part_of_the_answer(handle: Handle) -> None:
    """Details have the JSON form that a result would have."""
    response = handle("plain:explain")
    assert (response["status"], response["value"]) == (409, "not enough")
    assert (response["code"], response["details"]) == ("out_of_stock", {"left": 1.5})


def test_an_error_that_says_no_more_is_as_before(handle: Handle) -> None:
    """No other answer has the members, for gateways of the last version."""
    assert not handle("plain:refuse").keys() & {"code", "details"}


@pytest.mark.parametrize("unsendable", range(4))
def test_details_that_cannot_be_sent_are_left_out(
    handle: Handle, caplog: pytest.LogCaptureFixture, unsendable: int
) -> None:
    """No JSON, too long, half a character, no object: the rest arrives, and the log says why."""
    response = handle("plain:explain", params={"unsendable": unsendable})
    assert (response["status"], response["code"]) == (409, "out_of_stock")
    assert "details" not in response
    assert "are left out" in caplog.text


@pytest.mark.parametrize("kind", TEXTS)
def test_no_secret_is_among_them(handle: Handle, kind: str) -> None:
    """As in a message: neither by its shape or name, nor one of the settings."""
    details = {"why": TEXTS[kind], "all": [{"password": f"{TEXTS[kind]}"}]}
    params = {"code": TEXTS[kind], "details": details}
    response = handle("plain:explain", params=params, settings=SETTINGS)
    assert response["status"] == 409
    assert found_in(str(response)) == []


def test_a_called_functions_code_stays_with_its_caller(handle: Handle) -> None:
    """A client learns of the other function that it failed, as before."""
    assert not handle("plain:call_another").keys() & {"code", "details"}


def test_a_test_reads_code_and_details(invoke: Invoke) -> None:
    """The very error is raised."""
    with pytest.raises(FunctionError) as refused:
        invoke("sample_functions.plain:explain")
    assert (refused.value.code, refused.value.details["left"]) == ("out_of_stock", 1.5)
