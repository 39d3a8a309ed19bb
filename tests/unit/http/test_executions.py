"""Jobs and idempotency keys, as a client meets them."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from silvaengine.aws.http import Response
from silvaengine.aws.lambda_invoker import LambdaInvoker
from silvaengine.errors import InvocationError, NotStartedError, UnavailableError
from silvaengine.protocol.messages import ExecutionRef, WorkerResponse
from silvaengine.registry.policy import ExecutionPolicy
from silvaengine_http.path import read_path
from silvaengine_http.request import read_request

from .conftest import NOW

type EventOf = Callable[..., dict[str, Any]]

KEY = "order-1"


@pytest.fixture
def request_of(event_of: EventOf) -> EventOf:
    """Build a POST with a JSON body, headers and a path after the function's name."""

    def build(
        body: Any = None, *, method: str = "POST", path: str = "", context: Any = None, **headers: str
    ) -> dict[str, Any]:
        event = event_of(**(context or {}))
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        whole = f"/core/acme/greet{path}"
        parameters = {"area": "core", "endpoint_id": "acme", "proxy": whole.split("/", 3)[3]}
        return event | {
            "httpMethod": method,
            "path": whole,
            "pathParameters": parameters,
            "headers": {**event["headers"], **named},
            "multiValueHeaders": None,
            "body": json.dumps(body or {"name": "Ada"}),
            "isBase64Encoded": False,
        }

    return build


@pytest.fixture
def ask(world: Any, request_of: EventOf) -> Callable[..., Any]:
    """Send a request; the response's body is decoded."""

    def send(*arguments: Any, **headers: Any) -> Any:
        return world.call(request_of(*arguments, **headers))

    return send


def settle(world: Any, response: WorkerResponse, state: str = "succeeded") -> None:
    """Do what the worker does at its end."""
    job = ExecutionRef(**world.payload["job"])
    owner = job.owner if job.claimed else world.ledger.begin(job, 10)
    world.ledger.settle(job, owner, state, {"result": json.dumps(response.encode())})


def status_of(
    world: Any, event_of: EventOf, job_id: str, path: str = "/core/acme/job_status", **changes: Any
) -> Any:
    """Ask how a job stands."""
    _, area, endpoint_id, name = path.split("/")
    return world.call(
        event_of(
            **changes,
            httpMethod="GET",
            path=path,
            pathParameters={"area": area, "endpoint_id": endpoint_id, "proxy": name},
            queryStringParameters={"job_id": job_id},
            multiValueQueryStringParameters=None,
        )
    )


def test_any_function_becomes_a_job_on_request(world: Any, ask: Any) -> None:
    """`Prefer: respond-async` (RFC 7240) is granted and the response says where the job tells of itself."""
    response = ask(prefer="respond-async, wait=10")
    job_id = json.loads(response["body"])["job_id"]
    assert response["statusCode"] == 202
    assert response["headers"]["Preference-Applied"] == "respond-async"
    assert response["headers"]["Location"] == f"job_status?job_id={job_id}"
    assert response["headers"]["Retry-After"] == "2"
    assert world.invoker.sent[0].event is True


@pytest.mark.parametrize(
    ("path", "location"), [("/", "../job_status"), ("/a/b", "../../job_status"), ("/a/", "../../job_status")]
)
def test_the_location_leads_from_any_path(ask: Any, path: str, location: str) -> None:
    """A relative Location is right whatever stage or domain stands before the path."""
    response = ask(path=path, prefer="respond-async")
    assert response["headers"]["Location"].partition("?")[0] == location


def test_a_plain_call_adds_nothing(world: Any, ask: Any) -> None:
    """Without a key and without a job the ledger isn't touched and the worker isn't told of one."""
    ask()
    assert "job" not in world.payload
    assert not list(world.dynamodb.items("se-executions"))


def test_the_ledger_holds_no_setting(world: Any, ask: Any) -> None:
    """What was asked stands in the row; settings and the API key's text never do."""
    ask({"name": "Ada"}, prefer="respond-async")
    (row,) = world.dynamodb.items("se-executions")
    text = json.dumps({name: value for name, value in row.items() if name != "content"})
    assert "hello" not in json.dumps(row)
    assert "acme-key" not in text
    assert "Ada" in row["content"]["S"]


