"""What the outside world holds on to is as `surface.json` says: additions are written there, nothing goes.

After an addition: ``python -m tests.rules.test_surface``.
"""

import json
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from samcli.lib.cfn_language_extensions.sam_integration import expand_language_extensions
from samcli.yamlhelper import yaml_parse

import silvaengine_base
import silvaengine_utility
from silvaengine import tables
from silvaengine.context import CurrentInvocation, FencingToken
from silvaengine.ledger.execution import Execution
from silvaengine.protocol.messages import (
    Callee,
    ExecutionRef,
    Invocation,
    ReplyTo,
    WorkerCall,
    WorkerResponse,
)
from silvaengine.settings import Settings
from silvaengine_cli.main import cli

PROJECT = Path(__file__).parents[2]
SURFACE = Path(__file__).with_name("surface.json")
REGION = {"AWS::Region": "eu-central-1", "AWS::StackName": "silvaengine"}
PARTS = (
    "payload of a worker",
    "answer of a worker",
    "tables",
    "command line",
    "template",
    "names for functions",
)
REDIS_ONLY = {"REDIS_PASSWORD", "REDIS_PORT", "REDIS_TLS", "REDIS_USERNAME", "REDIS_CLUSTER"}

ENVIRONMENT = {
    "ALLOWED_PACKAGES": "shop",
    "AWS_REGION": "eu-west-1",
    "BROADCASTER": "arn",
    "CACHE_DIR": "none",
    "CHECK_RESULTS": "true",
    "CACHE_DISK_MB": "1",
    "CACHE_FENCE_SECONDS": "1",
    "CACHE_MEMORY_MB": "1",
    "DEAD_LETTER_QUEUE_URL": "https://queue",
    "DYNAMODBSTREAMENDPOINTID": "acme",
    "EFSMOUNTPOINT": "/mnt",
    "EVENTS_BY_NAME": "true",
    "FULL_EVENT_AREAS": "admin",
    "ISOLATED_WORKER_ARN": "arn",
    "KEY_PEPPER": "pepper",
    "LEDGER_SECRET": "secret",
    "LOGGINGLEVEL": "logging.DEBUG",
    "LOG_SAMPLE": "0.5",
    "OTHER_WORKER_ARNS": "arn",
    "PAYLOAD_BUCKET": "bucket",
    "PYTHONPACKAGESPATH": "packages",
    "RATE_LIMIT_INSTANCES": "9",
    "REDIS_CLUSTER": "true",
    "REDIS_DB": "1",
    "REDIS_DB_METHOD": "2",
    "REDIS_HOST": "redis",
    "REDIS_PASSWORD": "word",
    "REDIS_PORT": "1",
    "REDIS_TLS": "true",
    "REDIS_URL": "rediss://redis",
    "REDIS_USERNAME": "user",
    "REDIS_WORKER_USERNAME": "worker",
    "REGIONNAME": "eu-west-1",
    "REGISTRY_REFRESH_SECONDS": "1",
    "REGISTRY_TTL_SECONDS": "1",
    "SNSTOPICARN": "arn",
    "STACK_NAME": "silvaengine",
    "STAGE": "prod",
    "TABLE_PREFIX": "prod-",
    "TAKES_GZIP": "true",
    "TASKS_FUNCTION": "tasks",
    "WEBSOCKET_MANAGEMENT_URL": "https://api",
    "WORKER_ALIAS": "live",
    "WORKER_ARN": "arn",
    "WORKER_ARN_MAP": "arn",
    "WORKER_TIMEOUT": "1",
}


def payload() -> dict[str, Any]:
    """Return the members of the payload of a worker's call, with all that it can have."""
    callee = Callee("module", "Class", "function", "{}", typed=True)
    invocation = Invocation(
        "request", "acme", "core", "function", 1.0, traceparent="traceparent", grant="token"
    )
    execution = ExecutionRef("job", "owner", "effect", 1, 1, 3, "retry", 60, 10)
    reply_to = ReplyTo("connection", "message", wants_result=True)
    simple = WorkerCall(callee, {"a": 1}, "body", {"channel": "acme"}, None, None, invocation, execution)
    whole = simple._replace(context=None, body=None, aws_event={}, aws_context={})
    return {
        name: json.loads(call.encode())
        for name, call in {
            "call": simple,
            "full event": whole,
            "socket": WorkerCall(callee, {}, None, {}, None, None, invocation, None, None, reply_to),
            "large": simple._replace(content_url="https://bucket"),
            "published": simple._replace(callee=callee._replace(release="digest")),
        }.items()
    }


