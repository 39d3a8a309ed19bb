"""Events as an operator sends them: a sample for each source, and the way to the tasks Lambda."""

import json
from pathlib import Path
from types import MappingProxyType
from typing import Any
from uuid import uuid4

import click

from silvaengine.protocol.json_codec import Json
from silvaengine.tables import CONFIG_DATA, EVENTS_SETTING_ID
from silvaengine_cli.deployment import Deployment
from silvaengine_cli.registry.bindings import is_binding

SAMPLES = Path(__file__).parent / "samples"
SOURCES = tuple(sorted(path.stem for path in SAMPLES.glob("*.json")))
# Those whose sample can come from any source that a function is bound to, by the kind of its binding.
BOUND = MappingProxyType({"sqs": "queue", "sns": "topic", "rule": "rule", "schedule": "schedule"})
NAME = "stack"  # of the queue, topic, rule or schedule that a sample comes from otherwise
TENANT = "demo"


def sample(source: str, name: str = NAME, tenant: str = TENANT) -> dict[str, Any]:
    """Return a source's sample event; its ids are new each time, or it would be taken for a repetition."""
    text = (SAMPLES / f"{source}.json").read_text()
    for place, value in (("{id}", uuid4().hex), ("{name}", name), ("{tenant}", tenant)):
        text = text.replace(place, value)
    event: dict[str, Any] = json.loads(text)
    return event


def first_binding(deployment: Deployment, source: str, function: str) -> tuple[str, str]:
    """Return the name of the first queue, topic, rule or schedule that a function is bound to, and for whom.

    Raises:
        ClickException: there is none.
    """
    for row in filter(is_binding, deployment.tables().query(CONFIG_DATA, EVENTS_SETTING_ID)):
        kind, _, name = row["variable"].partition(":")
        for target in row["value"] if kind == BOUND[source] else ():
            if target.get("funct") == function:
                return str(name), str(target.get("endpoint_id"))
    raise click.ClickException(f"{function!r} is bound to no {BOUND[source]}")


def send(
    deployment: Deployment, event: dict[str, Json], *, wait: bool = True, as_source: bool = True
) -> tuple[bool, Json]:
    """Invoke the tasks Lambda with an event; return whether it succeeded, and the Lambda's response.

    It is invoked as event sources do it, or with ``as_source=False`` as functions do.
    """
    function = deployment.output("TasksEventsArn" if as_source else "TasksArn")
    succeeded, value = deployment.invoke(function, json.dumps(event), wait=wait)
    failed = value.get("batchItemFailures") if isinstance(value, dict) else None
    return succeeded and not failed, value
