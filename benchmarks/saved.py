"""From the save of a package's file to its answer under `silvaengine dev`, on the local engine."""

import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.harness import PROJECT
from benchmarks.harness.report import table
from silvaengine_cli.prove.deploying import copy_project

REQUIREMENTS: Mapping[str, str] = {"small": "", "large": "pandas\n"}
READY_SECONDS, SAVED_SECONDS = 600.0, 120.0
STOP_SECONDS = 300.0
MANIFEST = 'package: {name}\nfunctions:\n  {name}: {{call: "{name}:answer", area: core}}\n'


def run(*, quick: bool) -> str:
    """Return the section: what unzipping and importing take is measured beside it, in turns."""
    rounds = 1 if quick else 5
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in REQUIREMENTS}
    with TemporaryDirectory() as temporary:
        project = copy_project(PROJECT, Path(temporary, "project"))
        for name, requirements in REQUIREMENTS.items():
            _write(project / "packages" / name, requirements, 0)
        registry = project / "services/worker/functions/registry.yaml"
        registry.write_text(registry.read_text().replace("[guestbook]", "[guestbook, small, large]"))
        with _dev(project) as api:
            for number in range(1, rounds + 1):
                for name, requirements in REQUIREMENTS.items():
                    start = time.perf_counter()
                    _write(project / "packages" / name, requirements, number)
                    _wait_for(f"{api}/core/demo/{name}", str(number))
                    taken = time.perf_counter() - start
                    (archive,) = (project / ".silvaengine/packages").glob(f"{name}-*.zip")
                    times[name].append((taken, _unzip_and_import(archive, name)))
    rows = [
        (f"a package {'with pandas' if requirements else 'without requirements'}", *_medians(times[name]))
        for name, requirements in REQUIREMENTS.items()
    ]
    return table(("", "s, median", "of it unzipping and importing", "the rest"), rows)


def _medians(times: list[tuple[float, float]]) -> tuple[float, float, float]:
    return (
        median(taken for taken, _ in times),
        median(own for _, own in times),
        median(taken - own for taken, own in times),
    )


def _write(folder: Path, requirements: str, number: int) -> None:
    """Write a package that answers with a number; what is there already stays as it is."""
    code = folder / folder.name / "__init__.py"
    code.parent.mkdir(parents=True, exist_ok=True)
    for path, text in (
        (folder / "package.yaml", MANIFEST.format(name=folder.name)),
        (folder / "requirements.txt", requirements),
    ):
        if not path.exists():
            path.write_text(text)
    code.write_text(f"{'import pandas' if requirements else ''}\n\n\ndef answer(**_):\n    return {number}\n")


@contextmanager
def _dev(project: Path) -> Iterator[str]:
    """Run `silvaengine dev`; yield the API's address."""
    program, log = Path(sys.executable).with_name("silvaengine"), project.parent / "log"
    with log.open("wb") as output:
        process = subprocess.Popen([program, "dev"], cwd=project, stdout=output, stderr=subprocess.STDOUT)
    try:
        end = time.monotonic() + READY_SECONDS
        while "Ctrl-C ends" not in log.read_text():
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(log.read_text())
            time.sleep(0.1)
        address = re.search(r"^HTTP +(\S+)$", log.read_text(), re.MULTILINE)
        assert address
        yield address[1]
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(STOP_SECONDS)


def _wait_for(url: str, answer: str) -> None:
    end = time.monotonic() + SAVED_SECONDS
    while _get(url) != answer:
        if time.monotonic() > end:
            raise RuntimeError(f"{url} doesn't answer {answer}")
        time.sleep(0.02)


def _get(url: str) -> str | None:
    try:
        with urllib.request.urlopen(url, timeout=30) as response:  # noqa: S310 - the engine's
            return str(response.read().decode())
    except urllib.error.HTTPError:
        return None


def _unzip_and_import(archive: Path, module: str) -> float:
    """Return the seconds in which an artefact is unzipped, and its module imported by a new process."""
    folder = archive.with_suffix(".unzipped")
    start = time.perf_counter()
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(folder)
    subprocess.run([sys.executable, "-c", f"import {module}"], cwd=folder, check=True)
    taken = time.perf_counter() - start
    shutil.rmtree(folder)
    return taken
