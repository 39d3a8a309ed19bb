"""What stands between the console and whoever else is on the machine, or on its web."""

import os
import socket
import sys
import time
from contextlib import ExitStack, closing, suppress
from http.client import HTTPConnection
from urllib.parse import urlsplit

import click
import pytest

from silvaengine_cli.console.serving import MOST_WAITING, running_console
from silvaengine_cli.console.session import Session
from silvaengine_cli.console.views import MOST_STREAMS
from silvaengine_cli.deployment import Deployment

from ..stacks import create_stack
from .conftest import OUTPUTS, Open
from .visitor import Visitor

NOBODY = 65534


def test_the_cookie_opens_no_address(console: Visitor) -> None:
    """It isn't the token, and another console's isn't taken for it, though browsers send both."""
    name, _, secret = console.cookie.partition("=")
    assert name.endswith(urlsplit(f"//{console.host}").netloc.partition(":")[2])
    assert secret != console.token
    assert console.send("GET", f"/?token={secret}").status == 403
    assert console.send("GET", "/", Cookie=f"{name}={console.token}").status == 403


def test_guesses_are_refused_and_told(console: Visitor, capsys: pytest.CaptureFixture[str]) -> None:
    """In the terminal; however much of a guess is right."""
    for length in range(10):
        assert console.send("GET", f"/?token={console.token[: -length - 1]}x").status == 403
    assert capsys.readouterr().err == "console: 10 requests without its token were refused\n"


def test_nobody_else_listens_on_its_port(deployment: Deployment) -> None:
    """On any of localhost's addresses, of which a browser takes one; a port that somebody has is refused."""
    with running_console(Session(deployment)) as address:
        port = urlsplit(address).port
        for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            with pytest.raises(OSError, match=r"in use|not supported|assign"):
                socket.create_server((host, port), family=family)
    with (
        socket.create_server(("127.0.0.1", 0)) as taken,
        pytest.raises(click.ClickException, match="choose another"),
        running_console(Session(deployment), taken.getsockname()[1]),
    ):
        pass


@pytest.mark.skipif(os.geteuid() != 0 or sys.platform != "linux", reason="root alone gives sockets away")
def test_another_user_of_the_machine_is_refused(console: Visitor) -> None:
    """Whatever of the secrets they have seen: the address among a browser's arguments, or the cookie."""
    for path, cookie in ((f"/?token={console.token}", ""), ("/jobs", console.cookie)):
        with closing(HTTPConnection(console.host)) as connection:
            connection.connect()
            os.fchown(connection.sock.fileno(), NOBODY, -1)
            connection.request("GET", path, headers={"Cookie": cookie, "X-Forwarded-For": "127.0.0.1:1"})
            assert connection.getresponse().status == 403


def test_no_page_is_framed(console: Visitor) -> None:
    """Whatever it answers."""
    for path in ("/", "/nothing", "/static/console.css"):
        assert "frame-ancestors 'none'" in console.get(path).headers["content-security-policy"]


def test_no_path_leads_to_another_host(console: Visitor) -> None:
    """A browser takes `//host/` for one: neither the address with the token nor an error's page has it."""
    opened = console.send("GET", f"//evil.example/x?token={console.token}")
    assert (opened.status, opened.headers["location"]) == (303, "/evil.example/x")
    assert "//evil.example" not in console.get("//evil.example/x").text


def test_what_was_deployed_meanwhile_is_seen(
    open_console: Open, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a new start, soon after it."""
    console = open_console()
    assert deployment.table_prefix == "se-"
    stacks = deployment.client("cloudformation")
    stacks.delete_stack(StackName=deployment.stack)
    create_stack(stacks, deployment.stack, OUTPUTS | {"TablePrefix": "other-"})
    monkeypatch.setattr("silvaengine_cli.console.session.STATE_PAUSES", 0)
    assert "ResourceNotFoundException" in console.get("/?whole=1").text


def test_connections_that_ask_for_nothing_take_nothing(console: Visitor) -> None:
    """However many they are, and though each sends a byte now and then: the oldest end."""
    host, _, port = console.host.rpartition(":")
    with ExitStack() as opened:
        slow = [opened.enter_context(socket.create_connection((host, int(port)))) for _ in range(400)]
        for each in slow:
            each.setblocking(False)
            with suppress(OSError):
                each.send(b"G")
        assert console.get("/jobs").status == 200
        kept = [each for each in slow if is_open(each)]
        assert len(kept) <= MOST_WAITING
        assert kept == slow[-len(kept) :]
        with suppress(OSError):
            slow[-1].send(b"E")
        assert console.get("/jobs").status == 200


def is_open(connection: socket.socket) -> bool:
    """Return whether the other end hasn't closed it."""
    try:
        return connection.recv(1) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


def test_live_parts_leave_room_for_pages(console: Visitor) -> None:
    """Those that are too many are refused, until others have ended."""
    path = "/requests/live"
    with ExitStack() as opened:
        for _ in range(MOST_STREAMS):
            assert opened.enter_context(console.listen(path)).readline()
        with console.listen(path) as refused:
            assert (refused.status, b"close some windows" in refused.read()) == (503, True)
        assert console.get("/jobs").status == 200
    deadline = time.monotonic() + 60
    while (status := status_of(console, path)) == 503 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert status == 200


def status_of(console: Visitor, path: str) -> int:
    """Return with which status a live part begins."""
    with console.listen(path) as response:
        return response.status
