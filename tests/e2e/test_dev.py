"""`silvaengine dev` as its user meets it: a process that is started, worked with, and ended by Ctrl-C."""

import json
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import pytest

from silvaengine_cli.dev import KEPT_RELEASES
from silvaengine_cli.engine import local_engine

from ..contract.console.visitor import Visitor
from .conftest import copy_project
from .dev_process import SECONDS, SILVAENGINE, Dev, eventually, process_list, running

GREETINGS = "services/worker/functions/silvaengine_demo/greetings.py"
BOOK = "packages/guestbook/guestbook/book.py"
REGISTRY = "services/worker/functions/registry.yaml"
REQUEST_LINE = re.compile(r"^\d\d:\d\d:\d\d GET +/core/demo/hello +demo +200 +\d+ ms$", re.MULTILINE)
MOMENTS = (  # what was printed, and the seconds after it
    ("install the local engine:", 0),
    ("engine at", 0),
    ("engine at", 2),
    ("engine at", 5),
    ("sam build:", 0),
    ("sam build:", 3),
    ("sam build:", 5),
    ("sam deploy:", 0),
    ("apply registry.yaml:", 0),
    ("Ctrl-C ends", 1),
)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project to edit."""
    return copy_project(tmp_path_factory.mktemp("dev") / "project")


@pytest.fixture(scope="module")
def dev(project: Path) -> Iterator[Dev]:
    """A running `silvaengine dev` that is ready, after one that was killed while it built."""
    with running(project, project.parent / "killed") as process:
        process.wait_for_line("engine at")
        process.process.kill()
        eventually(lambda: process_list(project) == [], lambda: "\n".join(process_list(project)))
    with running(project, project.parent / "output") as process:
        process.wait_for_line("Ctrl-C ends")
        yield process


def test_printed_address_answers(dev: Dev) -> None:
    """What it prints to try works, and the request is shown."""
    tried = re.findall(r"^  curl '(\S+)'$", dev.printed, re.MULTILINE)
    assert [urlopen(url).status for url in tried] == [200, 200]  # noqa: S310 - the engine's
    response = dev.api.get("/core/demo/hello?name=Ada")
    assert response.json() == {"message": "Hello, Ada!"}
    eventually(lambda: bool(REQUEST_LINE.search(dev.printed)), lambda: dev.printed)


def test_the_console_is_served_beside_it(dev: Dev) -> None:
    """At the address in the fourth line; it only reads, and shows the command for this folder."""
    address = re.search(r"^HTTP .*\nWebSocket .*\nfunctions .*\nconsole +(\S+)$", dev.printed, re.MULTILINE)
    assert address
    visitor = Visitor(address[1])
    assert "read-only" in visitor.get("/").text
    assert "Releases" in visitor.get("/?whole=1").text


def test_changed_function_answers(dev: Dev) -> None:
    """A changed function answers without anything else being done, and only its service is redeployed."""
    dev.replace(GREETINGS, 'f"{self.greeting}, ', 'f"{self.greeting} again, ')
    expected = {"message": "Hello again, Ada!"}
    eventually(lambda: dev.api.get("/core/demo/hello?name=Ada").json() == expected, lambda: dev.printed)
    dev.wait_for_line("redeploy Worker")  # printed once Lambda has it everywhere, some answers later
    assert re.findall(r"^redeploy (\w+)", dev.printed, re.MULTILINE) == ["Worker"]


def test_syntax_error_is_shown_and_mended(dev: Dev) -> None:
    """A source that can't be compiled is shown, the old code goes on; what waited follows the mended one."""
    dev.replace(REGISTRY, "endpoints:\n", "endpoints:\n  late:\n")
    dev.replace(GREETINGS, "def hello(", "def hello((")
    shown = dev.wait_for_line("packaging Worker failed")
    assert f'File "{GREETINGS}"' in shown
    assert "SyntaxError" in shown
    assert dev.api.get("/core/demo/hello").status == 200
    dev.replace(GREETINGS, "def hello((", "def hello(")
    eventually(lambda: dev.api.get("/core/late/hello").status == 200, lambda: dev.printed)


def test_traceback_is_shown(dev: Dev) -> None:
    """A function's traceback is shown with the request id that the client got."""
    dev.replace(REGISTRY, "functions:\n", "functions:\n  fail: {module: e2e_functions, area: core}\n")
    dev.replace(REGISTRY, "functions: [hello, ", "functions: [fail, hello, ")
    eventually(lambda: dev.api.get("/core/demo/fail").status == 500, lambda: dev.printed)
    response = dev.api.get("/core/demo/fail")
    shown = dev.wait_for_line(f"request {response.json()['request_id']}\n")
    assert shown.startswith("Traceback (most recent call last)")
    assert 'File "services/worker/functions/e2e_functions.py"' in shown
    assert "RuntimeError: password=[redacted]" in shown


