"""What a deployment gives its packages: the layer, the worker's environment, roles and places."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Self

from silvaengine.settings import PACKAGE_MARK
from silvaengine_cli.deployment import Deployment

# What the worker may import is what its own artefact lists; a package's artefact has a list of its own.
_WORKERS_OWN = ("ALLOWED_PACKAGES",)


@dataclass(frozen=True)
class Platform:
    """A deployment as its packages see it.

    The worker's own configuration is what packages get: one layer, one environment, one network for all that
    runs functions. ``network`` is Lambda's VpcConfig, empty outside of a VPC; ``logging`` what differs from
    the defaults of its LoggingConfig.
    """

    stack: str
    stage: str
    region: str
    account: str
    partition: str
    table_prefix: str
    bucket: str
    architecture: str
    runtime: str
    layer: str
    environment: Mapping[str, str]
    network: Mapping[str, Any]
    logging: Mapping[str, str]
    boundary: str
    policy: str
    service_role: str
    tasks_events: str
    dead_letters: str
    topic: str
    tenant_metrics: bool
    log_retention_days: int
    queue_visibility: int
    queue_receives: int

    @classmethod
    def read(cls, deployment: Deployment) -> Self:
        """Read a deployment's outputs and its worker's configuration.

        Raises:
            ClickException: there is no such stack, or it is older than published packages.
        """
        arn = deployment.output("WorkerArn")
        _, partition, _, region, account, *_ = arn.split(":")
        worker = deployment.client("lambda").get_function_configuration(FunctionName=arn)
        variables: dict[str, str] = worker["Environment"]["Variables"]
        dead_letters = deployment.output("EventDeadLetterQueueUrl").rpartition("/")[2]
        network = worker.get("VpcConfig") or {}
        names = ("SubnetIds", "SecurityGroupIds")
        return cls(
            stack=deployment.stack,
            stage=deployment.output("Stage"),
            region=region,
            account=account,
            partition=partition,
            table_prefix=deployment.table_prefix,
            bucket=deployment.output("PayloadBucket"),
            architecture=worker["Architectures"][0],
            runtime=worker["Runtime"],
            layer=worker["Layers"][0]["Arn"],
            environment={name: value for name, value in variables.items() if name not in _WORKERS_OWN},
            network={name: network[name] for name in names if network.get(name)},
            logging=_logging_of(worker),
            boundary=deployment.output("PackageBoundary"),
            policy=deployment.output("PackagePolicy"),
            service_role=deployment.output("PackageServiceRole"),
            tasks_events=deployment.output("TasksEventsArn"),
            dead_letters=f"arn:{partition}:sqs:{region}:{account}:{dead_letters}",
            topic=variables["SNSTOPICARN"],
            tenant_metrics=deployment.parameter("TenantMetrics", "false") == "true",
            log_retention_days=int(deployment.parameter("LogRetentionDays")),
            queue_visibility=int(deployment.parameter("EventQueueVisibilityTimeout")),
            queue_receives=int(deployment.parameter("EventQueueMaxReceiveCount")),
        )

    @property
    def digest(self) -> str:
        """A digest of what a package's Lambda gets: layer, runtime, environment, network and logging."""
        given = [self.layer, self.runtime, self.architecture, dict(self.environment), dict(self.network)]
        given += [dict(self.logging)] if self.logging else []
        return sha256(json.dumps(given, sort_keys=True).encode()).hexdigest()

    def function_name(self, package: str) -> str:
        """Return the name of a package's Lambda, which is its stack's, too."""
        return f"{self.stack}{PACKAGE_MARK}{package}"

    def function_arn(self, package: str) -> str:
        """Return the unqualified ARN of a package's Lambda."""
        return self.arn("lambda", f"function:{self.function_name(package)}")

    def arn(self, service: str, resource: str) -> str:
        """Return the ARN of a resource of this account and region."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.account}:{resource}"


def _logging_of(function: Mapping[str, Any]) -> dict[str, str]:
    configured = function.get("LoggingConfig", {})
    if configured.get("LogFormat") != "JSON":
        return {}
    return {name: value for name, value in configured.items() if name != "LogGroup"}
