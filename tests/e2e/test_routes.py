"""Routes of the demo's functions on a real deployment, and the OpenAPI document of two keys."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from click.testing import CliRunner
from openapi_spec_validator import OpenAPIV31SpecValidator

from silvaengine_cli import deploy
from silvaengine_cli.main import cli

from .conftest import Deployment, wait_for_record
from .http_client import Api

DISH = "/core/demo/dishes/soup"
ACME = {"x-api-key": "demo-key-acme"}


@pytest.mark.parametrize("path", [DISH, f"{DISH}/", f"{DISH}?name=bread", "/core/demo/dishes/s%6fup"])
def test_a_route_reaches_its_function(path: str, api: Api) -> None:
    """A slash at the end means nothing, nor does a query's member of that name; an escape is decoded."""
    response = api.get(path)
    assert (response.status, response.json()) == (200, {"name": "soup", "made_of": ["leek", "potato"]})


def test_a_path_is_another_function_by_another_method(api: Api) -> None:
    """The body's members are parameters, but not in place of the path's."""
    sent = {"content-type": "application/json"}
    response = api.request("PUT", DISH, body=b'{"stars": 5, "name": "bread"}', headers=sent)
    assert (response.status, response.json()) == (200, {"name": "soup", "stars": 5, "tenant": "demo"})


def test_head_and_what_the_path_does_not_allow(api: Api) -> None:
    """HEAD is like GET, without a body; 405 has the methods of the path; another path is a 404."""
    head = api.request("HEAD", DISH)
    assert (head.status, head.body) == (200, b"")
    refused = api.post(DISH, {})
    assert (refused.status, refused.headers["allow"]) == (405, "GET, PUT, HEAD, OPTIONS")
    assert api.request("OPTIONS", DISH).status == 204
    assert api.get(f"{DISH}/salt").status == 404


def test_the_rest_of_a_path(api: Api) -> None:
    """It has its slashes."""
    response = api.get(f"{DISH}/recipes/peel/boil")
    assert response.json() == {"name": "soup", "steps": ["peel", "boil"]}


def test_a_function_with_a_route_has_its_name(api: Api) -> None:
    """There its parameters are those of any function."""
    assert api.get("/core/demo/dish?name=bread").json()["made_of"] == ["rye", "wheat"]


def test_a_job_by_a_route(api: Api) -> None:
    """Its Location is where its status is."""
    response = api.request("GET", DISH, headers={"prefer": "respond-async"})
    assert response.status == 202
    location = urlsplit(urljoin(DISH, response.headers["location"]))
    status = api.get(f"{location.path}?{location.query}")
    assert (status.status, status.json()["function"]) == (200, "dish")


def test_the_log_lines_name_the_function(api: Api, deployment: Deployment) -> None:
    """Both Lambdas' lines have the function's name, and neither has the path."""
    logs = [deployment.gateway_log(), deployment.worker_log()]
    request_id = api.get(DISH).headers["x-request-id"]
    for log in logs:
        line = wait_for_record(log, lambda record: record.get("request_id") == request_id)
        assert line["function"] == "dish"
        assert "soup" not in json.dumps(line)


def _operations(document: Any) -> set[str]:
    OpenAPIV31SpecValidator(document).validate()
    return {each["operationId"] for item in document["paths"].values() for each in item.values()}


def test_each_key_has_its_document(api: Api) -> None:
    """It says what the key may call, and nothing else; a client that has it gets 304."""
    demo, acme = api.get("/core/demo/openapi.json"), api.get("/core/acme/openapi.json", ACME)
    assert {"hello", "dish", "rate_dish", "recipe", "menu"} < _operations(demo.json())
    assert not {"heard", "versions", "member"} & _operations(demo.json())
    assert _operations(acme.json()) == {
        "hello", "hello.get", "whoami", "whoami.get", "rate", "dish", "job_status"
    }  # fmt: skip
    assert demo.json()["paths"]["/dishes/{name}"].keys() == {"get", "put"}
    again = api.get("/core/acme/openapi.json", ACME | {"if-none-match": acme.headers["etag"]})
    assert (again.status, again.body) == (304, b"")
    assert api.get("/core/acme/openapi.json").status == 403


def test_the_command_writes_the_same_document(api: Api, deployment: Deployment, tmp_path: Path) -> None:
    """But for the server, which is where the deployment is, and the version, which is a digest."""
    output = tmp_path / "openapi.json"
    stack = ["--stack", deploy.LOCAL_STACK, "--endpoint-url", deployment.engine.url]
    arguments = ["openapi", "acme", "--api-key", "demo-key-acme", "--output", str(output), *stack]
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 0, done.output
    written, served = json.loads(output.read_text()), api.get("/core/acme/openapi.json", ACME).json()
    assert written["servers"] == [{"url": f"{deployment.outputs.api_url}/core/acme"}]
    for document in (written, served):
        del document["servers"], document["info"]["version"]
    assert written == served
