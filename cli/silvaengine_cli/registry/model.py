"""The contents of ``registry.yaml``: four sections, one table each; every default is the tables' own.

::

    endpoints:                          # tenants: /{area}/{endpoint}/{function}
      demo:                             # uses the common key row
      acme:
        connection: own                 # reaches what its own key rows list
        rate_limit: {per_second: 50, burst: 100}   # of all its callers; default: none

    functions:                          # what can be called
      hello:
        module: demo                    # import path
        class: Greetings                # none: a plain function of the module
        area: core
        methods: [GET, POST]            # default [POST, GET]
        type: RequestResponse           # default; Event is a job, answered 202 at once
        on_lost: retry                  # or fail; default: fail with an Idempotency-Key, retry for other jobs
        max_attempts: 3                 # default, 1 to 20
        idempotency: optional           # default; required: POST, PUT, PATCH, DELETE need an Idempotency-Key
        keep_seconds: 86400             # default; how long results and keys are kept, 60 to 30 days
        backoff_seconds: 10             # default; the pause after the first failure, doubled after each one
        broadcasts: false               # default; true: may push to all of its tenant's WebSocket connections
        internal: false                 # default; true: for events and other functions, missing for clients
        settings: demo                  # one of the settings below
        auth_required: false            # default
        graphql: false                  # default
        operations: {query: [], mutation: []}
        lambda: arn:aws:lambda:...      # default: the stack's worker
        events:                         # sources that call it, for an endpoint that reaches it without a key
          - {endpoint: demo, queue: orders, batch: true}    # batch: all records of an event in one call
          - {endpoint: demo, bucket: photos, prefix: in/, suffix: .jpg}
          - {endpoint: demo, table: orders}                 # or topic, rule, schedule

    connections:                        # what an API key reaches
      - functions:                      # no endpoint: the common key row; no api_key: calls without one
          - hello
          - {function: report, settings: demo_slow}   # the connection's own setting overlays the function's
      - endpoint: acme
        api_key: acme-key
        functions: [hello]
        whitelist: [203.0.113.0/24]
        grants: ["cache:admin"]
        rate_limit: {per_second: 0.5}   # of this key; burst: at once, default a second's
      - api_key: shops-key
        functions: [hello]
        endpoints: [demo]               # where a key of the common key row is valid; default: all

    settings:                           # id: variables, any JSON value
      demo:
        greeting: Hello
        password: ssm:/demo/password    # or secretsmanager:name; the gateway replaces it by the secret

``hello@eu`` is the function ``hello`` in another Lambda; the part from ``@`` on is only this file's label.
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

from silvaengine.tables import COMMON_ENDPOINT, DEFAULT_API_KEY
from silvaengine_cli.registry import values

SOURCES = ("queue", "bucket", "table", "topic", "rule", "schedule")

EXECUTION = (
    "on_lost", "max_attempts", "idempotency", "keep_seconds", "backoff_seconds", "broadcasts", "internal"
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
    """A tenant, and whether its callers use the common key row or its own."""

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

    module: values.Module
    class_name: values.ClassName | None = Field(None, alias="class")
    area: values.Area
    methods: Annotated[tuple[Method, ...], _not_empty("POST and GET")] = METHODS
    type: Literal["RequestResponse", "Event"] = "RequestResponse"
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
    lambda_arn: values.LambdaArn | None = Field(None, alias="lambda")
    events: tuple[BindingSpec, ...] = ()


class EntrySpec(_Section):
    """A function of a connection; a bare name means one without settings of the connection."""

    function: values.FunctionLabel
    settings: values.SettingId | None = None

    @model_validator(mode="before")
    @classmethod
    def _bare_name(cls, value: object) -> object:
        return {"function": value} if isinstance(value, str) else value


class ConnectionSpec(_Section):
    """What an API key may call: at one endpoint, or at all that use the common key row."""

    endpoint: values.EndpointId = COMMON_ENDPOINT
    api_key: values.ApiKey = DEFAULT_API_KEY
    functions: tuple[EntrySpec, ...] = ()
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
