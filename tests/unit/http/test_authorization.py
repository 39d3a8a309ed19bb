"""Functions with ``auth_required``: who may call them, and what they are shown of the caller."""

import json
import sys
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from silvaengine.access.api_keys import key_id_of
from silvaengine.access.rate_limits import RateLimit
from silvaengine.authorization.authorization import Authorization
from silvaengine.authorization.model import AccessRequest
from silvaengine.authorization.packages import Packages
from silvaengine.errors import UnavailableError

type EventOf = Callable[..., dict[str, Any]]
type Install = Callable[..., None]

FUNCTION = """
    from silvaengine.errors import FunctionError

    CALLS = []

    def authorizer(event, context, action):
        CALLS.append((action, event, context))
        token = {name.lower(): value for name, value in event["requestContext"]["headers"].items()}["token"]
        if action == "authorize":
            if token == "expired":
                raise FunctionError("The token has expired", 401)
            return {"sub": token, "tenant": "acme"}
        if event["requestContext"]["authorizer"]["principalId"] == "eve":
            return False
        event["requestContext"]["additionalContext"] = {"roles": ["reader"]}
        event["requestContext"]["channel"] = "globex"
        return event
"""
CLASS = """
    MADE = []

    class Authorizer:
        def __init__(self, logger):
            MADE.append(self)

        def authorize(self, event, context):
            effect = "Allow" if event["requestContext"]["headers"].get("token") == "ada" else "Deny"
            statement = {"Action": "execute-api:Invoke", "Effect": effect, "Resource": [event["methodArn"]]}
            return {
                "principalId": "ada",
                "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
                "context": {"user_id": "7"} if effect == "Allow" else {"error_message": "Who are you?"},
            }

        def verify_permission(self, event, context):
            roles = [event["fnConfigurations"]["function"]]
            event["requestContext"]["additionalContext"] = {"roles": roles}
            return event
"""


