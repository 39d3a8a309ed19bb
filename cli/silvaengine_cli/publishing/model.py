"""The contents of ``package.yaml``; ``docs/packages.md`` is its reference."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool, StrictInt, field_validator

from silvaengine_cli.registry import values
from silvaengine_cli.registry.model import BindingSpec, FunctionSpec


def _check_variable(value: object) -> object:
    """Refuse what is neither plain nor a function of CloudFormation."""
    if value is None or isinstance(value, list) or (isinstance(value, dict) and len(value) != 1):
        raise ValueError("must be text, a number, true, false or a function such as !Ref Orders")
    return value


type Variables = dict[values.EnvironmentName, Annotated[Any, AfterValidator(_check_variable)]]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class EventSpec(BindingSpec):
    """A binding: to a resource of the package by its logical id, or to a source of the account by its name.

    A schedule may be an expression, for which the package's stack makes a rule.
    """

    schedule: values.ScheduleName | None = None


class PackageFunctionSpec(FunctionSpec):
    """A function as in ``registry.yaml``, which the package's own Lambda runs."""

    events: tuple[EventSpec, ...] = ()

    @field_validator("lambda_arn")
    @classmethod
    def _own_lambda(cls, value: str | None) -> str | None:
        if value is not None:
            raise ValueError("is the package's own; leave it out")
        return value


class ResourceSpec(_Section):
    """A resource in CloudFormation's own words."""

    Type: str
    Properties: dict[str, Any] = {}
    DependsOn: str | tuple[str, ...] = ()
    DeletionPolicy: Literal["Retain", "Delete"] | None = None
    UpdateReplacePolicy: Literal["Retain", "Delete"] | None = None
    Metadata: dict[str, Any] = {}


class StatementSpec(_Section):
    """A statement of the policy of the package's role; without NotAction and NotResource."""

    Sid: str | None = None
    Effect: Literal["Allow", "Deny"]
    Action: str | tuple[str, ...]
    Resource: Any
    Condition: dict[str, Any] | None = None


class PackageSpec(_Section):
    """The whole file; memory and storage in MB, the timeout in seconds.

    ``typed`` and ``mcp`` are for functions that don't say it themselves.
    """

    package: values.PackageName
    memory: Annotated[StrictInt, Field(ge=128, le=10_240)] = 512
    timeout: Annotated[StrictInt, Field(ge=1, le=870)] = 300
    ephemeral_storage: Annotated[StrictInt, Field(ge=512, le=10_240)] = 512
    concurrency: Annotated[StrictInt, Field(ge=1, le=100_000)] | None = None
    warm: Annotated[StrictInt, Field(ge=0, le=1_000)] = 0
    isolation: Literal["shared", "tenant"] = "shared"
    typed: StrictBool = True
    mcp: StrictBool = False
    environment: dict[values.Stage, Variables] = {}
    functions: Annotated[dict[values.FunctionName, PackageFunctionSpec], Field(min_length=1)]
    resources: dict[values.LogicalId, ResourceSpec] = {}
    permissions: tuple[StatementSpec, ...] = ()
