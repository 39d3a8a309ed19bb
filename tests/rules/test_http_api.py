"""With ApiKind http an HTTP API stands where the REST API was: its gateway, stage, limits, logs, alarms."""

from pathlib import Path
from typing import Any

import click
import pytest

from silvaengine_cli.preflight.stack import Stack
from silvaengine_cli.project import Project
from silvaengine_cli.stages import all_parameters

from .conftest import PROJECT, TEMPLATE

DOMAIN = {
    "HttpDomainName": "api.example.com",
    "HttpCertificateArn": "arn:aws:acm:eu-central-1:111122223333:certificate/1",
}


def stack(**parameters: str) -> Stack:
    """Return a stack of the template with an HTTP API, unless parameters say otherwise."""
    return Stack.of(TEMPLATE, "silvaengine", {"ApiKind": "http", **parameters})


def properties(found: Stack, kind: str) -> dict[str, Any]:
    """Return the properties of the one resource of a type that isn't the WebSocket API's."""
    (each,) = (it for name, it in found.of_type(kind).items() if not name.startswith("Websocket"))
    return dict(each["Properties"])


@pytest.fixture(scope="module")
def http() -> Stack:
    """A stack with an HTTP API and nothing else chosen."""
    return stack()


def test_there_is_one_api_for_http(http: Stack) -> None:
    """There is no REST API beside the HTTP API, nor the other way round; ApiId names the one there is."""
    assert not [name for name, each in http.resources.items() if "::ApiGateway::" in each["Type"]]
    assert (http.outputs["ApiId"]["Value"], properties(http, "AWS::ApiGatewayV2::Api")["ProtocolType"]) == (
        {"Ref": "HttpApi"},
        "HTTP",
    )
    rest = stack(ApiKind="rest")
    assert not [name for name in rest.resources if name.startswith("HttpApi")]
    assert rest.outputs["ApiId"]["Value"] == {"Ref": "RestApi"}


def test_every_request_goes_to_the_gateway(http: Stack) -> None:
    """All of them by one route, as events of payload 2.0, and the API may invoke it."""
    route, sent = (properties(http, f"AWS::ApiGatewayV2::{kind}") for kind in ("Route", "Integration"))
    assert route["RouteKey"] == "$default"
    assert route["Target"] == {"Fn::Sub": "integrations/${HttpApiIntegration}"}
    assert str(sent["IntegrationUri"]).endswith("-HttpGateway/invocations")
    assert sent["PayloadFormatVersion"] == "2.0"
    permission = http.resources["HttpGatewayPermission"]["Properties"]
    assert permission["SourceArn"]["Fn::Sub"].endswith(":${HttpApi}/*")


def test_the_stage_is_as_a_rest_api_s() -> None:
    """It has the stage's name, which settings are named by, its limits, and access logs on demand."""
    found = stack(Stage="prod", HttpRateLimit="7", HttpBurstLimit="9", AccessLogs="true")
    stage = properties(found, "AWS::ApiGatewayV2::Stage")
    assert (stage["StageName"], stage["AutoDeploy"]) == ("prod", True)
    assert stage["DefaultRouteSettings"] == {"ThrottlingRateLimit": "7", "ThrottlingBurstLimit": "9"}
    assert "$context.status" in stage["AccessLogSettings"]["Format"]
    assert "AccessLogSettings" not in properties(stack(), "AWS::ApiGatewayV2::Stage")
    assert found.text(found.outputs["ApiUrl"]["Value"]).endswith(".amazonaws.com/prod")


def test_its_alarms_watch_the_metrics_that_it_has(http: Stack) -> None:
    """docs.aws.amazon.com/apigateway/latest/developerguide/http-api-metrics.html."""
    watched = {
        each["Properties"]["MetricName"]: each["Properties"]["Dimensions"]
        for each in http.of_type("AWS::CloudWatch::Alarm").values()
        if each["Properties"].get("Namespace") == "AWS/ApiGateway"
    }
    own = [{"Name": "ApiId", "Value": {"Ref": "HttpApi"}}, {"Name": "Stage", "Value": "beta"}]
    assert {name: watched[name] for name in watched.keys() - {"ExecutionError"}} == {
        "5xx": own,
        "Latency": own,
    }


@pytest.mark.parametrize("kind", ["rest", "http"])
def test_a_domain_leads_to_the_stage(kind: str) -> None:
    """Either API has it: clients send no stage, and the DNS record's target is an output."""
    found = stack(ApiKind=kind, DisableExecuteApiEndpoint="true", **DOMAIN)
    (configured,) = properties(found, "AWS::ApiGatewayV2::DomainName")["DomainNameConfigurations"]
    assert configured["CertificateArn"] == DOMAIN["HttpCertificateArn"]
    mapping = properties(found, "AWS::ApiGatewayV2::ApiMapping")
    assert mapping == {
        "DomainName": {"Ref": "HttpDomain"},
        "ApiId": {"Ref": "RestApi" if kind == "rest" else "HttpApi"},
        "Stage": {"Ref": "RestApibetaStage" if kind == "rest" else "HttpApiStage"},
    }
    assert found.outputs["ApiUrl"]["Value"] == "https://api.example.com"
    assert found.outputs["HttpDomainTarget"]["Value"] == {"Fn::GetAtt": ["HttpDomain", "RegionalDomainName"]}


def test_its_default_address_can_be_closed(http: Stack) -> None:
    """Behind a custom domain clients reach it by that alone."""
    closed = stack(DisableExecuteApiEndpoint="true", **DOMAIN)
    found = [properties(each, "AWS::ApiGatewayV2::Api") for each in (http, closed)]
    assert [each["DisableExecuteApiEndpoint"] for each in found] == [False, True]


REFUSED = {
    "WebAclArn needs ApiKind rest": {"ApiKind": "http", "WebAclArn": "arn:aws:wafv2:eu-central-1:1:x"},
    "HttpDomainName needs HttpCertificateArn": {"HttpDomainName": "api.example.com"},
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_does_not_go_together_is_refused(message: str, tmp_path: Path) -> None:
    """By CloudFormation's rules, and before it by preflight, deploy and silvaengine.toml."""
    given = REFUSED[message]
    with pytest.raises(ValueError, match=message):
        Stack.of(TEMPLATE, "silvaengine", given)
    with pytest.raises(click.ClickException, match=message):
        all_parameters(PROJECT, given, None)
    members = "".join(f'{name} = "{value}"\n' for name, value in given.items())
    (tmp_path / "silvaengine.toml").write_text(f'stack = "shop"\n[stages.prod.parameters]\n{members}')
    with pytest.raises(click.ClickException, match=message):
        Project.find(tmp_path)
