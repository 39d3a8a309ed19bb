"""One cache for the processes of both versions: none gets what isn't its own, and a clear reaches both."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from ..redis_server import running_redis
from . import last_release

FOLDER = Path(__file__).parent
READ = "import json, cached; print(json.dumps(cached.rate('EUR')))"
DELETE = "import cached; print(int(cached.rate.cache_delete('EUR')))"


@pytest.fixture(scope="module")
def layers(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """Return the folders of both versions' layers."""
    last = last_release.check_out(tmp_path_factory.mktemp("last") / "project")
    return {"last": last / "shared", "this": last_release.PROJECT / "shared"}


@pytest.fixture(params=["redis", "disk"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Mapping[str, str]]:
    """Return the variables of a cache in Redis, and of one on disk."""
    if request.param == "disk":
        yield {"CACHE_DIR": str(tmp_path / "cache")}
        return
    with running_redis(tmp_path) as (port, _):
        yield {"REDIS_HOST": "127.0.0.1", "REDIS_PORT": str(port), "CACHE_DIR": "none"}


@pytest.mark.nightly
@pytest.mark.parametrize(("one", "other"), [("last", "this"), ("this", "last")])
def test_both_versions_share_a_cache(
    layers: Mapping[str, Path], place: Mapping[str, str], one: str, other: str
) -> None:
    """A value of the other version is a miss or its equal, and what it deletes is loaded anew."""

    def run(version: str, action: str) -> Any:
        environment = {"PYTHONPATH": f"{layers[version]}:{FOLDER}", **place}
        command = [sys.executable, "-c", action]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        assert done.stderr == ""
        return json.loads(done.stdout)

    first = run(one, READ)
    assert run(one, READ) == first
    run(other, DELETE)
    second = run(one, READ)
    assert second["loaded"] > first["loaded"]
    others = run(other, READ)
    assert others["currency"] == "EUR"
    assert others["loaded"] >= second["loaded"]
    assert run(other, READ) == others
    assert run(one, READ)["loaded"] >= others["loaded"]