@pytest.fixture
def install(world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Return what adds a package to the artefact and, unless it is the default one, to the settings."""
    monkeypatch.syspath_prepend(tmp_path)
    names: list[str] = []

    def make(text: str, name: str = "acme_auth", **settings: Any) -> None:
        (tmp_path / f"{name}.py").write_text(dedent(text))
        world.shipped.add(name)
        world.registry.area_settings |= settings
        if name != "silvaengine_authorizer":
            world.registry.area_settings["authorizer_module_name"] = name
        world.add("greet", auth_required=True)
        names.append(name)

    yield make
    for name in names:
        sys.modules.pop(name, None)


def send(world: Any, event_of: EventOf, token: str, **changes: Any) -> Any:
    """Send an ordinary request with a token."""
    return world.call(event_of(**{"headers": {"token": token}, **changes}))


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("body", [None, '{"n": 1}'])
def test_a_function_authorizes_and_verifies(
    method: str, body: str | None, world: Any, event_of: EventOf, install: Install
) -> None:
    """Both actions run for every request, with a body or without, and their responses reach the function."""
    install(FUNCTION)
    assert send(world, event_of, "ada", httpMethod=method, body=body)["statusCode"] == 200
    context = world.payload["context"]
    assert context["authorizer"]["sub"] == context["authorizer"]["principalId"] == "ada"
    assert context["additionalContext"] == {"roles": ["reader"]}
    assert [call[0] for call in sys.modules["acme_auth"].CALLS] == ["authorize", "verify_permission"]


def test_an_authorizer_gets_the_extended_event(world: Any, event_of: EventOf, install: Install) -> None:
    """The event with fnConfigurations, the extended requestContext and, to authorize, the method's ARN."""
    install(FUNCTION)
    context = object()
    world.handler(event_of(headers={"Token": "ada"}), context)
    (_, asked, given), (_, verified, _) = sys.modules["acme_auth"].CALLS
    assert given is context
    assert asked["type"] == "REQUEST"
    assert asked["methodArn"].startswith("arn:aws:execute-api:")
    for event in (asked, verified):
        assert event["fnConfigurations"]["function"] == "greet"
        assert event["requestContext"]["area"] == "core"
        assert event["requestContext"]["headers"] == {"Token": "ada"}


@pytest.mark.parametrize(
    ("name", "stage", "path"),
    [
        ("rest_v1", "prod", "core/acme/greet/a/b%20c"),
        ("api_v2", "prod", "core/acme/greet/a/b c"),
        ("function_url", "$default", "core/acme/greet/a/b%20c"),
    ],
)
def test_a_methods_arn_names_the_stage_once(
    name: str, stage: str, path: str, world: Any, event_of: EventOf, install: Install
) -> None:
    """As API Gateway's own authorizer calls have it, though an HTTP API's path begins with the stage, too."""
    install(FUNCTION)
    event = event_of(name)
    event["headers"] |= {"token": "ada"}
    world.handler(event, None)
    (_, asked, _) = sys.modules["acme_auth"].CALLS[0]
    assert asked["methodArn"].partition("/")[2] == f"{stage}/POST/{path}"


def test_an_authorizer_gets_each_line_of_a_header(world: Any, event_of: EventOf, install: Install) -> None:
    """What it decides by is what the gateway knows of the request: no line is chosen for it."""
    install(FUNCTION)
    world.handler(event_of(headers={"Token": "ada"}, multiValueHeaders={"Token": ["eve", "ada"]}), None)
    (_, event, _) = sys.modules["acme_auth"].CALLS[0]
    assert event["headers"] == event["requestContext"]["headers"] == {"Token": "eve, ada"}


def test_an_authorizer_gets_the_decoded_body(world: Any, event_of: EventOf, install: Install) -> None:
    """It is JSON text, whatever form API Gateway gave the body."""
    install(FUNCTION)
    body = b64encode(b'{"n": 1}').decode()
    send(world, event_of, "ada", httpMethod="POST", body=body, isBase64Encoded=True)
    for _, event, _ in sys.modules["acme_auth"].CALLS:
        assert (json.loads(event["body"]), event["isBase64Encoded"]) == ({"n": 1}, False)


def test_an_authorizer_cannot_move_a_request_to_another_tenant(
    world: Any, event_of: EventOf, install: Install
) -> None:
    """It may change only ``authorizer`` and ``additionalContext`` in the requestContext."""
    install(FUNCTION)
    send(world, event_of, "ada")
    assert world.payload["context"]["channel"] == "acme"
    assert world.payload["params"]["endpoint_id"] == "acme"


@pytest.mark.parametrize(
    ("token", "status", "message"),
    [("eve", 403, "Access denied"), ("expired", 401, "The token has expired")],
)
def test_a_function_refuses(
    token: str, status: int, message: str, world: Any, event_of: EventOf, install: Install
) -> None:
    """False is a refusal; an error of its own has its message and status."""
    install(FUNCTION)
    response = send(world, event_of, token)
    assert response["statusCode"] == status
    assert message in response["body"]
    assert not world.invoker.sent


def test_a_class_authorizes_and_verifies(world: Any, event_of: EventOf, install: Install) -> None:
    """The predecessor's public class works unnamed; each request gets an object of its own."""
    install(CLASS, "silvaengine_authorizer")
    for _ in range(2):
        assert send(world, event_of, "ada")["statusCode"] == 200
    context = world.payload["context"]
    assert context["authorizer"]["user_id"] == "7"
    assert context["additionalContext"] == {"roles": ["greet"]}
    made = sys.modules["silvaengine_authorizer"].MADE
    assert len({id(each) for each in made}) == len(made) == 4


def test_a_denying_policys_message_reaches_the_client(
    world: Any, event_of: EventOf, install: Install
) -> None:
    """It is its error_message."""
    install(CLASS)
    response = send(world, event_of, "bob")
    assert (response["statusCode"], "Who are you?" in response["body"]) == (403, True)


@pytest.mark.parametrize(
    "result",
    [
        *("None", "False", "1", "'yes'", "[]", "{}", "{'statusCode': 403}", "{'isAuthorized': 'false'}"),
        *("{'policyDocument': None}", "{'policyDocument': {'Statement': []}}", "1 / 0", "exit()", "event"),
    ],
)
@pytest.mark.parametrize("action", ["authorize", "verify_permission"])
def test_whatever_is_not_a_clear_yes_denies(
    action: str, result: str, world: Any, event_of: EventOf, install: Install
) -> None:
    """No answer, nonsense, an error or a policy for another method refuse, without details."""
    if (action, result) == ("verify_permission", "event"):
        result = "event['body']"
    other = "{'sub': 'ada'}" if action == "verify_permission" else "event"
    install(f"def authorizer(event, context, action): return {result} if action == '{action}' else {other}")
    response = send(world, event_of, "ada")
    assert response["statusCode"] == 403
    assert "Access denied" in response["body"]
    assert not world.invoker.sent


@pytest.mark.parametrize(
    ("statements", "allowed"),
    [
        ('[{"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": arn}]', True),
        ('{"Action": ["execute-api:*"], "Effect": "Allow", "Resource": ["arn:aws:execute-api:*"]}', True),
        ('[{"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": arn + "x"}]', False),
        ('[{"Action": "s3:GetObject", "Effect": "Allow", "Resource": "*"}]', False),
        ('[{"Action": "*", "Effect": "Allow", "Resource": "*", "Condition": {"Bool": {"x": "y"}}}]', False),
        ('[{"Action": "*", "Effect": effect, "Resource": "*"} for effect in ("Allow", "Deny")]', False),
        ('[{"Action": "*", "Effect": "allow", "Resource": "*"}]', False),
    ],
)
def test_policies_are_read_as_api_gateway_reads_them(
    statements: str, allowed: bool, world: Any, event_of: EventOf, install: Install
) -> None:
    """A statement must allow this method and none deny it; one with a condition allows nothing."""
    install(
        f"""
        def authorizer(event, context, action):
            if action == "verify_permission":
                return True
            arn = event["methodArn"]
            return {{"principalId": "ada", "policyDocument": {{"Statement": {statements}}}}}
        """
    )
    assert (send(world, event_of, "ada")["statusCode"] == 200) is allowed


@pytest.mark.parametrize("name", ["os", "silvaengine_http", "acme_auth_2", "acme_auth.sub"])
def test_only_what_was_built_in_is_imported(
    name: str, world: Any, event_of: EventOf, install: Install
) -> None:
    """A setting with any other module is a misconfiguration; the client gets no details."""
    install(FUNCTION)
    world.registry.area_settings["authorizer_module_name"] = name
    response = send(world, event_of, "ada")
    assert response["statusCode"] == 500
    assert "The authorizer is misconfigured" in response["body"]
    assert name not in response["body"]


def test_a_module_that_was_not_built_in_is_not_imported(
    world: Any, event_of: EventOf, install: Install
) -> None:
    """Not even one on the path that would allow the caller."""
    install(FUNCTION)
    world.shipped.remove("acme_auth")
    assert send(world, event_of, "ada")["statusCode"] == 500
    assert "acme_auth" not in sys.modules


def test_settings_may_rename_class_methods_and_function(
    world: Any, event_of: EventOf, install: Install
) -> None:
    """Each has a default name."""
    renamed = CLASS.replace("class Authorizer", "class Gate").replace("def authorize(", "def who(")
    install(renamed, authorizer_class_name="Gate", authorizer_authorize_function_name="who")
    assert send(world, event_of, "ada")["statusCode"] == 200
    install(FUNCTION.replace("authorizer(event", "gate(event"), "other", authorizer_function_name="gate")
    assert send(world, event_of, "eve")["statusCode"] == 403


def test_a_packages_answers_are_not_cached(world: Any, event_of: EventOf, install: Install) -> None:
    """Neither action's, unless the package names the headers by which it decides."""
    install(FUNCTION)
    for _ in range(3):
        send(world, event_of, "ada")
    assert len(sys.modules["acme_auth"].CALLS) == 6


def test_cache_headers_let_identities_be_cached(world: Any, event_of: EventOf, install: Install) -> None:
    """Authorize runs once a minute for a header's value, method and function; permission always."""
    install(dedent(FUNCTION) + "\nauthorizer.cache_headers = ['Token']\n")
    calls = sys.modules

    def asked() -> list[str]:
        made = [call[0] for call in calls["acme_auth"].CALLS]
        calls["acme_auth"].CALLS.clear()
        return made

    both = ["authorize", "verify_permission"]
    send(world, event_of, "ada")
    assert asked() == both
    send(world, event_of, "ada")
    assert asked() == ["verify_permission"]
    send(world, event_of, "ada", httpMethod="GET")
    assert asked() == both
    send(world, event_of, "bob")
    assert asked() == both
    assert world.payload["context"]["authorizer"]["sub"] == "bob"
    world.now += 60
    send(world, event_of, "ada")
    assert asked() == both


@pytest.mark.parametrize(("key", "status"), [("acme-key", 200), (None, 403)])
def test_the_api_key_authorizer_takes_any_key(
    key: str | None, status: int, world: Any, event_of: EventOf
) -> None:
    """A key of one's own is enough; the function learns its public name, never the key."""
    world.add("greet", auth_required=True)
    world.registry.area_settings = {"authorizer": "api_key"}
    response = world.call(event_of(requestContext={"identity": {"apiKey": key}}, headers=None))
    assert response["statusCode"] == status
    if status == 200:
        assert world.payload["context"]["authorizer"] == {
            "key_id": key_id_of("acme-key"),
            "principalId": key_id_of("acme-key"),
        }


def test_an_unknown_authorizer_is_a_misconfiguration(world: Any, event_of: EventOf) -> None:
    """The caller is refused."""
    world.add("greet", auth_required=True)
    world.registry.area_settings = {"authorizer": "open_door"}
    assert world.call(event_of())["statusCode"] == 500
    assert not world.invoker.sent


def authorizer_call(event_of: EventOf, **changes: Any) -> dict[str, Any]:
    """Return API Gateway's authorizer call for a request."""
    event = event_of(**{"headers": {"token": "ada"}, **changes})
    arn = "arn:aws:execute-api:eu-central-1:123456789012:api/prod/GET/core/acme/greet"
    return event | {"type": "REQUEST", "methodArn": arn, "body": None}


def test_an_authorizer_call_is_answered_with_a_policy(
    world: Any, event_of: EventOf, install: Install
) -> None:
    """It allows the principal exactly that method, with flat claims; no function is invoked."""
    install(FUNCTION.replace('"tenant": "acme"', '"scopes": ["a", "b"], "admin": True'))
    event = authorizer_call(event_of)
    assert world.handler(event, None) == {
        "principalId": "ada",
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [
                {"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": [event["methodArn"]]}
            ],
        },
        "context": {"sub": "ada", "scopes": '["a", "b"]', "admin": True, "principalId": "ada"},
    }
    assert not world.invoker.sent


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"headers": {"token": "eve"}}, "Access denied"),
        ({"headers": {"token": "expired"}}, "The token has expired"),
        ({"headers": {}}, "Access denied"),
        ({"httpMethod": "DELETE"}, "Function 'greet' does not allow the method DELETE"),
        ({"requestContext": {"identity": {"apiKey": "guessed"}}}, "API key"),
        ({"path": None, "pathParameters": None}, "path"),
    ],
)
def test_a_failed_authorizer_call_is_a_policy_that_denies(
    changes: dict[str, Any], message: str, world: Any, event_of: EventOf, install: Install
) -> None:
    """The same form, with the reason in its context; never an error of the Lambda."""
    install(FUNCTION)
    response = world.handler(authorizer_call(event_of, **changes), None)
    (statement,) = response["policyDocument"]["Statement"]
    assert statement["Effect"] == "Deny"
    assert message in response["context"]["error_message"]