def test_a_job_is_followed_to_its_result(world: Any, ask: Any, event_of: EventOf) -> None:
    """`job_status` tells the state, asks to come again while it runs, and has the result at the end."""
    job_id = json.loads(ask(prefer="respond-async")["body"])["job_id"]
    waiting = status_of(world, event_of, job_id)
    assert json.loads(waiting["body"])["status"] == "accepted"
    assert waiting["headers"]["Retry-After"] == "2"
    settle(world, WorkerResponse("text", '{"message": "hello"}'))
    done = status_of(world, event_of, job_id)
    facts = json.loads(done["body"])
    assert (facts["status"], facts["attempts"], facts["result"]) == ("succeeded", 1, {"message": "hello"})
    assert "Retry-After" not in done["headers"]


@pytest.mark.parametrize("text", ['{"a": NaN}', '["\\ud800"]', "[" * 5000])
def test_a_job_whose_text_is_no_json_is_told_as_text(
    world: Any, ask: Any, event_of: EventOf, text: str
) -> None:
    """What Python's JSON writes and nobody else reads is the result as it is, as often as it is asked for."""
    job_id = json.loads(ask(prefer="respond-async")["body"])["job_id"]
    settle(world, WorkerResponse("text", text))
    assert json.loads(status_of(world, event_of, job_id)["body"])["result"] == text


def test_a_jobs_error_is_told(world: Any, ask: Any, event_of: EventOf) -> None:
    """What the function refused stands there with its status."""
    job_id = json.loads(ask(prefer="respond-async")["body"])["job_id"]
    settle(world, WorkerResponse("error", "no such order", 404, "FunctionError"), "failed")
    facts = json.loads(status_of(world, event_of, job_id)["body"])
    assert facts["error"] == {"status": 404, "message": "no such order"}


def test_a_jobs_refused_parameters_are_told(world: Any, ask: Any, event_of: EventOf) -> None:
    """Its status has the details; so has a repetition under its key."""
    details = [{"in": "body", "path": "/a", "message": "Required", "value_type": "absent"}]
    job_id = json.loads(ask(prefer="respond-async")["body"])["job_id"]
    settle(world, WorkerResponse("error", "see details", 422, "InvalidArgumentsError", details), "failed")
    error = json.loads(status_of(world, event_of, job_id)["body"])["error"]
    assert error == {"status": 422, "message": "see details", "details": details}


EXPLAINED = WorkerResponse("error", "few", 409, "FunctionError", {"left": 1}, "out_of_stock")


def test_a_jobs_error_has_its_code_and_details(world: Any, ask: Any, event_of: EventOf) -> None:
    """As the function said them."""
    job_id = json.loads(ask(prefer="respond-async")["body"])["job_id"]
    settle(world, EXPLAINED, "failed")
    error = json.loads(status_of(world, event_of, job_id)["body"])["error"]
    assert error == {"status": 409, "message": "few", "code": "out_of_stock", "details": {"left": 1}}


def test_a_functions_error_has_its_code_and_details(world: Any, event_of: EventOf) -> None:
    """At once, beside message and request id."""
    world.responses(*EXPLAINED[:2], **dict(zip(EXPLAINED._fields[2:], EXPLAINED[2:], strict=True)))
    response = world.call(event_of())
    body = json.loads(response["body"])
    del body["request_id"]
    assert (response["statusCode"], body) == (
        409, {"error": "few", "code": "out_of_stock", "details": {"left": 1}}
    )  # fmt: skip


def test_a_job_is_its_tenants_own(world: Any, ask: Any, event_of: EventOf) -> None:
    """In another area, or with an id that never was, there is none; without an id the request is wrong."""
    job_id = json.loads(ask(prefer="respond-async")["body"])["job_id"]
    assert status_of(world, event_of, job_id, "/admin/acme/job_status")["statusCode"] == 404
    assert status_of(world, event_of, "0" * 32)["statusCode"] == 404
    assert status_of(world, event_of, "")["statusCode"] == 400


def test_a_job_is_its_keys_own(world: Any, ask: Any, event_of: EventOf) -> None:
    """Another key of the tenant finds none by the id, nor does the same one that has lost the function."""
    job_id = json.loads(ask(prefer="respond-async")["body"])["job_id"]
    assert status_of(world, event_of, job_id, requestContext={})["statusCode"] == 404
    assert status_of(world, event_of, job_id)["statusCode"] == 200
    del world.registry.functions["greet"]
    assert status_of(world, event_of, job_id)["statusCode"] == 404


