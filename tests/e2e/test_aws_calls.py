"""How many AWS calls a request takes, counted at the Lambdas' endpoint."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlencode

import pytest

from silvaengine_cli import deploy

from .conftest import Deployment, wait_for_record, wait_for_status
from .registry_rows import API_KEY, ENDPOINT
from .socket_client import Socket

KEY = {"x-api-key": API_KEY}


@pytest.fixture
def cold(deployment: Deployment) -> Iterator[Deployment]:
    """The deployment with a gateway that has yet to start, and does not look for changes of the registry.

    The look is one more call every five seconds, and when it comes depends on this machine's speed.
    """
    functions, arn = deployment.engine.client("lambda"), deployment.outputs.http_gateway_arn
    usual = functions.get_function_configuration(FunctionName=arn)["Environment"]["Variables"]

    def restart(variables: Mapping[str, str]) -> None:
        functions.update_function_configuration(FunctionName=arn, Environment={"Variables": variables})
        deploy.redeploy_function(deployment.project, deployment.engine, deployment.outputs, "HttpGateway")

    restart(usual | {"REGISTRY_REFRESH_SECONDS": "3600"})
    deployment.proxy.wait_until_quiet()
    yield deployment
    restart(usual)


def test_a_cold_request_makes_six_aws_calls_and_a_warm_one_one(cold: Deployment) -> None:
    """A cold request takes at most six calls and the Invoke, each warm one the Invoke alone."""
    with cold.proxy.recorded() as calls:
        assert cold.api.get("/core/e2e/settings", KEY).status == 200
    assert calls[-1] == "Lambda.Invoke"
    assert sorted(calls[:-1]) == ["DynamoDB.BatchGetItem", "DynamoDB.GetItem", *["DynamoDB.Query"] * 3]
    for _ in range(5):
        with cold.proxy.recorded() as calls:
            assert cold.api.get("/core/e2e/settings", KEY).status == 200
        assert calls == ["Lambda.Invoke"]


def test_a_warm_message_makes_two_aws_calls(cold: Deployment) -> None:
    """One Invoke by the gateway and one post by the worker; what opens a socket is read before."""
    query = urlencode({"endpointId": ENDPOINT, "area": "core", "x-api-key": API_KEY})
    functions, arn = cold.engine.client("lambda"), cold.outputs.websocket_gateway_arn
    usual = functions.get_function_configuration(FunctionName=arn)["Environment"]["Variables"]
    functions.update_function_configuration(
        FunctionName=arn, Environment={"Variables": usual | {"REGISTRY_REFRESH_SECONDS": "3600"}}
    )
    with Socket(f"{cold.outputs.websocket_url}?{query}") as socket:
        for number in range(5):
            with cold.proxy.recorded() as calls:
                socket.send({"id": str(number), "funct": "echo"})
                assert socket.json()["id"] == str(number)
            assert number == 0 or calls == ["Lambda.Invoke", "PostToConnection"]
    functions.update_function_configuration(FunctionName=arn, Environment={"Variables": usual})


def test_a_secret_makes_one_aws_call_more(cold: Deployment) -> None:
    """A setting that refers to a secret arrives resolved, by one call, and the next request needs none."""
    cold.engine.client("ssm").put_parameter(
        Name="/silvaengine/beta/e2e", Value="open sesame", Type="SecureString"
    )
    with cold.proxy.recorded() as calls:
        assert cold.api.get("/core/e2e/secret", KEY).json() == {"password": "open sesame"}
    assert calls.count("AmazonSSM.GetParameter") == 1
    with cold.proxy.recorded() as calls:
        assert cold.api.get("/core/e2e/secret", KEY).json() == {"password": "open sesame"}
    assert calls == ["Lambda.Invoke"]


def test_an_idempotent_call_makes_three_aws_calls(cold: Deployment, tmp_path: Path) -> None:
    """With an Idempotency-Key: the claim, the Invoke and what the worker settles; the secret is read once."""
    body = {"path": str(tmp_path / "effects"), "call": "1"}
    for attempt in range(3):
        with cold.proxy.recorded() as calls:
            response = cold.api.post("/core/e2e/effect", body, {**KEY, "idempotency-key": f"three-{attempt}"})
            assert response.status == 200
    assert calls == ["DynamoDB.PutItem", "Lambda.Invoke", "DynamoDB.UpdateItem"]


def test_a_job_makes_two_aws_calls_to_accept_and_two_to_run(cold: Deployment, tmp_path: Path) -> None:
    """To accept a job: the write and the Invoke; to run it: the claim and what is settled."""
    body = {"path": str(tmp_path / "effects"), "call": "1"}
    wanted = ["DynamoDB.PutItem", *["DynamoDB.UpdateItem"] * 2, "Lambda.Invoke"]
    for _ in range(5):  # until one meets a gateway that has everything read
        log = cold.worker_log()
        with cold.proxy.recorded() as calls:
            job_id = cold.api.post("/core/e2e/effect_later", body, KEY).json()["job_id"]
            wait_for_record(log, lambda record, job_id=job_id: record.get("job_id") == job_id)  # type: ignore[misc]
        if sorted(calls) == wanted:
            break
    assert sorted(calls) == wanted
    assert calls[0] == "DynamoDB.PutItem"
    assert wait_for_status(cold.api, job_id, {"succeeded"})["result"]["call"] == "1"


def test_refused_request_invokes_nothing(deployment: Deployment) -> None:
    """What the registry refuses never reaches a worker."""
    with deployment.proxy.recorded() as calls:
        assert deployment.api.get("/core/e2e/guarded", KEY).status == 403
    assert "Lambda.Invoke" not in calls
