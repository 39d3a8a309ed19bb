"""Cached functions through HTTP: computed once, shared by instances, cleared by whoever may."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from subprocess import Popen
from time import monotonic, sleep
from typing import Any

import pytest
from click.testing import CliRunner
from tests.redis_server import running_redis

from silvaengine_cli import deploy
from silvaengine_cli.engine import LocalEngine
from silvaengine_cli.main import cli
from silvaengine_cli.registry.apply import apply_file
from silvaengine_cli.registry.tables import RegistryTables
from silvaengine_cli.watch import REGISTRY_FILE

from .conftest import Deployment
from .http_client import Api, Response
from .registry_rows import ADMIN_KEY, API_KEY, Rows
from .second_stack import deploy_again

KEY = {"x-api-key": API_KEY}
ADMIN = {"x-api-key": ADMIN_KEY}
SEEN_SECONDS = 20.0  # without Redis a clear is seen within five
STACK = "with-redis"


def number(api: Api, name: str, endpoint: str = "e2e") -> str:
    """Ask for the cached number of a name."""
    return str(api.get(f"/core/{endpoint}/number?name={name}", ADMIN).json()["number"])


def clear(api: Api, query: str = "", endpoint: str = "e2e") -> Response:
    """Clear by HTTP."""
    return api.get(f"/core/{endpoint}/cache_clear{query}", ADMIN)


def eventually[T](ask: Callable[[], T], wanted: Callable[[T], bool]) -> T:
    """Ask until the response is as wanted, or the time is over."""
    deadline = monotonic() + SEEN_SECONDS
    while not wanted(response := ask()) and monotonic() < deadline:
        sleep(0.2)
    return response


def instances(api: Api, name: str, count: int = 4) -> dict[int, set[str]]:
    """Ask several worker instances at once; return each one's numbers by its process."""
    with ThreadPoolExecutor(count) as pool:
        path = f"/core/e2e/number?name={name}&seconds=0.5"
        responses = [one.json() for one in pool.map(lambda _: api.get(path, KEY), range(count))]
    found: dict[int, set[str]] = {}
    for response in responses:
        found.setdefault(response["process"], set()).add(response["number"])
    return found


def test_computed_once_and_cleared_by_pattern(api: Api) -> None:
    """A value is kept until a pattern that matches its key is cleared; other keys stay."""
    first, other = number(api, "one"), number(api, "two")
    assert number(api, "one") == first
    response = clear(api, "?cache_name=e2e.Numbers&cache_key=number_of:on*")
    assert response.status == 200
    assert (
        response.json().items()
        >= {"success": True, "cache_name": "e2e.Numbers", "redis_available": False}.items()
    )
    assert eventually(lambda: number(api, "one"), lambda found: found != first) != first
    assert number(api, "two") == other


def test_the_statistics_have_the_specifications_members(api: Api) -> None:
    """They have the specification's members, and say whose the counters are."""
    number(api, "stats")
    response = api.get("/core/e2e/cache_stats?cache_name=e2e.Numbers", ADMIN).json()
    assert response.keys() >= {
        "success",
        "cache_name",
        "redis_available",
        "disk_available",
        "disk_path",
        "instance",
        "fleet",
    }
    assert response["disk_path"].endswith("/e2e.^Numbers")


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Popen[bytes]]]:
    """A Redis server."""
    with running_redis(tmp_path_factory.mktemp("redis")) as running:
        yield running


@pytest.fixture(scope="module")
def cached(deployment: Deployment, redis: tuple[int, Popen[bytes]]) -> deploy.StackOutputs:
    """A second stack, of the same artefacts, that has Redis."""
    parameters = {
        "TablePrefix": "cached-",
        "RedisHost": "127.0.0.1",
        "RedisPort": str(redis[0]),
        "CacheDir": "none",
        "RedisWorkerUsername": "default",
    }
    outputs = deploy_again(deployment, STACK, parameters)
    tables, file = deployment.engine.client("dynamodb"), deployment.project / REGISTRY_FILE
    apply_file(file, RegistryTables(tables, outputs.table_prefix), outputs.worker_arn)
    Rows(tables, outputs.table_prefix).put_test_registry(outputs.worker_arn)
    return outputs


def run(engine: LocalEngine, *arguments: str) -> Any:
    """Run the command against the second stack."""
    where = ["--stack", STACK, "--endpoint-url", engine.url, "--region", "us-east-1"]
    result = CliRunner().invoke(cli, [*arguments, *where])
    assert result.exit_code == 0, result.output
    return result.output


def test_instances_share_and_see_a_clear_at_once(cached: deploy.StackOutputs) -> None:
    """With Redis several instances give one number, and each gives the new one right after a clear."""
    api = Api(cached.api_url)
    old = number(api, "shared")
    before = instances(api, "shared")
    assert len(before) > 1, "the engine must have started several workers"
    assert set.union(*before.values()) == {old}
    assert clear(api, "?cache_name=e2e.Numbers&cache_key=number_of:shared").json()["redis_available"] is True
    new = number(api, "shared")
    assert new != old
    after = instances(api, "shared")
    assert len(after) > 1
    assert set.union(*after.values()) == {new}


def test_the_shell_does_the_same(cached: deploy.StackOutputs, engine: LocalEngine) -> None:
    """`silvaengine cache` lists keys, shows counters of the whole fleet, and clears."""
    api = Api(cached.api_url)
    old = number(api, "shell")
    assert "e2e:e2e_functions.number_of:shell" in run(engine, "cache", "keys", "--name", "e2e.Numbers")
    assert "misses" in run(engine, "cache", "stats", "--name", "e2e.Numbers", "--endpoint", "e2e")
    run(engine, "cache", "clear", "--name", "e2e.Numbers", "--key", "number_of:sh*", "--endpoint", "e2e")
    assert number(api, "shell") != old


def test_an_applied_change_is_live_at_the_next_request(
    cached: deploy.StackOutputs, engine: LocalEngine, tmp_path: Path
) -> None:
    """With Redis the first request after `apply` sees what was applied."""
    api = Api(cached.api_url)
    for word in ("One", "Two", "Three"):
        file = tmp_path / "registry.yaml"
        file.write_text(
            "functions:\n"
            "  hello: {module: silvaengine_demo.greetings, class: Greetings, area: core, settings: demo}\n"
            f"settings: {{demo: {{greeting: {word}}}}}\n"
        )
        run(engine, "apply", "--file", str(file))
        assert api.get("/core/demo/hello?name=Ada").json()["message"].startswith(word)


# The last one, since it takes Redis away from the others.
def test_a_stack_without_its_redis_answers_and_says_so(
    cached: deploy.StackOutputs, redis: tuple[int, Popen[bytes]]
) -> None:
    """Without its Redis a stack answers all the same, and says that it could not clear."""
    api = Api(cached.api_url)
    old = number(api, "gone")
    redis[1].kill()
    redis[1].wait()
    for _ in range(3):
        assert api.get("/core/e2e/number?name=gone", ADMIN).status == 200
    assert old
    response = clear(api, "?cache_name=e2e.Numbers")
    assert response.status == 503
    assert "retry-after" in response.headers
