"""How many AWS calls a request takes, counted at the Lambdas' endpoint."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from urllib.parse import urlencode

import pytest

from .conftest import Deployment, wait_for_record, wait_for_status
from .registry_rows import API_KEY, ENDPOINT
from .socket_client import Socket
from .test_announcements import eventually

KEY = {"x-api-key": API_KEY}


@pytest.fixture
def cold(deployment: Deployment) -> Iterator[Deployment]:
    """The deployment with a gateway that has yet to start, and does not look for changes of the registry.

    The look is one more call every five seconds, and when it comes depends on this machine's speed.
    """
    before = variables_of(deployment)
    restart(deployment, before | {"REGISTRY_REFRESH_SECONDS": "3600"})
    yield deployment
    restart(deployment, before)


def variables_of(deployment: Deployment) -> dict[str, str]:
    """Return the gateway's environment."""
    functions, arn = deployment.engine.client("lambda"), deployment.outputs.http_gateway_arn
    return dict(functions.get_function_configuration(FunctionName=arn)["Environment"]["Variables"])


def restart(deployment: Deployment, variables: Mapping[str, str]) -> None:
    """Give the gateway an environment, for which Lambda ends what runs, and wait until it is quiet."""
    deployment.engine.client("lambda").update_function_configuration(
        FunctionName=deployment.outputs.http_gateway_arn, Environment={"Variables": variables}
    )
    deployment.proxy.wait_until_quiet()


def usual(deployment: Deployment, ask: Callable[[int], object], times: int = 7) -> list[str]:
    """Return the calls that most of several requests make: what others begin meanwhile falls into a few.

    ``ask`` gets a request's number; the first one isn't counted.
    """
    seen: Counter[tuple[str, ...]] = Counter()
    for number in range(times):
        with deployment.proxy.recorded() as calls:
            ask(number)
        seen[tuple(calls)] += number > 0
    ((most, count),) = seen.most_common(1)
    assert count > times // 2, seen
    return list(most)


def test_a_cold_request_makes_six_aws_calls_and_a_warm_one_one(cold: Deployment) -> None:
    """A cold request takes at most six calls and the Invoke, each warm one the Invoke alone."""

    def ask_cold() -> list[str]:
        restart(cold, variables_of(cold))
        with cold.proxy.recorded() as calls:
            assert cold.api.get("/core/e2e/settings", KEY).status == 200
        return sorted(calls)

    reads = ["DynamoDB.BatchGetItem", "DynamoDB.GetItem", *["DynamoDB.Query"] * 3]
    # On a busy machine a read may have been sent again.
    assert eventually(ask_cold, [*reads, "Lambda.Invoke"].__eq__) == [*reads, "Lambda.Invoke"]
    assert usual(cold, lambda _: cold.api.get("/core/e2e/settings", KEY)) == ["Lambda.Invoke"]


def test_a_warm_message_makes_two_aws_calls(cold: Deployment) -> None:
    """One Invoke by the gateway and one post by the worker; what opens a socket is read before."""
    query = urlencode({"endpointId": ENDPOINT, "area": "core", "x-api-key": API_KEY})
    functions, arn = cold.engine.client("lambda"), cold.outputs.websocket_gateway_arn
    before = functions.get_function_configuration(FunctionName=arn)["Environment"]["Variables"]
    functions.update_function_configuration(
        FunctionName=arn, Environment={"Variables": before | {"REGISTRY_REFRESH_SECONDS": "3600"}}
    )
    with Socket(f"{cold.outputs.websocket_url}?{query}") as socket:

        def send(number: int) -> None:
            socket.send({"id": str(number), "funct": "echo"})
            assert socket.json()["id"] == str(number)

        assert usual(cold, send) == ["Lambda.Invoke", "PostToConnection"]
    functions.update_function_configuration(FunctionName=arn, Environment={"Variables": before})


def test_a_secret_makes_one_aws_call_more(cold: Deployment) -> None:
    """A setting that refers to a secret arrives resolved, by one call, and the next request needs none."""
    cold.engine.client("ssm").put_parameter(
        Name="/silvaengine/beta/e2e", Value="open sesame", Type="SecureString"
    )
    with cold.proxy.recorded() as calls:
        assert cold.api.get("/core/e2e/secret", KEY).json() == {"password": "open sesame"}
    assert calls.count("AmazonSSM.GetParameter") == 1
    assert usual(cold, lambda _: cold.api.get("/core/e2e/secret", KEY)) == ["Lambda.Invoke"]


def test_an_idempotent_call_makes_three_aws_calls(cold: Deployment, tmp_path: Path) -> None:
    """With an Idempotency-Key: the claim, the Invoke and what the worker settles; the secret is read once."""
    body = {"path": str(tmp_path / "effects"), "call": "1"}

    def repeat(attempt: int) -> None:
        key = {**KEY, "idempotency-key": f"three-{attempt}"}
        assert cold.api.post("/core/e2e/effect", body, key).status == 200

    assert usual(cold, repeat) == ["DynamoDB.PutItem", "Lambda.Invoke", "DynamoDB.UpdateItem"]


def test_a_job_makes_two_aws_calls_to_accept_and_two_to_run(cold: Deployment, tmp_path: Path) -> None:
    """To accept a job: the write and the Invoke; to run it: the claim and what is settled."""
    body = {"path": str(tmp_path / "effects"), "call": "1"}
    jobs: list[str] = []

    def accept(_: int) -> None:
        log = cold.worker_log()
        jobs.append(cold.api.post("/core/e2e/effect_later", body, KEY).json()["job_id"])
        wait_for_record(log, lambda record: record.get("job_id") == jobs[-1])

    calls = usual(cold, accept)
    assert sorted(calls) == ["DynamoDB.PutItem", *["DynamoDB.UpdateItem"] * 2, "Lambda.Invoke"]
    assert calls[0] == "DynamoDB.PutItem"
    assert wait_for_status(cold.api, jobs[-1], {"succeeded"})["result"]["call"] == "1"


def test_refused_request_invokes_nothing(deployment: Deployment) -> None:
    """What the registry refuses never reaches a worker."""
    with deployment.proxy.recorded() as calls:
        assert deployment.api.get("/core/e2e/guarded", KEY).status == 403
    assert "Lambda.Invoke" not in calls
