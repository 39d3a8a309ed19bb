"""Commands of a published package, from start to end of their process, on the local engine."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.harness import PROJECT
from benchmarks.harness.report import table
from silvaengine.tables import ENDPOINTS
from silvaengine_cli import deploy
from silvaengine_cli.engine import LocalEngine, install_engine, local_engine
from silvaengine_cli.registry.tables import RegistryTables

MANIFEST = """\
package: shop
functions:
  hello: {call: "shop.greetings:hello", area: core}
"""
MEGABYTE = 1_000_000
COMMANDS: Mapping[str, list[str]] = {
    "publish, 1 MB": ["publish", "{folder}"],
    "publish, nothing new": ["publish", "{folder}"],
    "rollback": ["rollback", "shop"],
    "pin": ["pin", "shop", "1", "--endpoint", "acme"],
    "unpin": ["unpin", "shop", "--endpoint", "acme"],
    "releases list": ["releases", "list", "shop"],
}


def run(*, quick: bool) -> str:
    """Return the section."""
    rounds = 1 if quick else 5
    with (
        TemporaryDirectory() as temporary,
        local_engine(install_engine(PROJECT), Path(temporary, "state")) as engine,
    ):
        deploy.build(PROJECT)
        outputs = deploy.deploy(PROJECT, engine)
        tables = RegistryTables(engine.client("dynamodb"), outputs.table_prefix)
        tables.create(ENDPOINTS, {"endpoint_id": "acme"})
        folder = Path(temporary, "shop")
        _write(folder, 0)
        first = _seconds(engine, COMMANDS["publish, 1 MB"], folder)
        times: dict[str, list[float]] = {name: [] for name in COMMANDS}
        for number in range(rounds):
            _write(folder, number + 1)
            for name, command in COMMANDS.items():
                times[name].append(_seconds(engine, command, folder))
    rows = [("publish, 1 MB, with its stack, the first time", first, first)]
    rows += [(name, median(values), max(values)) for name, values in times.items()]
    return table(("", "s, median", "s, longest"), rows)


def _write(folder: Path, number: int) -> None:
    """Write the package, with a module of a megabyte that can't be compressed."""
    package = folder / "shop"
    package.mkdir(parents=True, exist_ok=True)
    (folder / "package.yaml").write_text(MANIFEST)
    (folder / "requirements.txt").touch()
    (package / "__init__.py").touch()
    (package / "greetings.py").write_text(f"def hello(**_):\n    return {number}\n")
    (package / "data.bin").write_bytes(os.urandom(MEGABYTE))


def _seconds(engine: LocalEngine, command: list[str], folder: Path) -> float:
    """Time a command, which must succeed."""
    where = ["--stack", deploy.LOCAL_STACK, "--endpoint-url", engine.url, "--json"]
    program = Path(sys.executable).with_name("silvaengine")
    arguments = [each.format(folder=folder) for each in command]
    started = time.perf_counter()
    done = subprocess.run([program, *arguments, *where], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    json.loads(done.stdout)
    return time.perf_counter() - started