def test_saved_package_is_published(dev: Dev) -> None:
    """The next request after the publication has the new release, and the log is shown as the worker's."""
    dev.wait_for_line("publish guestbook:")
    before = dev.printed.count("publish guestbook:")
    signed = dev.api.request("POST", "/core/demo/sign", body=b'{"name": "Ada"}')
    assert signed.json() == {"message": "Welcome, Ada!"}
    dev.replace(BOOK, "'GREETING']}, ", "'GREETING']} again, ")
    eventually(lambda: dev.printed.count("publish guestbook:") > before, lambda: dev.printed)
    signed = dev.api.request("POST", "/core/demo/sign", body=b'{"name": "Ada"}')
    assert signed.json() == {"message": "Welcome again, Ada!"}
    assert dev.api.get("/core/demo/guests").json() == ["Ada"]
    dev.replace(BOOK, "        tenant = ", "        print(1 / 0)\n        tenant = ")
    eventually(lambda: dev.api.get("/core/demo/guests").status == 500, lambda: dev.printed)
    dev.wait_for_line("ZeroDivisionError")
    assert f'File "{BOOK}"' in dev.printed.partition("Function 'guests'")[2]


def test_broken_package_is_shown(dev: Dev) -> None:
    """What served before serves on; the mended one is published."""
    dev.replace(BOOK, "def sign(", "def sign((")
    eventually(lambda: "SyntaxError" in dev.printed.partition("ZeroDivisionError")[2], lambda: dev.printed)
    assert f'File "{BOOK}"' in dev.printed.partition("can't be built")[2]
    assert dev.api.request("POST", "/core/demo/sign", body=b'{"name": "Ada"}').status == 200
    dev.replace(BOOK, "def sign((", "def sign(")
    dev.replace(BOOK, "        print(1 / 0)\n", "")
    eventually(lambda: dev.api.get("/core/demo/guests").status == 200, lambda: dev.printed)


def test_the_latest_releases_are_kept(dev: Dev) -> None:
    """The engine has the code of each in memory: three of a package, not one for each save."""
    assert dev.printed.count("publish guestbook:") > KEPT_RELEASES

    def kept() -> list[dict[str, object]]:
        command = [SILVAENGINE, "releases", "list", "guestbook", "--local", "--json"]
        done = subprocess.run(command, cwd=dev.project, check=True, capture_output=True)
        releases: list[dict[str, object]] = json.loads(done.stdout)
        return releases

    # Those of one second go together.
    eventually(lambda: 1 <= len(kept()) <= KEPT_RELEASES + 1, lambda: dev.printed)
    assert kept()[0]["serves"]


def test_wrong_registry_is_shown(dev: Dev) -> None:
    """A registry file with an error is shown with its line, and nothing of it is applied."""
    dev.replace(REGISTRY, "endpoints:\n", "endpoints:\n  fresh: {conection: own}\n")
    dev.wait_for_line("endpoints.fresh.conection")
    assert dev.api.get("/core/fresh/hello").status == 404
    dev.replace(REGISTRY, "  fresh: {conection: own}\n", "")


def test_row_that_left_the_file_is_named_once(dev: Dev) -> None:
    """A row that stays in the tables is named when it leaves the file, and not at each change after that."""
    dev.replace(REGISTRY, "  late:\n", "")
    dev.wait_for_line("rows that are not in the file stay: endpoints late")
    dev.replace(REGISTRY, "demo: {greeting: Hello,", "demo: {greeting: Hi,")
    dev.wait_for_line("update configdata demo / greeting")
    assert dev.printed.count("rows that are not in the file stay") == 1


def test_ended_by_ctrl_c(dev: Dev, project: Path, engine_program: Path) -> None:
    """Ctrl-C ends it and all that it started, and what was deployed is there the next time."""
    dev.process.send_signal(signal.SIGINT)
    assert dev.process.wait(SECONDS) == 0
    assert not (project / ".silvaengine/dev.json").exists()
    assert process_list(project) == []
    with local_engine(engine_program, project / ".silvaengine/state") as engine:
        stacks = engine.client("cloudformation").describe_stacks()["Stacks"]
    assert "silvaengine-local" in {stack["StackName"] for stack in stacks}


@pytest.mark.nightly
@pytest.mark.timeout(1800)
def test_killed_at_any_moment(tmp_path: Path) -> None:
    """After each kill nothing is left running, and the next start goes on to where that one is killed."""
    project = copy_project(tmp_path / "project")
    for number, (words, seconds) in enumerate(MOMENTS):
        with running(project, tmp_path / f"output{number}") as dev:
            dev.wait_for_line(words)
            time.sleep(seconds)
            dev.process.kill()
            eventually(lambda: process_list(project) == [], lambda: "\n".join(process_list(project)))
    with running(project, tmp_path / "output") as dev:
        dev.wait_for_line("Ctrl-C ends")
        assert dev.api.get("/core/demo/hello").status == 200
