"""What every benchmark needs: where the interpreters, the peers and the artefacts are."""

import subprocess
import sys
from importlib import metadata
from pathlib import Path

PROJECT = Path(__file__).parents[2]
PYTHON = Path(sys.base_prefix) / "bin/python3.13"
PEERS = PROJECT / ".silvaengine/peers/lib/python3.13/site-packages"
RUNTIME = PROJECT / ".silvaengine/runtime"
RUNTIME_PACKAGES = (
    "awslambdaric", "boto3", "botocore", "dateutil", "jmespath", "runtime_client*.so", "s3transfer",
    "simplejson", "six.py", "snapshot_restore_py*", "urllib3",
)  # fmt: skip
BUILT = PROJECT / ".aws-sam/build"


def version(package: str) -> str:
    """Return the name and version of a peer's package, or of one of this project's own."""
    found = next(iter(metadata.distributions(name=package, path=[str(PEERS), *sys.path])))
    return f"{package} {found.version}"


def build() -> None:
    """Make the artefacts as they are deployed, and a folder with what else Lambda's Python has.

    Raises:
        SystemExit: the peers aren't installed, or the artefacts can't be made.

    """
    if not PEERS.exists():
        raise SystemExit("The peers are missing, and Lambda's runtime client among them: make peers")
    RUNTIME.mkdir(parents=True, exist_ok=True)
    for path in (path for pattern in RUNTIME_PACKAGES for path in PEERS.glob(pattern)):
        if not (RUNTIME / path.name).exists():
            (RUNTIME / path.name).symlink_to(path)
    done = subprocess.run(["make", "build"], cwd=PROJECT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
