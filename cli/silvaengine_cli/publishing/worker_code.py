"""The worker's code as a deployment runs it, and artefacts with it instead of their own."""

import io
import zipfile
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from urllib.request import urlopen

from silvaengine.aws.table_client import Row
from silvaengine.registry.releases import release_digest
from silvaengine_cli.deployment import Deployment
from silvaengine_cli.publishing.artefact import (
    WORKER,
    Artefact,
    digest_of,
    release_file,
    worker_digest,
    write_file,
)
from silvaengine_worker.release import RELEASE_FILE

_SECONDS = 60

type Contents = Mapping[str, bytes]
"""Files of an archive, by their names in it."""


def deployed_worker(deployment: Deployment) -> Contents:
    """Return the files of the worker's own code in the artefact of a deployment's worker."""
    found = deployment.client("lambda").get_function(FunctionName=deployment.output("WorkerArn"))
    with urlopen(found["Code"]["Location"], timeout=_SECONDS) as response:  # noqa: S310 - Lambda's own URL
        contents = _read(response.read())
    return {name: content for name, content in contents.items() if name.startswith(WORKER)}


def digest_of_worker(worker: Contents) -> str:
    """Return the digest by which a release names its worker's code."""
    return worker_digest(_files(worker))


def rebuild(archive: bytes, worker: Contents, release: Row, path: Path) -> Artefact:
    """Build an artefact of a release's archive, with other code of the worker's; it is written to a path."""
    package, functions, isolated = release["package"], release["functions"], release["isolated"]
    contents = {name: each for name, each in _read(archive).items() if name != RELEASE_FILE}
    contents = {name: each for name, each in contents.items() if not name.startswith(WORKER)} | dict(worker)
    code = digest_of(_files(contents))
    digest = release_digest(package, code, functions, is_isolated=isolated)
    with zipfile.ZipFile(path, "w") as target:
        for name, content in sorted(contents.items()):
            write_file(target, name, content)
        write_file(target, RELEASE_FILE, release_file(package, digest).encode())
    checksum = sha256(path.read_bytes()).hexdigest()
    return Artefact(path, code, digest_of_worker(worker), digest, checksum, release["requirements"])


def _read(archive: bytes) -> Contents:
    with zipfile.ZipFile(io.BytesIO(archive)) as files:
        return {each.filename: files.read(each) for each in files.infolist() if not each.is_dir()}


def _files(contents: Contents) -> dict[str, tuple[str, int]]:
    return {name: (sha256(each).hexdigest(), len(each)) for name, each in contents.items()}
