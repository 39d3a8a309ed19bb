"""The worker's code as a deployment has it: read once for each artefact."""

from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from silvaengine_cli.deploy import zip_files
from silvaengine_cli.publishing.worker_code import deployed_worker

if TYPE_CHECKING:
    from silvaengine_cli.deployment import Deployment


class WorkerLambda:
    """A worker whose artefact is a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def put(self, digest: str, **modules: str) -> None:
        """Deploy an artefact of this digest."""
        self.digest = digest
        names = {f"silvaengine_worker/{name}.py": text.encode() for name, text in modules.items()}
        self.path.write_bytes(zip_files({**names, "shop/__init__.py": b""}))

    def get_function(self, **_: str) -> dict[str, Any]:
        code = {"Location": self.path.as_uri()}
        return {"Configuration": {"CodeSha256": self.digest}, "Code": code}


@pytest.fixture
def worker(tmp_path: Path) -> WorkerLambda:
    """A deployed worker."""
    worker = WorkerLambda(tmp_path / "artefact.zip")
    worker.put("one", app="1")
    return worker


def test_an_artefact_is_read_once(worker: WorkerLambda, tmp_path: Path) -> None:
    """It may be large with the functions that ship; another one is read anew."""
    kept = tmp_path / "worker.zip"
    deployment = cast("Deployment", SimpleNamespace(client=lambda _: worker, output=lambda _: "arn:worker"))
    first = {"silvaengine_worker/app.py": b"1"}
    assert deployed_worker(deployment, kept) == first
    worker.path.unlink()
    assert deployed_worker(deployment, kept) == first
    worker.put("two", app="2", more="")
    second = {"silvaengine_worker/app.py": b"2", "silvaengine_worker/more.py": b""}
    assert deployed_worker(deployment, kept) == second
    assert deployed_worker(deployment) == second
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith("worker")] == ["worker.zip"]
