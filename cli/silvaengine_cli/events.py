"""Events as an operator sends them: a sample for each source, and the way to the tasks Lambda."""

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

from silvaengine.protocol.json_codec import Json
from silvaengine_cli.deployment import Deployment

SAMPLES = Path(__file__).parent / "samples"
SOURCES = tuple(sorted(path.stem for path in SAMPLES.glob("*.json")))


def sample(source: str) -> dict[str, Any]:
    """Return a source's sample event; its ids are new each time, or it would be taken for a repetition."""
    text = (SAMPLES / f"{source}.json").read_text()
    event: dict[str, Any] = json.loads(text.replace("{id}", uuid4().hex))
    return event


def send(deployment: Deployment, event: dict[str, Json], *, wait: bool = True) -> tuple[bool, Json]:
    """Invoke the tasks Lambda with an event; return whether it succeeded, and the Lambda's response."""
    succeeded, value = deployment.invoke(deployment.output("TasksArn"), json.dumps(event), wait=wait)
    failed = value.get("batchItemFailures") if isinstance(value, dict) else None
    return succeeded and not failed, value
