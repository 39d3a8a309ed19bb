"""How many AWS calls a request takes, counted at the Lambdas' endpoint."""

from collections.abc import Iterator, Mapping

import pytest

from silvaengine_cli import deploy

from .conftest import Deployment
from .registry_rows import API_KEY

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
    yield deployment
    restart(usual)


def test_cold_and_warm(cold: Deployment) -> None:
    """A cold request takes at most six calls and the Invoke, each warm one the Invoke alone."""
    with cold.proxy.recorded() as calls:
        assert cold.api.get("/core/e2e/settings", KEY).status == 200
    assert calls[-1] == "Lambda.Invoke"
    assert sorted(calls[:-1]) == ["DynamoDB.BatchGetItem", "DynamoDB.GetItem", *["DynamoDB.Query"] * 3]
    for _ in range(5):
        with cold.proxy.recorded() as calls:
            assert cold.api.get("/core/e2e/settings", KEY).status == 200
        assert calls == ["Lambda.Invoke"]


def test_a_secret_takes_one_call_more(cold: Deployment) -> None:
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


def test_refused_request_invokes_nothing(deployment: Deployment) -> None:
    """What the registry refuses never reaches a worker."""
    with deployment.proxy.recorded() as calls:
        assert deployment.api.get("/core/e2e/guarded", KEY).status == 403
    assert "Lambda.Invoke" not in calls