def test_a_protected_result_is_asked_for_as_its_function_is(world: Any, ask: Any, event_of: EventOf) -> None:
    """The function's authorizer decides at each question, and only the principal of the call is answered."""
    world.add("greet", auth_required=True)
    world.registry.area_settings = {"authorizer": {"type": "iam", "principals": ["ada", "eve"]}}

    def signed_by(name: str | None) -> dict[str, Any]:
        return {"requestContext": {"identity": {"userArn": name}}}

    def question(name: str | None) -> int:
        status: int = status_of(world, event_of, job_id, **signed_by(name))["statusCode"]
        return status

    job_id = json.loads(ask(prefer="respond-async", context=signed_by("ada"))["body"])["job_id"]
    settle(world, WorkerResponse("text", '{"salary": 1}'))
    assert [question(name) for name in (None, "mallory", "eve", "ada")] == [401, 403, 404, 200]
    world.registry.area_settings = {"authorizer": {"type": "iam", "principals": ["eve"]}}
    assert question("ada") == 403


def test_the_predecessors_empty_answer_is_a_setting(world: Any, ask: Any) -> None:
    """`event_answer: empty` among the endpoint's gateway settings gives 200 and nothing, as ever."""
    world.add("greet", funct_type="Event")
    world.registry.area_settings = {"event_answer": "empty"}
    response = ask()
    assert (response["statusCode"], response["body"]) == (200, "")
    assert ask(prefer="respond-async")["statusCode"] == 202


def test_a_key_gives_the_first_answer_again(world: Any, ask: Any) -> None:
    """The same request under the same key isn't run again: byte for byte what the first one got."""
    world.invoker.result = WorkerResponse("text", '{"n":  1}').encode()
    first = ask(idempotency_key=KEY)
    settle(world, WorkerResponse("text", '{"n":  1}'))
    second = ask(idempotency_key=KEY)
    assert (
        (second["statusCode"], second["body"]) == (first["statusCode"], first["body"]) == (200, '{"n":  1}')
    )
    assert second["headers"]["Idempotency-Replayed"] == "true"
    assert len(world.invoker.sent) == 1


def test_a_first_error_is_given_again_too(world: Any, ask: Any) -> None:
    """An error is a response: its body, with the first request's id in it, comes again."""
    failure = WorkerResponse("error", "no", 409, "FunctionError")
    world.invoker.result = failure.encode()
    first = ask(idempotency_key=KEY)
    settle(world, failure, "failed")
    second = ask(idempotency_key=KEY)
    assert (second["statusCode"], second["body"]) == (409, first["body"])
    assert second["headers"]["x-request-id"] != first["headers"]["x-request-id"]


def test_while_the_first_is_under_way_others_wait(world: Any, ask: Any) -> None:
    """A repetition meanwhile gets 409 with `Retry-After`."""
    world.invoker.result = InvocationError("The connection broke")
    ask(idempotency_key=KEY)
    response = ask(idempotency_key=KEY)
    assert (response["statusCode"], response["headers"]["Retry-After"]) == (409, "2")
    assert "still in progress" in response["body"]


def test_another_body_under_a_key_is_refused(world: Any, ask: Any) -> None:
    """A key means one request: another body under it is a 422."""
    ask(idempotency_key=KEY)
    assert ask({"name": "Grace"}, idempotency_key=KEY)["statusCode"] == 422


def test_a_lost_outcome_is_told_so(world: Any, ask: Any) -> None:
    """Under `fail` a call whose worker vanished isn't run again: 409 says that nobody knows."""
    world.invoker.result = InvocationError("The function failed")
    ask(idempotency_key=KEY)
    world.now += 400
    response = ask(idempotency_key=KEY)
    assert response["statusCode"] == 409
    assert "is unknown" in response["body"]
    assert len(world.invoker.sent) == 1


def test_under_retry_a_repetition_takes_over(world: Any, ask: Any) -> None:
    """A call whose worker vanished is run again under a larger token, and its result is the response."""
    world.add("greet", policy=ExecutionPolicy(on_lost="retry"))
    world.invoker.result = InvocationError("The function failed")
    ask(idempotency_key=KEY)
    world.now += 400
    world.invoker.result = WorkerResponse("text", "[2]").encode()
    assert ask(idempotency_key=KEY)["body"] == "[2]"
    assert [sent.payload["job"]["fence"] for sent in world.invoker.sent] == [1, 2]
    assert world.payload["invocation"]["attempt"] == 2


