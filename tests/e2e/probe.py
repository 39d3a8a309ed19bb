"""The probe stack: one Lambda that does what it is told, behind a REST, an HTTP and a WebSocket API."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from silvaengine_cli.deploy import zip_files
from silvaengine_cli.engine import LocalEngine

from .http_client import Api, Response

HERE = Path(__file__).parent
TEMPLATE = (HERE / "probe_stack.yaml").read_text()


@dataclass(frozen=True, slots=True)
class Probe:
    """The deployed probe stack."""

    engine: LocalEngine
    outputs: Mapping[str, str]

    @property
    def api(self) -> Api:
        """The REST API."""
        return self.api_at("ApiId")

    @property
    def http_api(self) -> Api:
        """The HTTP API."""
        return self.api_at("HttpApiId")

    def api_at(self, output: str) -> Api:
        """Return the API whose id is this output."""
        return Api(f"{self.engine.url}/_aws/execute-api/{self.outputs[output]}/probe")

    def invoke(self, action: str, **event: object) -> Any:
        """Call the function; return its result, or the error that Lambda reports."""
        response = self.engine.client("lambda").invoke(
            FunctionName=self.outputs["Function"], Payload=json.dumps({"action": action, **event})
        )
        return json.loads(response["Payload"].read())

    def get(self, path: str, headers: Mapping[str, str] | None = None) -> Response:
        """Send a GET to the REST API."""
        return self.api.get(path, headers)


def deploy_probe(engine: LocalEngine) -> Probe:
    """Deploy the probe stack past sam, which has nothing to build there."""
    objects, stacks = engine.client("s3"), engine.client("cloudformation")
    objects.create_bucket(Bucket="probe-artefacts")
    function = {"probe.py": (HERE / "probe_function.py").read_bytes(), "where_from.py": b"NAME = 'function'"}
    for key, files in {
        "function.zip": function,
        "layer.zip": {"python/where_from.py": b"NAME = 'layer'"},
    }.items():
        objects.put_object(Bucket="probe-artefacts", Key=key, Body=zip_files(files))
    stacks.create_stack(
        StackName="probe",
        TemplateBody=TEMPLATE,
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
    )
    stacks.get_waiter("stack_create_complete").wait(StackName="probe", WaiterConfig={"Delay": 0.1})
    (stack,) = stacks.describe_stacks(StackName="probe")["Stacks"]
    return Probe(engine, {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]})
