"""Where the local engine differs from AWS, one probe each, as far as our code or our tests rely on it.

A probe that fails after an upgrade of the engine is good news: read it, and drop what worked around it.
What the double makes up for is probed in test_double.
"""

import json

import pytest
from botocore.exceptions import ClientError

from silvaengine_cli.engine import LocalEngine

from .conftest import wait_for_record, with_role
from .logs import FunctionLog, written
from .probe import TEMPLATE, Probe, deploy_probe
from .socket_client import RefusedError, Socket
from .strict_world import client


@pytest.fixture(scope="module")
def probe(engine: LocalEngine) -> Probe:
    """The deployed probe stack."""
    return deploy_probe(engine)


def test_method_any_is_dropped(probe: Probe) -> None:
    """A path of `Method: any` has no method at all; on AWS it has every one."""
    assert probe.get("/named?action=event").status == 200
    assert probe.get("/any?action=event").status == 403


def test_cors_of_the_template_is_dropped(probe: Probe) -> None:
    """`Cors:` makes no OPTIONS answer with CORS headers; on AWS it does."""
    assert "access-control-allow-origin" not in probe.api.request("OPTIONS", "/named").headers


def test_request_event_differs(probe: Probe) -> None:
    """The event lacks the API key and the trace header, and keeps the first of repeated query values."""
    headers = {"X-Api-Key": "secret"}
    event = probe.get("/named?action=event&x=1&x=2", headers).json()
    assert (
        event["requestContext"]["identity"].get("apiKey") is None
    )  # AWS: "secret" where the method wants a key
    assert event["queryStringParameters"]["x"] == "1"  # AWS: the last
    assert event["multiValueQueryStringParameters"]["x"] == ["1", "2"]
    assert event["headers"]["x-api-key"] == "secret"  # AWS: names as they were sent
    assert "x-amzn-trace-id" not in {name.lower() for name in event["headers"]}  # AWS: always there


def test_repeated_headers_are_joined(probe: Probe) -> None:
    """A header that was sent twice has one value; a REST event of AWS has the last, and both in a list."""
    event = probe.api.get_repeating("/named?action=event", [("X-Twice", "1"), ("X-Twice", "2")]).json()
    assert (event["headers"]["x-twice"], event["multiValueHeaders"]["x-twice"]) == ("1, 2", ["1, 2"])


def test_http_events_lack_the_stage(probe: Probe) -> None:
    """`rawPath` begins after the stage; on AWS with the stage, unless that is `$default`."""
    assert probe.http_api.get("/a/b?action=event").json()["rawPath"] == "/a/b"


def test_paths_are_decoded_before_they_are_cut(probe: Probe) -> None:
    """An encoded slash separates segments, and `version` says 1.0; on AWS neither is so in a REST API."""
    event = probe.get("/greedy/a%2Fb?action=event").json()
    assert (event["pathParameters"], event["version"]) == ({"first": "a", "rest": "b"}, "1.0")


def test_malformed_proxy_result_passes(probe: Probe) -> None:
    """A result that is no proxy response goes out as 200; on AWS it is a 502."""
    assert probe.get("/named?action=malformed").status == 200


def test_raised_error_reaches_the_client(probe: Probe) -> None:
    """A crash is a 502 with the error in its body; on AWS it says `Internal server error`."""
    response = probe.get("/named?action=fail")
    assert response.status == 502
    assert "a class of its own" in response.text


def test_error_type_is_always_the_same(probe: Probe) -> None:
    """Lambda reports no exception class; on AWS `errorType` is `KeyError`."""
    assert probe.invoke("fail")["errorType"] == "Runtime.HandlerError"


def test_process_ends_after_an_error(probe: Probe) -> None:
    """An exception ends the process and its module state; on AWS the process lives on."""
    probe.invoke("calls")
    probe.invoke("fail")
    assert probe.invoke("calls") == 1


def test_code_precedes_layers(probe: Probe) -> None:
    """A module in both is taken from the function, as on AWS; without our launcher from the layer."""
    assert probe.invoke("where") == "function"


def test_only_artefact_and_runtime_can_be_imported(probe: Probe) -> None:
    """What the engine requires for itself isn't there, what Lambda's runtime brings is, as on AWS."""
    found = probe.invoke("modules", names=["ministack", "pydantic", "yaml", "boto3", "botocore", "six"])
    assert found == [False, False, False, True, True, True]


def test_an_answer_above_six_megabytes_passes(probe: Probe) -> None:
    """A response above 6 MB passes; on AWS it is an error."""
    assert len(probe.invoke("size", size=7_000_000)) == 7_000_000


def test_policy_conditions_on_attributes_are_not_evaluated(probe: Probe) -> None:
    """UpdateItem of an attribute that the policy leaves out passes; on AWS it is denied."""
    assert probe.invoke("update", table=probe.outputs["Table"]) == "updated"


