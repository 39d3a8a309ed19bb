"""Calls a package's ``deploy()``, which is foreign code, in a process of its own with its requirements."""

import json
import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

import click

from silvaengine_cli.uv import find_uv

CALLER = Path(__file__).with_name("deploy_caller.py")
PROVIDED_REQUIREMENTS = Path(__file__).with_name("provided_requirements.txt")
SECONDS = 120.0
# What the process gets of the environment. Without the user's home and with these files AWS's libraries find
# no credentials by themselves; without a region they refuse to make a client.
PASSED_ON = ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "AWS_REGION", "AWS_DEFAULT_REGION")
NO_CREDENTIALS = {
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}


def call_deploy(folder: Path, package: str) -> object:
    """Return what a package's ``deploy()`` returns, as JSON can hold it.

    The package is imported as the worker would import it: the folder's packages and what their
    requirements.txt names come first, then the modules that this command itself can import. It gets no
    credentials and few of the environment's variables, but it isn't locked in: it may read files and use the
    network.

    Raises:
        ClickException: the requirements can't be installed, or ``deploy()`` raises, takes more than 120 s or
            ends its process.
    """
    paths = [folder.resolve()]
    if (requirements := folder / "requirements.txt").is_file():
        paths.append(_install(requirements))
    with TemporaryDirectory(prefix="silvaengine-") as scratch:
        result = Path(scratch, "result.json")
        problem = _run(package, result, paths)
        outcome = json.loads(result.read_text()) if result.is_file() else {"raised": problem}
    if "raised" in outcome:
        raise click.ClickException(f"deploy() of {package} can't be called here: {outcome['raised']}")
    return outcome["returned"]


def _install(requirements: Path) -> Path:
    """Install requirements into a folder of the user's cache, kept for the next call, and return it."""
    key = sha256(f"{requirements.resolve()} {sys.executable}".encode()).hexdigest()
    caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    target = caches / "silvaengine" / key
    command: list[str | Path] = [find_uv(Path()), "pip", "install", "--quiet", "--python", sys.executable]
    command += ["--target", target, "--exact", "--excludes", PROVIDED_REQUIREMENTS, "-r", requirements]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise click.ClickException(f"{requirements} can't be installed:\n{done.stderr.strip()}")
    return target


def _run(package: str, result: Path, paths: list[Path]) -> str:
    """Run the caller in the result's folder; return what to say if it wrote no result."""
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    own = {
        "PYTHONPATH": os.pathsep.join(filter(None, (*map(str, paths), environment.get("PYTHONPATH")))),
        "HOME": str(result.parent),
    }
    command: list[str | Path] = [sys.executable, "-P", CALLER, package, result]
    try:
        done = subprocess.run(  # noqa: S603
            command,
            cwd=result.parent,
            env={"AWS_DEFAULT_REGION": "us-east-1"} | environment | NO_CREDENTIALS | own,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"it takes more than {SECONDS:.0f} s"
    return f"its process ended with status {done.returncode}\n{done.stderr}".strip()