def command_line(command: click.Command, name: str = "silvaengine") -> dict[str, list[str]]:
    """Return the options and arguments of a command and all below it."""
    found: dict[str, list[str]] = {}
    if isinstance(command, click.Group):
        context = click.Context(command)
        for each in command.list_commands(context):
            below = command.get_command(context, each)
            assert below is not None
            found |= command_line(below, f"{name} {each}")
    parameters = [
        f"{'/'.join([*each.opts, *each.secondary_opts])} {each.type.name}{' *' if each.required else ''}"
        for each in command.params
    ]
    return {name: sorted(parameters), **found}


def table_names() -> dict[str, Any]:
    """Return each table with its keys, and what is fixed in them."""
    fixed = [name for name in vars(tables) if name.endswith(("_ID", "_KEY", "_INDEX", "_ENDPOINT"))]
    return {
        **{f"se-{table.name}": table.key_names for table in tables.TABLES},
        **{name: getattr(tables, name) for name in fixed},
        "attributes of an execution": Execution._fields,
    }


def template() -> dict[str, Any]:
    """Return the parameters with their defaults, the outputs, and each function's handler and variables."""
    text = (PROJECT / "template.yaml").read_text()
    parsed = expand_language_extensions(yaml_parse(text), REGION, enabled=True).expanded_template
    shared = parsed["Globals"]["Function"]["Environment"]["Variables"]
    functions = {
        name: [
            each["Properties"]["Handler"],
            sorted({**shared, **each["Properties"]["Environment"]["Variables"]}),
        ]
        for name, each in parsed["Resources"].items()
        if each.get("Type") == "AWS::Serverless::Function"
    }
    return {
        "parameters": {name: str(each.get("Default")) for name, each in parsed["Parameters"].items()},
        "outputs": sorted(parsed["Outputs"]),
        "functions": functions,
    }


def surface() -> dict[str, Any]:
    """Return all that is held on to, as JSON would hold it."""
    names = {
        "silvaengine_base": sorted(silvaengine_base.__all__),
        "silvaengine_utility": sorted(silvaengine_utility.__all__),
        "current_invocation()": CurrentInvocation._fields,
        "fencing_token": FencingToken._fields,
    }
    response = WorkerResponse("json", 1, details=({"in": "body"},)).encode()
    parts = (payload(), response, table_names(), command_line(cli), template(), names)
    decoded: dict[str, Any] = json.loads(json.dumps(dict(zip(PARTS, parts, strict=True))))
    return decoded


def lost(before: Any, now: Any, path: str = "") -> list[str]:
    """Return what stands in ``before`` and not, or otherwise, in ``now``."""
    if isinstance(before, dict) and isinstance(now, dict):
        return [each for name in before for each in lost(before[name], now.get(name), f"{path}/{name}")]
    if isinstance(before, list) and isinstance(now, list):
        return [f"{path}: {each}" for each in before if each not in now]
    return [] if before == now else [f"{path}: {before!r}, now {now!r}"]


@pytest.mark.parametrize("part", PARTS)
def test_nothing_that_the_outside_holds_on_to_goes(part: str) -> None:
    """Members, keys, options, parameters and names that are published are there, as they were."""
    before = json.loads(SURFACE.read_text())
    now = surface()
    assert lost(before[part], now[part]) == []
    assert lost(now[part], before[part]) == [], "an addition: write it into surface.json"


@pytest.mark.parametrize("variable", ENVIRONMENT)
def test_each_variable_of_the_environment_counts(variable: str) -> None:
    """A deployment's variables keep their names: each changes a setting."""
    others = {"REDIS_HOST": "host"} if variable.startswith("REDIS_DB") or variable in REDIS_ONLY else {}
    with_it = Settings.from_environment({**others, variable: ENVIRONMENT[variable]})
    assert with_it != Settings.from_environment(others)


if __name__ == "__main__":
    SURFACE.write_text(json.dumps(surface(), indent=1) + "\n")
    sys.stdout.write(f"wrote {SURFACE.name}\n")
