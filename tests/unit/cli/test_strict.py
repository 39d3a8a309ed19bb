"""What the rules of the double share: what passes, what fails by script, what a request asks for."""

import inspect
import re
from pathlib import Path

import pytest

from silvaengine_cli.strict import Double, Fault, throttled
from silvaengine_cli.strict.calls import Call
from silvaengine_cli.strict.http import Request
from silvaengine_cli.strict.script import Passing

PROJECT = Path(__file__).parents[3]
RULES = {type(rule) for rule in Double().rules}


def call(method: str = "POST", target: str = "/", body: bytes = b"", **headers: str) -> Call:
    """Return a call with these headers, ``_`` for ``-``."""
    fields = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return Call(Request(method, target, fields, body))


def test_a_fact_passes_with_looks() -> None:
    """A fact is there for so many looks; each key has its own, and a new one replaces an old one."""
    facts = Passing[str](2, 10.0, lambda: 0.0)
    facts.begin("a", "old")
    facts.begin("a", "new")
    facts.begin("b", "other")
    assert [facts.look("a") for _ in range(3)] == ["new", "new", None]
    assert facts.look("b") == "other"


def test_a_fact_passes_with_time() -> None:
    """A fact at which nobody looks is over after its seconds."""
    now = [0.0]
    facts = Passing[str](2, 10.0, lambda: now[0])
    facts.begin("a", "fact")
    now[0] = 9.9
    assert facts.look("a") == "fact"
    now[0] = 10.0
    assert facts.look("a") is None


def test_a_look_that_isnt_concerned_doesnt_count() -> None:
    """Only who is concerned by a fact uses it up."""
    facts = Passing[set[str]](1, 10.0, lambda: 0.0)
    facts.begin("role", {"put"})
    assert facts.look("role", lambda actions: "get" in actions) is None
    assert facts.look("role", lambda actions: "put" in actions) == {"put"}


def test_a_fault_strikes_as_the_script_says() -> None:
    """Of the calls that match, each second one fails, and no more than two."""
    fault = Fault("DynamoDB.*", throttled, times=2, every=2)
    put = call(x_amz_target="DynamoDB_20120810.PutItem")
    assert not fault.strikes(call(x_amz_target="AmazonSQS.SendMessage"))
    assert [fault.strikes(put) for _ in range(6)] == [False, True, False, True, False, False]


SCOPE = "AWS4-HMAC-SHA256 Credential=k/20260101/us-east-1/{}/aws4_request, SignedHeaders=host, Signature=0"
FORM = {"content_type": "application/x-www-form-urlencoded", "authorization": SCOPE.format("iam")}


@pytest.mark.parametrize(
    ("made", "name", "function", "qualifier"),
    [
        (call(target="/2015-03-31/functions/f/invocations"), "Lambda.Invoke", "f", "$LATEST"),
        (call(target="/2015-03-31/functions/f/invocations?Qualifier=3"), "Lambda.Invoke", "f", "3"),
        (
            call(target="/2015-03-31/functions/arn%3Aaws%3Alambda%3Ar%3A1%3Afunction%3Af%3Alive/invocations"),
            "Lambda.Invoke",
            "f",
            "live",
        ),
        (
            call(target="/2015-03-31/functions", body=b'{"FunctionName": "f"}'),
            "Lambda.CreateFunction",
            "f",
            "$LATEST",
        ),
        (
            call("PUT", "/2015-03-31/functions/f/code", b'{"FunctionName": "x"}'),
            "Lambda.UpdateFunctionCode",
            "f",
            "$LATEST",
        ),
        (
            call("GET", "/2015-03-31/event-source-mappings", authorization=SCOPE.format("lambda")),
            "Lambda.GET",
            "",
            "$LATEST",
        ),
        (call(x_amz_target="DynamoDB_20120810.GetItem"), "DynamoDB.GetItem", "", "$LATEST"),
        (call(body=b"Action=CreateRole&RoleName=r", **FORM), "IAM.CreateRole", "", "$LATEST"),
        (call(target="/_aws/execute-api/a/s/%40connections/c"), "PostToConnection", "", "$LATEST"),
        (call("GET", "/_aws/execute-api/a/s/x?y"), "Api", "", "$LATEST"),
        (call("GET", "/bucket/key?x"), "GET /bucket/key?x", "", "$LATEST"),
    ],
)
def test_calls_are_known(made: Call, name: str, function: str, qualifier: str) -> None:
    """A request's name, function and version are read from wherever AWS's protocols put them."""
    assert (made.name, made.function, made.qualifier) == (name, function, qualifier)


def test_each_rule_has_its_row_and_its_probe() -> None:
    """The documentation has each rule with AWS's page, and the end-to-end tests prove each."""
    page = (PROJECT / "docs" / "strict.md").read_text()
    tests = "".join(file.read_text() for file in (PROJECT / "tests" / "e2e").glob("test_double*.py"))
    rows = [f"| {inspect.getdoc(rule)} | docs.aws.amazon.com/{rule.source} |" for rule in RULES]
    names = {re.sub(r"(?<!^)(?=[A-Z])", "_", rule.__name__).lower() for rule in RULES}
    assert sorted(re.findall(r"^\| .* \| docs.aws.*$", page, re.MULTILINE)) == sorted(rows)
    assert names <= set(re.findall(r"^def test_(\w+)", tests, re.MULTILINE))
