"""The artefact of a package: the worker, the package's modules, its requirements, and the release's digest.

The worker is the deployment's. With it the same sources give the same bytes on any day and in any folder.
What takes long, the requirements, is kept as an archive by lock and processor, and its members go into an
artefact compressed as they are.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from hashlib import file_digest, sha256
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import click

from silvaengine.registry.packages import release_digest
from silvaengine_cli.platform_sources import platform_sources
from silvaengine_cli.publishing.lock import lock_requirements, locked_versions
from silvaengine_cli.publishing.package import Package, functions_text
from silvaengine_cli.uv import find_uv
from silvaengine_worker.release import RELEASE_FILE

CACHE = Path(".silvaengine/packages")
WORKER = "silvaengine_worker/"  # the folder of the worker's code in an archive

# Unzipped, with the layer: docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html. The 50 MB of a
# zipped upload don't count for code that Lambda reads from a bucket.
UNZIPPED_LIMIT = 262_144_000
LAYER_BYTES = 20_000_000  # at the most; tests/rules/test_artefacts.py looks

_DATE = (1980, 1, 1, 0, 0, 0)
_LARGEST = 5

type Files = dict[str, tuple[str, int]]
"""Digest and size in bytes of files, by their names in the archive."""
type Contents = Mapping[str, bytes]
"""Files of an archive, by their names in it."""


class Artefact(NamedTuple):
    """A built package: ``path`` of its archive, whose bytes have the hex digest ``sha256``.

    ``code`` is the hex digest of what is in it, ``worker`` that of the worker's part, ``digest`` the
    release's; ``lock`` has its requirements, a line ``name==version`` for each.
    """

    path: Path
    code: str
    worker: str
    digest: str
    sha256: str
    lock: str


def cache_of(package: Package) -> Path:
    """Return the application's folder with what was built and read before; it may be deleted."""
    folder = package.application / CACHE
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def build(package: Package, architecture: str, worker: Contents, *, upgrade: bool = False) -> Artefact:
    """Build a package, whose archive replaces an earlier one in ``cache_of`` it.

    Args:
        package: the package.
        architecture: the processor, ``x86_64`` or ``arm64``.
        worker: the worker's code.
        upgrade: whether to take the newest requirements that fit.

    Raises:
        ClickException: a requirement can't be had, a module has a name that is taken or an error in it, or
            all is larger than Lambda takes.
    """
    framework = platform_sources(package.application)
    lock = lock_requirements(package.folder, framework, upgrade=upgrade)
    cache = cache_of(package)
    with tempfile.TemporaryDirectory(dir=cache, prefix="building-") as temporary:
        folder = Path(temporary)
        required = _requirements(lock, architecture, cache, framework)
        _run_builder("Package", package.folder, folder / "own", architecture, framework)
        required_files = _read_files(required)
        own_files = files_of(worker.items()) | files_of(_contents(folder / "own"))
        _refuse_overlap(required_files, own_files)
        _check_size(required_files, own_files)
        code = digest_of(required_files | own_files)
        digest = release_digest(package.name, code, functions_text(package), is_isolated=package.is_isolated)
        (folder / "own" / RELEASE_FILE).write_text(release_file(package.name, digest))
        archive = folder / "artefact.zip"
        if required:
            shutil.copyfile(required / "files.zip", archive)
        _add(archive, chain(sorted(worker.items()), _contents(folder / "own")))
        with archive.open("rb") as content:
            checksum = file_digest(content, "sha256").hexdigest()
        path = archive.rename(cache / f"{package.name}-{architecture}.zip")
    return Artefact(path, code, worker_digest(own_files), digest, checksum, locked_versions(lock))