def test_an_internal_function_is_missing_for_clients(world: Any, event_of: EventOf) -> None:
    """A client learns no more of it than of none, by no method, nor does API Gateway's authorizer call."""
    world.add("greet", internal=True)
    for method in ("GET", "POST", "DELETE"):
        response = world.call(event_of(httpMethod=method))
        assert response["statusCode"] == 404
        assert "Function 'greet' does not exist at endpoint 'acme'" in response["body"]
    policy = world.handler(authorizer_call(event_of), None)
    assert policy["policyDocument"]["Statement"][0]["Effect"] == "Deny"
    assert world.invoker.sent == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"methodArn": "arn:aws:execute-api:eu-central-1:1:api/prod/GET/x"}, True),
        ({"routeArn": "arn:aws:execute-api:eu-central-1:1:api/prod/GET/x"}, True),
        ({}, False),
        ({"methodArn": None}, False),
        ({"methodArn": "arn", "type": "TOKEN"}, True),
        ({"methodArn": "arn", "type": "SCHEDULE"}, False),
    ],
)
def test_only_an_event_with_a_methods_arn_is_an_authorizer_call(
    changes: dict[str, Any], expected: bool, world: Any, event_of: EventOf
) -> None:
    """Any other event is a request: without an ARN there is nothing to write a policy for."""
    event = event_of() | {"type": "REQUEST", **changes}
    assert ("policyDocument" in world.handler(event, None)) is expected
    assert "policyDocument" not in world.handler([event], None)


