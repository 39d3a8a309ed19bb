"""The contents of ``registry.yaml``: four sections, one table each; every default is the tables' own.

``docs/registry.md`` is its reference.
"""

from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    model_validator,
)

from silvaengine.registry.routes import METHODS as ROUTE_METHODS
from silvaengine.registry.routes import Route
from silvaengine.tables import COMMON_ENDPOINT, DEFAULT_API_KEY
from silvaengine_cli.registry import values

SOURCES = ("queue", "bucket", "table", "topic", "rule", "schedule")

EXECUTION = (
    "route", "on_lost", "max_attempts", "idempotency", "keep_seconds", "backoff_seconds", "broadcasts",
    "internal", "typed", "keep_empty", "mcp",
)  # fmt: skip

type Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]

METHODS: tuple[Method, ...] = ("POST", "GET")


def _not_empty(otherwise: str) -> AfterValidator:
    def check(members: tuple[str, ...]) -> tuple[str, ...]:
        if not members:
            raise ValueError(f"must not be empty; leave it out for {otherwise}")
        return members

    return AfterValidator(check)


_NONE_AS_EMPTY = BeforeValidator(lambda value: {} if value is None else value)


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RateLimitSpec(_Section):
    """A rate of calls: 0.000001 to 100,000 a second in the long run, and ``burst`` at once."""

    per_second: values.Rate
    burst: Annotated[StrictInt, Field(ge=1, le=100_000)] | None = None


class EndpointSpec(_Section):
    """A tenant, and whether its callers use the common connection or its own."""

    connection: Literal["common", "own"] = "common"
    rate_limit: RateLimitSpec | None = None


class OperationsSpec(_Section):
    """The GraphQL operations for which permissions can be given."""

    query: tuple[str, ...] = ()
    mutation: tuple[str, ...] = ()


class BindingSpec(_Section):
    """A source of events that calls a function, on behalf of an endpoint."""

    endpoint: values.EndpointId
    queue: values.SourceName | None = None
    bucket: values.SourceName | None = None
    table: values.SourceName | None = None
    topic: values.SourceName | None = None
    rule: values.SourceName | None = None
    schedule: values.SourceName | None = None
    prefix: str | None = None
    suffix: str | None = None
    batch: StrictBool = False

    @property
    def source(self) -> tuple[str, str]:
        """The source's kind and name."""
        return next((kind, name) for kind in SOURCES if (name := getattr(self, kind)) is not None)

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        kinds = [kind for kind in SOURCES if getattr(self, kind) is not None]
        if len(kinds) != 1:
            raise ValueError(f"must name exactly one of {', '.join(SOURCES)}")
        if self.bucket is None and (self.prefix is not None or self.suffix is not None):
            raise ValueError("prefix and suffix are for a bucket")
        if self.table is not None and self.batch:
            raise ValueError("batch is not for a table: its functions always get many records")
        return self


