"""The worker's code as a deployment runs it, and artefacts with it instead of their own."""

import io
import tempfile
import zipfile
from hashlib import sha256
from pathlib import Path
from urllib.request import urlopen

from silvaengine.aws.table_client import Row
from silvaengine.registry.packages import release_digest
from silvaengine_cli.deployment import Deployment
from silvaengine_cli.publishing.artefact import (
    WORKER,
    Artefact,
    Contents,
    digest_of,
    files_of,
    release_file,
    worker_digest,
    write_file,
)
from silvaengine_worker.release import RELEASE_FILE

_SECONDS = 60


def deployed_worker(deployment: Deployment, kept: Path | None = None) -> Contents:
    """Return the files of the worker's own code in the artefact of a deployment's worker.

    Args:
        deployment: whose worker it is.
        kept: an archive of them, which is made anew unless it is of the same artefact.
    """
    found = deployment.client("lambda").get_function(FunctionName=deployment.output("WorkerArn"))
    artefact = found["Configuration"]["CodeSha256"].encode()
    if kept and kept.is_file() and (worker := _read(kept.read_bytes(), artefact)):
        return worker
    with urlopen(found["Code"]["Location"], timeout=_SECONDS) as response:  # noqa: S310 - Lambda's own URL
        contents = _read(response.read())
    worker = {name: content for name, content in contents.items() if name.startswith(WORKER)}
    if kept:
        _keep(kept, worker, artefact)
    return worker


def digest_of_worker(worker: Contents) -> str:
    """Return the digest by which a release names its worker's code."""
    return worker_digest(files_of(worker.items()))


def rebuild(archive: bytes, worker: Contents, release: Row, path: Path) -> Artefact:
    """Build an artefact of a release's archive, with other code of the worker's; it is written to a path."""
    package, functions, isolated = release["package"], release["functions"], release["isolated"]
    contents = {name: each for name, each in _read(archive).items() if name != RELEASE_FILE}
    contents = {name: each for name, each in contents.items() if not name.startswith(WORKER)} | dict(worker)
    code = digest_of(files_of(contents.items()))
    digest = release_digest(package, code, functions, is_isolated=isolated)
    with zipfile.ZipFile(path, "w") as target:
        for name, content in sorted(contents.items()):
            write_file(target, name, content)
        write_file(target, RELEASE_FILE, release_file(package, digest).encode())
    checksum = sha256(path.read_bytes()).hexdigest()
    return Artefact(path, code, digest_of_worker(worker), digest, checksum, release["requirements"])


def _read(archive: bytes, comment: bytes = b"") -> Contents:
    """Return what is in an archive; nothing if its comment isn't the one that is asked for."""
    with zipfile.ZipFile(io.BytesIO(archive)) as files:
        if comment and files.comment != comment:
            return {}
        return {each.filename: files.read(each) for each in files.infolist() if not each.is_dir()}


def _keep(path: Path, worker: Contents, comment: bytes) -> None:
    with (
        tempfile.NamedTemporaryFile(dir=path.parent, prefix="worker-", delete=False) as made,
        zipfile.ZipFile(made, "w") as archive,
    ):
        archive.comment = comment
        for name, content in sorted(worker.items()):
            write_file(archive, name, content)
    Path(made.name).replace(path)  # as a whole: another publication may be reading it
