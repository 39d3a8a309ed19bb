"""A first application where there is Python 3.13 and nothing else: no make, no git, no clone."""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.wheel import build_wheel

from .dev_process import eventually
from .http_client import Api

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(1800)]

PROGRAMS = "/venv/bin"
# By which this machine reaches the package index.
NETWORK = ("PIP_", "UV_", "SSL_", "HTTP_", "HTTPS_", "NO_PROXY", "http_", "https_", "no_proxy")
NETWORK_FILES = ("etc/resolv.conf", "etc/hosts", "etc/ssl/certs/ca-certificates.crt")

type Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The root of a file system with Debian's Python, and the wheel."""
    root = tmp_path_factory.mktemp("bare") / "root"
    packages = "python3.13,python3.13-venv,ca-certificates"
    command = ["debootstrap", "--variant=minbase", f"--include={packages}", "trixie", str(root)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    for name in NETWORK_FILES:
        shutil.copyfile(f"/{name}", root / name)
    (root / "wheel").mkdir()
    build_wheel(root / "wheel")
    assert not [name for name in ("make", "git", "gcc", "curl", "uv") if (root / "usr/bin" / name).exists()]
    return root


@pytest.fixture
def start(system: Path) -> Start:
    """Return what starts a program in that file system, in a folder of it."""
    ours = {name: value for name, value in os.environ.items() if name.startswith(NETWORK)}  # noqa: TID251
    variables = {**ours, "HOME": "/root", "PATH": f"{PROGRAMS}:/usr/bin:/bin", "TERM": "dumb"}
    given = [f"{name}={value}" for name, value in variables.items()]

    def start_in(folder: str, *command: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [
                *("unshare", "--mount", "--pid", "--fork", "--kill-child", f"--mount-proc={system}/proc"),
                *("chroot", str(system), "/usr/bin/env", "-i", "-C", folder, *given, *command),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    return start_in


@pytest.fixture
def run(start: Start) -> Callable[..., str]:
    """Return what runs a program there to its end, and prints how long that took."""

    def run_in(folder: str, *command: str) -> str:
        began = time.monotonic()
        process = start(folder, *command)
        printed, _ = process.communicate()
        assert process.returncode == 0, printed
        print(f"{' '.join(command[:3])}: {time.monotonic() - began:.1f} s")  # noqa: T201 - the times are wanted
        return printed

    return run_in


@pytest.fixture
def dev(start: Start, run: Callable[..., str], system: Path) -> Iterator[Callable[[], str]]:
    """A new application, run by `silvaengine dev`; what it has printed."""
    (wheel,) = (system / "wheel").glob("*.whl")
    run("/", "python3.13", "-m", "venv", "/venv")
    run("/", "pip", "install", "--quiet", f"/wheel/{wheel.name}[cli]", "pytest")
    run("/root", "silvaengine", "new", "shop")
    began = time.monotonic()
    process = start("/root/shop", "/bin/sh", "-c", "exec silvaengine dev > /root/dev.log 2>&1")
    log = system / "root/dev.log"
    printed: Callable[[], str] = lambda: log.read_text() if log.exists() else ""  # noqa: E731
    try:
        eventually(lambda: "Ctrl-C ends" in printed() or process.poll() is not None, printed)
        assert process.poll() is None, printed()
        print(f"silvaengine dev: {time.monotonic() - began:.1f} s\n{printed()}")  # noqa: T201 - likewise
        yield printed
    finally:
        os.killpg(process.pid, signal.SIGINT)
        process.wait(60)


def test_from_nothing_to_a_published_edit(
    dev: Callable[[], str], run: Callable[..., str], system: Path
) -> None:
    """Install, new, dev, the first answer, the application's tests, an edit that is served, a publication."""
    address = re.search(r"HTTP +(\S+)", dev())
    assert address
    api = Api(address[1])
    assert api.get("/core/demo/greet_hello?name=Ada").json() == {"message": "Hello, Ada!"}
    assert "1 passed" in run("/root/shop", "pytest", "-q")
    source = system / "root/shop/packages/hello/hello/__init__.py"
    began = time.monotonic()
    source.write_text(source.read_text().replace("{name}!", "{name}."))
    expected = {"message": "Hello, Ada."}
    eventually(lambda: api.get("/core/demo/greet_hello?name=Ada").json() == expected, dev)
    print(f"an edit: {time.monotonic() - began:.1f} s")  # noqa: T201 - likewise
    said = run("/root/shop", "silvaengine", "publish", "packages/hello", "--local")
    assert "of hello serves" in said