@pytest.mark.parametrize(
    "failure",
    [
        Response(500, b"HTTP/1.1 500 No\r\nx-amzn-errortype: ServiceException"),
        Response(502, b"HTTP/1.1 502 No", b"<html>"),
        Response(503, b"HTTP/1.1 503 No\r\nx-amzn-errortype: ServiceUnavailable"),
    ],
)
def test_a_keyed_call_runs_once_although_lambda_fails_after_it(
    world: Any, ask: Any, failure: Response
) -> None:
    """The client is told that it failed; a repetition, at once or after the lease, runs nothing."""
    runs = []

    class Lambda:
        def post(self, _path: str, _headers: dict[str, str], body: bytes, _seconds: float) -> Response:
            runs.append(body)
            return failure

    world.invoker.invoke = LambdaInvoker(Lambda, clock=lambda: NOW).invoke
    assert ask(idempotency_key=KEY)["statusCode"] == 502
    assert ask(idempotency_key=KEY)["statusCode"] == 409
    world.now += 1000
    assert ask(idempotency_key=KEY)["statusCode"] == 409
    assert len(runs) == 1


@pytest.mark.parametrize("error", [UnavailableError("no room"), NotStartedError("no")])
@pytest.mark.parametrize("headers", [{"idempotency_key": KEY}, {"prefer": "respond-async"}])
def test_when_nothing_was_started_nothing_is_left(
    world: Any, ask: Any, error: Exception, headers: dict[str, str]
) -> None:
    """Lambda has no room: the client gets that answer, and its next try is the first one."""
    world.invoker.result = error
    assert ask(**headers)["statusCode"] in {502, 503}
    world.invoker.result = WorkerResponse("text", "[1]").encode()
    assert ask(**headers)["statusCode"] in {200, 202}


def test_a_keyed_job_is_kept_when_it_cant_be_started(world: Any, ask: Any) -> None:
    """A repetition may have been told 202 already: the job stays, and the sweeper sends it again."""
    world.invoker.result = UnavailableError("no room")
    first = ask(idempotency_key=KEY, prefer="respond-async")
    second = ask(idempotency_key=KEY, prefer="respond-async")
    assert first["statusCode"] == second["statusCode"] == 202
    assert first["body"] == second["body"]


def test_a_function_can_demand_a_key(world: Any, ask: Any) -> None:
    """`idempotency: required` makes a POST without a key a 400; a GET needs none."""
    world.add("greet", policy=ExecutionPolicy(idempotency="required"))
    assert ask()["statusCode"] == 400
    assert ask(idempotency_key=KEY)["statusCode"] == 200
    assert ask(method="GET")["statusCode"] == 200


@pytest.mark.parametrize("key", ["", "a b", "ä", "x" * 256])
def test_a_key_is_visible_ascii(ask: Any, key: str) -> None:
    """1 to 255 characters, none of them a space."""
    assert ask(idempotency_key=key)["statusCode"] == 400


def test_a_get_is_not_keyed_whatever_its_header(world: Any, ask: Any) -> None:
    """GET is idempotent by itself: the header changes nothing."""
    ask(method="GET", idempotency_key=KEY)
    assert "job" not in world.payload


def test_keys_of_two_principals_never_meet(world: Any, request_of: EventOf) -> None:
    """The same key under another API key is another call."""
    for api_key in ("acme-key", "#####"):
        event = request_of(idempotency_key=KEY)
        event["requestContext"] = {**event["requestContext"], "identity": {"apiKey": api_key}}
        assert world.call(event)["statusCode"] == 200
    first, second = (sent.payload["job"]["job_id"] for sent in world.invoker.sent)
    assert first != second


def test_what_is_too_large_for_an_event_travels_by_url(world: Any, ask: Any) -> None:
    """Past 180 KB the content lies in the bucket; past 1 MB the worker gets a URL that ends soon."""
    ask({"text": "x" * 400_000}, prefer="respond-async")
    assert "content_url" not in world.payload
    ask({"text": "x" * 1_100_000}, prefer="respond-async")
    rows = list(world.dynamodb.items("se-executions"))
    assert all("content" not in row for row in rows)
    assert {row["content_at"]["S"] for row in rows} == world.s3.payloads.keys()
    assert world.payload["content_url"] == f"https://bucket/{rows[1]['content_at']['S']}?expires=300"
    assert "body" not in world.payload


def test_the_query_is_part_of_the_request(world: Any, request_of: EventOf) -> None:
    """Two requests that differ in their query only aren't the same."""
    event = request_of(idempotency_key=KEY)
    assert read_request(event, "POST", read_path(event)).headers["idempotency-key"] == KEY
    world.call(event)
    other = event | {"queryStringParameters": {"x": "2"}, "multiValueQueryStringParameters": {"x": ["2"]}}
    assert world.call(other)["statusCode"] == 422
