"""The lock of a package's requirements: every version and its hashes, kept beside ``requirements.txt``.

It is for every processor and system, so that one lock serves `dev` here and deployments elsewhere. It is made
when ``requirements.txt`` has changed, and then keeps the versions that still fit; `upgrade` makes it anew.
"""

import subprocess
import sys
import tempfile
from hashlib import sha256
from pathlib import Path

import click

from silvaengine_cli.packages.requirements import has_requirements
from silvaengine_cli.uv import find_uv

REQUIREMENTS, LOCK = "requirements.txt", "requirements.lock"

_SOURCES = ("-i ", "-f ", "--index-url", "--extra-index-url", "--find-links", "--no-index")


def lock_requirements(folder: Path, framework: Path, *, upgrade: bool = False) -> Path | None:
    """Return the lock of a package's folder, None without requirements.

    Args:
        folder: the package's.
        framework: the sources of the framework, with the list of what the layer fulfils.
        upgrade: whether to take the newest versions that fit, although nothing has changed.

    Raises:
        ClickException: a requirement doesn't exist, contradicts another one, or can't be had.
    """
    source, lock = folder / REQUIREMENTS, folder / LOCK
    if not has_requirements(source):
        return None
    title = f"# {sha256(source.read_bytes()).hexdigest()}: the digest of {REQUIREMENTS} that this is for\n"
    earlier = lock.read_text() if lock.is_file() else ""
    if upgrade or not earlier.startswith(title):
        text = title + _sources(source) + _resolve(folder, framework, "" if upgrade else earlier)
        with tempfile.NamedTemporaryFile("w", dir=folder, prefix=".", delete=False) as made:
            made.write(text)
        Path(made.name).chmod(0o644)
        Path(made.name).replace(lock)  # as a whole: another build may be reading it
        if earlier:
            why = "you said so" if upgrade else f"{REQUIREMENTS} has changed"
            click.echo(f"{lock}: written anew, since {why}", err=True)
    return lock


def locked_versions(lock: Path | None) -> str:
    """Return the lines ``name==version`` of a lock."""
    lines = lock.read_text().splitlines() if lock else ()
    return "".join(f"{line.rstrip(' \\')}\n" for line in lines if line and line[0] not in "#- ")


def _sources(source: Path) -> str:
    """Return the lines that say where requirements come from, which uv leaves out."""
    lines = source.read_text("utf-8-sig").splitlines()
    return "".join(f"{line}\n" for line in lines if line.startswith(_SOURCES))


def _resolve(folder: Path, framework: Path, earlier: str) -> str:
    """Return the text of a lock; the versions of an ``earlier`` one are kept where they fit."""
    provided = framework / "cli/silvaengine_cli/packages/provided_requirements.txt"
    options = ("--quiet", "--universal", "--generate-hashes", "--no-header", "--excludes", str(provided))
    python = ("--python", sys.executable, "--python-version", "3.13")
    with tempfile.TemporaryDirectory() as temporary:
        target = Path(temporary) / LOCK
        target.write_text(earlier)  # uv keeps the versions that it finds in what it writes
        command = [find_uv(framework), "pip", "compile", *python, *options, "-o", str(target), REQUIREMENTS]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode:
            raise click.ClickException(f"{folder / REQUIREMENTS} can't be resolved:\n{done.stderr.strip()}")
        return target.read_text()