def test_boundaries_of_a_template_and_tags_in_policies_are_not_evaluated(probe: Probe) -> None:
    """A role of a template has no boundary, and a resource named by the role's tag is nobody's."""
    identities, name, table = probe.engine.client("iam"), probe.outputs["Bounded"], probe.outputs["Table"]
    role = identities.get_role(RoleName=name)["Role"]
    assert "PermissionsBoundary" not in role
    identities.tag_role(RoleName=name, Tags=[{"Key": "package", "Value": table}])
    arn = probe.engine.client("dynamodb").describe_table(TableName=table)["Table"]["TableArn"]

    def read(resource: str) -> None:
        statement = {"Effect": "Allow", "Action": "dynamodb:GetItem", "Resource": resource}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        identities.put_role_policy(RoleName=name, PolicyName="read", PolicyDocument=document)
        tables = with_role(probe.engine, role["Arn"], "dynamodb")
        tables.get_item(TableName=table, Key={"id": {"S": "1"}})

    read(arn)
    with pytest.raises(ClientError, match="AccessDenied"):
        read(arn.replace(table, "${aws:PrincipalTag/package}"))


def test_a_source_that_invokes_an_alias_is_not_told_apart(probe: Probe) -> None:
    """A rule's event that invokes an alias comes by the function's own ARN; on AWS by the alias's."""
    engine, function = probe.engine, probe.outputs["Function"]
    engine.client("lambda").create_alias(FunctionName=function, FunctionVersion="$LATEST", Name="live")
    target = {"Id": "1", "Arn": f"{function}:live", "Input": '{"action": "arn"}'}
    events, log = engine.client("events"), FunctionLog(engine, function)
    events.put_rule(Name="probe", EventPattern='{"source": ["probe"]}')
    events.put_targets(Rule="probe", Targets=[target])
    events.put_events(Entries=[{"Source": "probe", "DetailType": "x", "Detail": "{}"}])
    told = wait_for_record(log, lambda record: "invoked as" in str(record.get("message")))
    assert told["message"] == f"invoked as {function}"


def test_all_that_was_written_is_in_the_log(probe: Probe) -> None:
    """However much it was, and without a line's end; by itself the engine waits 50 ms for a first line."""
    log = FunctionLog(probe.engine, probe.outputs["Function"])
    probe.invoke("chat", lines=9_000)
    messages = [record["message"] for record in log.new_records()]
    assert messages == ["probed chat", *(f"line {each}" for each in range(9_000))]


def test_parts_of_the_template_are_dropped(probe: Probe) -> None:
    """TTL, point-in-time recovery, reserved concurrency, tenancy and misspelt properties have no effect."""
    tables, functions = probe.engine.client("dynamodb"), probe.engine.client("lambda")
    table, function = probe.outputs["Table"], probe.outputs["Function"]
    ttl = tables.describe_time_to_live(TableName=table)["TimeToLiveDescription"]
    recovery = tables.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
    assert ttl["TimeToLiveStatus"] == "DISABLED"
    assert recovery["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"] == "DISABLED"
    assert "ReservedConcurrentExecutions" not in functions.get_function_concurrency(FunctionName=function)
    isolated = probe.outputs["Isolated"]
    assert "TenancyConfig" not in functions.get_function_configuration(FunctionName=isolated)


def test_versions_share_what_their_function_has_reserved(probe: Probe) -> None:
    """A version without room is refused, as on AWS; without our launcher it takes no part."""
    functions, name = client(probe.engine, "lambda"), probe.outputs["Function"]
    version = functions.publish_version(FunctionName=name)["Version"]
    functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    try:
        with pytest.raises(functions.exceptions.TooManyRequestsException):
            functions.invoke(FunctionName=name, Qualifier=version, Payload='{"action": "calls"}')
    finally:
        functions.delete_function_concurrency(FunctionName=name)


def test_events_of_an_update_name_every_resource(probe: Probe) -> None:
    """An update's events tell of all resources; on AWS of those that changed."""
    stacks = probe.engine.client("cloudformation")
    stacks.update_stack(
        StackName="probe",
        TemplateBody=TEMPLATE.replace("Timeout: 10", "Timeout: 11"),
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
    )
    stacks.get_waiter("stack_update_complete").wait(StackName="probe", WaiterConfig={"Delay": 0.1})
    events = stacks.describe_stack_events(StackName="probe")["StackEvents"]
    updated = {event["LogicalResourceId"] for event in events if event["ResourceStatus"] == "UPDATE_COMPLETE"}
    assert {"Probe", "Table", "Api"} <= updated


def test_function_of_a_socket_has_logs(probe: Probe) -> None:
    """What a function prints for a WebSocket is in its log, as on AWS; without our launcher it is nowhere."""
    with pytest.raises(RefusedError):
        Socket(f"{probe.engine.url}/_aws/execute-api/{probe.outputs['SocketId']}/probe?action=socket")
    name = probe.outputs["Function"].rpartition(":")[2]
    assert "probed socket" in written(probe.engine.client("logs"), name).splitlines()