class FunctionSpec(_Section):
    """A callable of a function package, and how it may be called."""

    module: values.Module | None = None
    class_name: values.ClassName | None = Field(None, alias="class")
    call: values.Call | None = None
    area: values.Area
    methods: Annotated[tuple[Method, ...], _not_empty("POST and GET")] = METHODS
    type: Literal["RequestResponse", "Event"] = "RequestResponse"
    route: values.FunctionRoute | None = None
    settings: values.SettingId | None = None
    auth_required: StrictBool = False
    graphql: StrictBool = False
    operations: OperationsSpec = OperationsSpec()
    on_lost: Literal["fail", "retry"] | None = None
    max_attempts: Annotated[StrictInt, Field(ge=1, le=20)] | None = None
    idempotency: Literal["optional", "required"] | None = None
    keep_seconds: Annotated[StrictInt, Field(ge=60, le=2_592_000)] | None = None
    backoff_seconds: Annotated[StrictInt, Field(ge=1, le=3600)] | None = None
    broadcasts: StrictBool | None = None
    internal: StrictBool | None = None
    typed: StrictBool | None = None
    keep_empty: StrictBool | None = None
    mcp: StrictBool | None = None
    lambda_arn: values.LambdaArn | None = Field(None, alias="lambda")
    events: tuple[BindingSpec, ...] = ()

    def callee(self, name: str) -> tuple[str, str, str]:
        """Return the module, the class (empty for none) and the name of what the function ``name`` calls."""
        if self.call is None:
            return self.module or "", self.class_name or "", name
        module, _, path = self.call.partition(":")
        class_name, _, called = path.rpartition(".")
        return module, class_name, called

    @model_validator(mode="before")
    @classmethod
    def _methods_of_route(cls, value: object) -> object:
        """Allow a function with a route the route's method alone unless it says otherwise."""
        match value:
            case {"methods": _}:
                return value
            case {"route": str() as route, **members} if (method := route.partition(" ")[0]) in ROUTE_METHODS:
                return {**members, "route": route, "methods": [method]}
        return value

    @model_validator(mode="after")
    def _reachable_route(self) -> Self:
        if self.route is None:
            return self
        if (method := Route.parse(self.route).method) not in self.methods:
            raise ValueError(f"methods must have {method}, the route's")
        if self.internal:
            raise ValueError("route is for clients, and internal: true is missing for them")
        return self

    @model_validator(mode="after")
    def _callable_tool(self) -> Self:
        if self.mcp and self.internal:
            raise ValueError("mcp is for agents, from whom internal: true hides it")
        return self

    @model_validator(mode="after")
    def _one_callee(self) -> Self:
        if (self.module is None) == (self.call is None) or (self.call and self.class_name):
            raise ValueError("needs a module, and a class for a method; or, instead of both, call")
        return self


class EntrySpec(_Section):
    """A function of a connection, of the file or of a published package; a bare name is one of the file."""

    function: values.FunctionLabel
    package: values.PackageName | None = None
    settings: values.SettingId | None = None

    @model_validator(mode="before")
    @classmethod
    def _bare_name(cls, value: object) -> object:
        return {"function": value} if isinstance(value, str) else value


class PackageEntrySpec(_Section):
    """A published package whose functions a connection opens; a bare name means one without settings."""

    package: values.PackageName
    settings: values.SettingId | None = None

    @model_validator(mode="before")
    @classmethod
    def _bare_name(cls, value: object) -> object:
        return {"package": value} if isinstance(value, str) else value


class ConnectionSpec(_Section):
    """What an API key may call: at one endpoint, or at all that use the common connection."""

    endpoint: values.EndpointId = COMMON_ENDPOINT
    api_key: values.ApiKey = DEFAULT_API_KEY
    functions: tuple[EntrySpec, ...] = ()
    packages: tuple[PackageEntrySpec, ...] = ()
    whitelist: tuple[values.Network, ...] | None = None
    grants: tuple[values.Grant, ...] | None = None
    rate_limit: RateLimitSpec | None = None
    endpoints: Annotated[tuple[values.EndpointId, ...], _not_empty("every endpoint")] | None = None


class RegistrySpec(_Section):
    """The whole file."""

    endpoints: Annotated[
        dict[values.EndpointId, Annotated[EndpointSpec, _NONE_AS_EMPTY]], _NONE_AS_EMPTY
    ] = {}
    functions: Annotated[dict[values.FunctionLabel, FunctionSpec], _NONE_AS_EMPTY] = {}
    connections: Annotated[tuple[ConnectionSpec, ...], BeforeValidator(lambda value: value or ())] = ()
    settings: Annotated[
        dict[values.SettingId, Annotated[dict[values.Variable, Any], _NONE_AS_EMPTY]], _NONE_AS_EMPTY
    ] = {}


def function_name(label: str) -> str:
    """Return the function's name: the label up to ``@``."""
    return label.partition("@")[0]