def test_without_auth_required_the_api_key_decides_an_authorizer_call(world: Any, event_of: EventOf) -> None:
    """As it does for the request itself."""
    response = world.handler(authorizer_call(event_of), None)
    assert response["policyDocument"]["Statement"][0]["Effect"] == "Allow"
    assert response["principalId"] == key_id_of("acme-key")


@pytest.mark.parametrize(
    ("failure", "status"), [(UnavailableError("Busy", detail="hunter2"), 503), (OSError("hunter2"), 500)]
)
def test_a_fault_of_ours_denies_an_authorizer_call_and_alerts(
    failure: Exception,
    status: int,
    world: Any,
    event_of: EventOf,
    caplog: pytest.LogCaptureFixture,
    log_line: Callable[[], dict[str, Any]],
) -> None:
    """As for a request: the caller learns little, the operator which tenant, and why, under the line's id."""

    def fail(*_: object) -> None:
        raise failure

    world.registry.key_access = fail
    response = world.handler(authorizer_call(event_of), None)
    assert response["policyDocument"]["Statement"][0]["Effect"] == "Deny"
    assert "hunter2" not in json.dumps(response)
    line = log_line()
    ((subject, _, facts),) = world.alerts.sent
    assert subject == "silvaengine http gateway"
    assert facts == {
        name: line[name] for name in ("service", "request_id", "status", "endpoint_id", "area", "function")
    }
    assert facts["status"] == status
    (record,) = caplog.records
    assert record.__dict__["request_id"] == line["request_id"]


