"""What an operator sees: log lines, updates of a running stack, adopted tables, what is refused for now."""

import json
from collections import Counter
from collections.abc import Mapping

import pytest
from tests.rules.filter_pattern import matches

from silvaengine.tables import ADOPTABLE, CONFIG_DATA, CONNECTIONS, ENDPOINTS, FUNCTIONS, HOOKS
from silvaengine_cli import deploy

from .conftest import Deployment
from .http_client import Api
from .registry_rows import API_KEY, Rows
from .second_stack import deploy_again
from .test_announcements import check_seen, greeting

KEY = {"x-api-key": API_KEY}
REGISTRY = (ENDPOINTS, CONNECTIONS, FUNCTIONS, HOOKS, CONFIG_DATA)
FIELDS = {"service", "request_id", "span_id", "endpoint_id", "area", "function", "status", "total_ms"}
FIELDS |= {"cold_start", "memory_mb"}
CALLER = {"http": {"key_id", "method", "bytes_in", "bytes_out"}, "worker": {"parent_id"}}
TASKS = {"Tasks", "Sweeper", "Usage"}  # the Lambdas of services/tasks
STAGES = {"http": {"resolve_ms", "authorize_ms", "invoke_ms"}, "worker": {"invoke_ms"}}


def test_each_lambda_writes_one_line_per_invocation(deployment: Deployment) -> None:
    """Each Lambda writes exactly one line about an invocation, with ids and times and without content."""
    logs = {"http": deployment.gateway_log(), "worker": deployment.worker_log()}
    response = deployment.api.post("/core/e2e/arguments?word=from-query", {"other": "from-body"}, KEY)
    for service, log in logs.items():
        (line,) = (each for each in log.new_records() if each.get("function") == "arguments")
        # Whether this instance has made the object and read the rows before, nobody knows.
        known = line.keys() - {"timestamp", "objects_made", "read_from"}
        assert known == FIELDS | STAGES[service] | CALLER[service]
        assert (line["service"], line["status"]) == (service, 200)
        assert line["request_id"] == response.headers["x-request-id"]
        for secret in ("from-query", "from-body", "hunter2", API_KEY):
            assert secret not in json.dumps(line)


def test_metric_filters_count_the_lines_that_lambdas_write(deployment: Deployment) -> None:
    """The engine keeps the deployed filters without evaluating them: each counts the lines that it should."""
    logs = {"HttpGateway": deployment.gateway_log(), "Worker": deployment.worker_log()}
    for path in ("arguments?word=x", "arguments?word=y", "fail"):
        deployment.api.get(f"/core/e2e/{path}", KEY)
    for name, log in logs.items():
        lines = [json.dumps(each) for each in log.new_records()]
        group = f"/aws/lambda/{deploy.LOCAL_STACK}-{name}"
        filters = deployment.engine.client("logs").describe_metric_filters(logGroupName=group)
        counted: Counter[tuple[str, ...]] = Counter()
        for each in filters["metricFilters"]:
            (made,) = each["metricTransformations"]
            metric = (*made["dimensions"], made["metricName"], made["metricValue"])
            counted[metric] = sum(matches(each["filterPattern"], line) for line in lines)
        for by in ("service", "function") if name == "Worker" else ("service",):
            assert (counted[by, "Latency", "$.total_ms"], counted[by, "Failures", "1"]) == (3, 1), (name, by)
            excess = (counted[by, "ExcessFailures", "1"], counted[by, "ExcessFailures", "-0.05"])
            assert excess == (1, 2)


@pytest.mark.nightly  # by day tests/rules/test_artefacts.py sees what is made of a changed service
def test_changed_service_is_the_only_one_updated(deployment: Deployment) -> None:
    """After a line changed in one service, `sam deploy` updates that one's functions.

    The engine's events name every resource at each update (test_engine_probes.py), so that the change set is
    asked, and the functions' code.
    """
    codes = code_hashes(deployment)
    with (deployment.project / "services/tasks/silvaengine_tasks/app.py").open("a") as source:
        source.write("# One more line.\n")
    deploy.build(deployment.project)
    deploy.deploy(deployment.project, deployment.engine, parameters=deployment.parameters)
    assert deploy.lambdas(deployment.project).keys() & set(changed_resources(deployment)) == TASKS
    after = code_hashes(deployment)
    # The alias that event sources invoke has the new code as well.
    assert {name for name in codes if after[name] != codes[name]} == {"TasksEvents", *TASKS}


def test_tables_that_exist_can_be_adopted(deployment: Deployment) -> None:
    """`CreateTables=false` deploys over tables that exist; others' rows answer, their streams announce."""
    engine, prefix = deployment.engine, "adopted-"
    tables, streams = engine.client("dynamodb"), dict[str, str]()
    for table in ADOPTABLE:
        keys = [table.hash_key, *([table.range_key] if table.range_key else [])]
        made = tables.create_table(
            TableName=prefix + table.name,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
            KeySchema=[
                {"AttributeName": key, "KeyType": kind}
                for key, kind in zip(keys, ("HASH", "RANGE"), strict=False)
            ],
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"},
        )
        streams[table.name] = made["TableDescription"]["LatestStreamArn"]
    worker_arn = deployment.outputs.worker_arn.replace(deploy.LOCAL_STACK, "adopting")
    rows = Rows(tables, prefix)
    rows.put_test_registry(worker_arn)
    announced = ",".join(streams[table.name] for table in REGISTRY)
    parameters = {"CreateTables": "false", "TablePrefix": prefix, "RegistryStreams": announced}
    outputs = deploy_again(deployment, "adopting", parameters)
    assert outputs.worker_arn == worker_arn
    api = Api(outputs.api_url)
    assert greeting(api) == "Good day"
    check_seen(api, rows)


def changed_resources(deployment: Deployment) -> list[str]:
    """Name what the last update of the stack was to change."""
    stacks = deployment.engine.client("cloudformation")
    summaries = stacks.list_change_sets(StackName=deploy.LOCAL_STACK)["Summaries"]
    last = max(summaries, key=lambda summary: summary["CreationTime"])["ChangeSetId"]
    changes = stacks.describe_change_set(ChangeSetName=last)["Changes"]
    return [change["ResourceChange"]["LogicalResourceId"] for change in changes]


def code_hashes(deployment: Deployment) -> Mapping[str, str]:
    """Return the hash of each function's code."""
    functions = deployment.engine.client("lambda")
    return {
        name: functions.get_function_configuration(FunctionName=arn)["CodeSha256"]
        for name, arn in deployment.outputs.function_arns.items()
    }