def _requirements(lock: Path | None, architecture: str, cache: Path, framework: Path) -> Path | None:
    """Return the folder with a lock's installed requirements: their archive, and a list of its files.

    It appears as a whole or not at all: of two builds at once the second finds that of the first.
    """
    if lock is None:
        return None
    kept = cache / sha256(lock.read_bytes() + architecture.encode()).hexdigest()
    if kept.is_dir():
        return kept
    with tempfile.TemporaryDirectory(dir=cache, prefix="installing-") as temporary:
        installed, made = Path(temporary) / "installed", Path(temporary) / "made"
        made.mkdir()
        _run_builder("PackageRequirements", lock.parent, installed, architecture, framework)
        (made / "files.json").write_text(json.dumps(files_of(_contents(installed))))
        _add(made / "files.zip", _contents(installed))
        try:
            made.rename(kept)
        except OSError:
            if not kept.is_dir():
                raise
    return kept


def _run_builder(target: str, source: Path, folder: Path, architecture: str, framework: Path) -> None:
    """Run ``packaging/artefact.py``, which `sam build` runs for the functions of the stack."""
    builder = framework / "packaging/artefact.py"
    command = [sys.executable, "-I", str(builder), target, str(folder), "--architecture", architecture]
    tools = Path(find_uv(framework)).parent
    environment = {**os.environ, "PATH": f"{tools}{os.pathsep}{os.environ.get('PATH', '')}"}
    done = subprocess.run(command, cwd=source, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise click.ClickException(f"{source} can't be built:\n{(done.stdout + done.stderr).strip()}")


def files_of(contents: Iterable[tuple[str, bytes]]) -> Files:
    """Return digest and size of an archive's files."""
    return {name: (sha256(content).hexdigest(), len(content)) for name, content in contents}


def _contents(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path.relative_to(folder).as_posix(), path.read_bytes()


def _read_files(required: Path | None) -> Files:
    if required is None:
        return {}
    return {
        name: (digest, size)
        for name, (digest, size) in json.loads((required / "files.json").read_text()).items()
    }


def digest_of(files: Files) -> str:
    """Return the digest of files, by name and content."""
    return sha256(
        json.dumps(sorted((name, digest) for name, (digest, _) in files.items())).encode()
    ).hexdigest()


def worker_digest(files: Files) -> str:
    """Return the digest of the worker's code among an archive's files."""
    return digest_of({name: each for name, each in files.items() if name.startswith(WORKER)})


def release_file(package: str, digest: str) -> str:
    """Return the text of the file by which an archive says which release it is."""
    return json.dumps({"package": package, "digest": digest}, sort_keys=True)


def _refuse_overlap(required: Files, own: Files) -> None:
    """Raise ClickException if a module of the package or of the worker has the name of a required one."""
    if taken := _tops(required).keys() & _tops(own).keys() - {"__pycache__"}:
        names = ", ".join(sorted(taken))
        raise click.ClickException(
            f"{names}: both among the requirements and in the package; rename the package's"
        )


def _check_size(required: Files, own: Files) -> None:
    total = sum(size for _, size in (*required.values(), *own.values()))
    if total + LAYER_BYTES <= UNZIPPED_LIMIT:
        return
    largest = ", ".join(
        f"{name} {size // 1_000_000} MB" for name, size in _tops(required | own).most_common(_LARGEST)
    )
    raise click.ClickException(
        f"the package has {total // 1_000_000} MB unzipped; Lambda takes 250 MB with the layer's "
        f"{LAYER_BYTES // 1_000_000}. The largest: {largest}"
    )


def _tops(files: Files) -> Counter[str]:
    """Return the bytes of each top-level package or module."""
    sizes: Counter[str] = Counter()
    for name, (_, size) in files.items():
        sizes[name.partition("/")[0].removesuffix(".py")] += size
    return sizes


def _add(archive: Path, contents: Iterable[tuple[str, bytes]]) -> None:
    """Add files to an archive, with the same bytes at any time."""
    with zipfile.ZipFile(archive, "a") as target:
        for name, content in contents:
            write_file(target, name, content)


def write_file(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    """Write a file into an archive, with the same bytes at any time."""
    entry = zipfile.ZipInfo(name, _DATE)
    entry.external_attr = 0o100644 << 16
    entry.compress_type = zipfile.ZIP_DEFLATED
    archive.writestr(entry, content)