def test_an_authorizer_call_spends_nothing_of_a_limit(world: Any, event_of: EventOf) -> None:
    """Only the request that follows is counted."""
    world.registry.limits = (RateLimit("endpoint", "authorizer-call", per_second=0.001, burst=1),)
    for _ in range(3):
        response = world.handler(authorizer_call(event_of), None)
        assert response["policyDocument"]["Statement"][0]["Effect"] == "Allow"
    assert [world.call(event_of())["statusCode"] for _ in range(2)] == [200, 429]


def test_principals_do_not_share_idempotency_keys(world: Any, event_of: EventOf, install: Install) -> None:
    """Two users with one API key don't share them."""
    install(FUNCTION)
    for token in ("ada", "bob"):
        headers = {"token": token, "idempotency-key": "1", "content-type": "application/json"}
        assert world.call(event_of(httpMethod="POST", headers=headers))["statusCode"] == 200
    assert len(world.invoker.sent) == 2


def test_cached_identities_are_not_shared_between_tenants(
    world: Any, event_of: EventOf, install: Install
) -> None:
    """Not even by endpoints that share a key row, a key and an authorizer."""
    install(dedent(FUNCTION) + "\nauthorizer.cache_headers = ['token']\n")
    connection = world.registry.key_access("acme", "#####", "core")
    subject = Authorization(Packages(world.shipped), 1_000)
    for endpoint_id in ("acme", "globex", "acme"):
        context = {"channel": endpoint_id, "area": "core", "headers": {"token": "ada"}}
        shared = connection._replace(endpoint_id=endpoint_id, key_row_endpoint="1")
        subject.permit(
            AccessRequest(
                event_of(), context, shared, world.registry.functions["greet"], {"token": "ada"}, "GET"
            )
        )
    asked = [event for action, event, _ in sys.modules["acme_auth"].CALLS if action == "authorize"]
    assert len(asked) == 2
