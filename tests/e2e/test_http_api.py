"""An HTTP API before the gateway: a second stack has one, and each file meets it with ``--api-kind http``."""

import http.client
from urllib.parse import urlsplit

import pytest
from botocore.exceptions import ClientError, WaiterError

from silvaengine.tables import DEFAULT_API_KEY
from silvaengine_cli import deploy
from silvaengine_cli.deploy import failed_resources
from silvaengine_cli.registry.apply import apply_file
from silvaengine_cli.registry.tables import RegistryTables
from silvaengine_cli.watch import REGISTRY_FILE

from . import mcp_oauth, mcp_python
from .authorization_server import authorization_server
from .conftest import Deployment
from .http_client import Api
from .registry_rows import API_KEY, Rows
from .second_stack import deploy_again

KEY = {"x-api-key": API_KEY}
DOMAIN = "api.example.com"


@pytest.fixture(scope="module")
def outputs(deployment: Deployment) -> deploy.StackOutputs:
    """A second stack, of the same artefacts, with an HTTP API and a domain."""
    certificate = deployment.engine.client("acm").request_certificate(DomainName=DOMAIN)["CertificateArn"]
    parameters = {
        "ApiKind": "http",
        "TablePrefix": "http-api-",
        "HttpDomainName": DOMAIN,
        "HttpCertificateArn": certificate,
        "LogFormat": "JSON",
    }
    made = deploy_again(deployment, "with-http-api", parameters)
    tables, file = deployment.engine.client("dynamodb"), deployment.project / REGISTRY_FILE
    apply_file(file, RegistryTables(tables, made.table_prefix), made.worker_arn)
    Rows(tables, made.table_prefix).put_test_registry(made.worker_arn)
    return made


@pytest.fixture(scope="module")
def api(outputs: deploy.StackOutputs) -> Api:
    """That API."""
    return Api(outputs.api_url)


def test_a_request_and_its_response(api: Api) -> None:
    """Query, JSON, bytes, cookies and HEAD are as with a REST API."""
    assert api.get("/core/demo/hello?name=Ada").json() == {"message": "Hello, Ada!"}
    assert api.post("/core/demo/divide", {"a": 7, "b": 2}).json() == 3.5
    picture = api.get("/core/demo/picture")
    assert (picture.headers["content-type"], picture.body[:4]) == ("image/png", b"\x89PNG")
    assert api.request("HEAD", "/core/demo/hello").body == b""
    assert api.get("/core/e2e/settings", KEY).body == b'{"greeting": "Good day", "password": "hunter2"}'


def test_the_gateway_answers_for_itself(api: Api) -> None:
    """Preflights, wrong keys and paths that are too short reach it, whatever the route."""
    preflight = api.request("OPTIONS", "/core/demo/hello", headers={"origin": "https://example.com"})
    assert (preflight.status, preflight.headers["access-control-allow-origin"]) == (204, "*")
    for path, status in (("/core/e2e/settings", 403), ("/core", 404), ("/", 404)):
        refused = api.get(path)
        assert (refused.status, refused.json()["request_id"]) == (status, refused.headers["x-request-id"])


def test_a_domain_leads_to_it(deployment: Deployment, outputs: deploy.StackOutputs) -> None:
    """Its root is the stage."""
    connection = http.client.HTTPConnection(urlsplit(deployment.engine.url).netloc, timeout=40)
    connection.request("GET", "/core/demo/hello?name=Ada", headers={"Host": DOMAIN})
    assert connection.getresponse().read() == b'{"message": "Hello, Ada!"}'
    connection.close()
    assert outputs.api_url.startswith(deployment.engine.url)


def test_an_agent_gets_a_token_by_itself(deployment: Deployment, outputs: deploy.StackOutputs) -> None:
    """From the first 401 to a call: it finds the issuer, registers, asks its user, and asks for more scopes.

    MCP's authorization by its Python SDK, at the domain, whose TLS alone is not the engine's.
    """
    rows = Rows(deployment.engine.client("dynamodb"), outputs.table_prefix)
    path, name, scopes = "/tokens/agents/mcp", "tokens_context", {"tickets", "tickets.read"}
    url, address = f"https://{DOMAIN}{path}", urlsplit(deployment.engine.url).netloc
    entries = [{"aws_lambda_arn": outputs.worker_arn, "function": name, "setting": ""}]
    rows.put("endpoints", endpoint_id="agents", special_connection=True)
    rows.put("connections", endpoint_id="agents", api_key=DEFAULT_API_KEY, functions=entries)
    with authorization_server("tickets.read") as issuer:
        authorizer = {"type": "jwt", "issuer": issuer.name, "audience": url, "scopes": [*scopes]}
        for variable, value in (("authorizer", authorizer), ("mcp", True)):
            rows.put("configdata", setting_id="beta_tokens_agents", variable=variable, value=value)
        version, tools, called, asked = mcp_python.run(mcp_oauth.SOURCE, url, address)
    claims = called["authorizer"]
    assert (version, tools) == ("2026-07-28", [name])
    assert (claims["sub"], claims["aud"], {*claims["scope"].split()}) == ("ada", url, scopes)
    assert asked == [
        ["POST", path, 401],
        ["GET", f"{path}/.well-known/oauth-protected-resource", 200],
        ["GET", "/.well-known/oauth-authorization-server", 200],
        ["POST", "/register", 201],
        ["POST", "/token", 200],
        *[["POST", path, 403]] * 2,  # what the first token has asked for, and the next request
        ["POST", "/token", 200],
        *[["POST", path, 200]] * 3,
    ]


def test_lambda_s_own_lines_are_left_out(deployment: Deployment, outputs: deploy.StackOutputs) -> None:
    """Each of the stack's Lambdas logs as it was asked for."""
    functions = deployment.engine.client("lambda")
    for arn in (outputs.http_gateway_arn, outputs.worker_arn):
        found = functions.get_function_configuration(FunctionName=arn)["LoggingConfig"]
        assert (found["LogFormat"], found["SystemLogLevel"]) == ("JSON", "WARN")


def test_a_web_acl_is_refused_with_it(deployment: Deployment) -> None:
    """CloudFormation makes nothing of such a stack."""
    parameters = {"ApiKind": "http", "TablePrefix": "refused-", "WebAclArn": "arn:aws:wafv2:us-east-1:1:x"}
    with pytest.raises((ClientError, WaiterError)) as refusal:
        deploy_again(deployment, "refused", parameters)
    reasons = failed_resources(deployment.engine.client("cloudformation"), "refused")
    assert "WebAclArn needs ApiKind rest" in str(refusal.value) + str(reasons)
