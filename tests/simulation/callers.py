"""Callers: some with an idempotency key, who retry until the outcome; some without, who call once."""

import json
from collections.abc import Iterator
from typing import Any

from silvaengine.errors import SilvaEngineError
from silvaengine.ledger.execution import Execution
from silvaengine.protocol.messages import Callee, OnLost
from silvaengine.registry.model import Function
from silvaengine.registry.policy import ExecutionPolicy
from silvaengine.tables import EXECUTIONS
from silvaengine_http.executions import LedgerCall

from .account import Request
from .world import CALLER_SECONDS, NOISY, World

TENANTS = ("acme", "globex", "initech")
TRIES = 60


def add_functions(world: World) -> None:
    """Add a function for each promise."""
    promises: dict[str, OnLost] = {"once": "fail", "often": "retry", "exact": "retry", "noise": "retry"}
    for name, on_lost in promises.items():
        world.functions[name] = Function(
            name=name,
            area="core",
            aws_lambda_arn="arn",
            callee=Callee("sim", "", name, "{}"),
            funct_type="RequestResponse",
            methods=("POST",),
            auth_required=False,
            graphql=False,
            settings={},
            configuration={},
            policy=ExecutionPolicy(on_lost=on_lost, max_attempts=5, backoff_seconds=5),
        )


def ask(world: World, request: Request, after: float = 0.0) -> None:
    """Start a caller; if it dies and has a key, start another one, as its user would."""
    world.account.requests[request.number] = request

    def run() -> None:
        alive = False
        try:
            alive = caller(world, request)
        finally:
            if not alive and request.key:
                world.spawn("caller", run, 60)

    world.spawn("caller", run, after)


def caller(world: World, request: Request) -> bool:
    """Call, with a key until the outcome is known and sometimes once more; without one only once."""
    for attempt in range(TRIES if request.key else 1):
        status, body = send(world, request)
        world.account.response(request, status, body)
        if is_outcome(status, body):
            request.finished = True
            if not request.key or attempt % 2 or world.random.random() < 0.7:
                return True
        world.scheduler.pause(min(600.0, 2.0 * 2**attempt) * (0.5 + world.random.random()))
    return True


def send(world: World, request: Request, *, body: str | None = None) -> tuple[int, str]:
    """Send a request; return status and body of the response."""
    params = {"call": request.number} | ({"fails": request.fails} if request.fails else {})
    order = LedgerCall(
        function=world.registry.resolve(request.tenant, "", "core", request.function),
        endpoint_id=request.tenant,
        area="core",
        caller=request.principal,
        request_id=world.ledger.new_token(),
        traceparent="",
        content=json.dumps({"params": json.dumps(params)}),
        body=body or request.key or str(request.number),  # the same for all who use the same key
        key=request.key,
        is_async=request.is_async,
        deadline=world.scheduler.clock() + CALLER_SECONDS,
        status_url="job_status",
    )
    try:
        response = world.random.choice(world.stacks).executions.serve(order)
    except SilvaEngineError as error:
        return error.status, error.message
    if response.status == 202:
        look(world, request, json.loads(response.body)["job_id"])
    return response.status, response.body


def look(world: World, request: Request, job_id: str) -> None:
    """Read the job that was just accepted."""
    try:
        found = world.ledger.get(job_id)
    except SilvaEngineError:
        return
    if found is None:
        world.account.violation(request, "its job is not found")
    elif found.endpoint_id != request.tenant:
        world.account.violation(request, f"its job is {found.endpoint_id}'s")


def is_outcome(status: int, body: str) -> bool:
    """Return whether a response is final: a result, the function's own error, or an unknown outcome."""
    if status == 409:
        return "is unknown" in body
    return status not in {502, 503, 504}


def random_calls(world: World, count: int, seconds: float) -> Iterator[Request]:
    """Return calls of all kinds; keys are the same for all tenants, principals and functions."""
    keys: dict[tuple[str, str, str], int] = {}
    for number in range(count):
        tenant, principal = world.random.choice(TENANTS), world.random.choice("ab")
        function = world.random.choice(("once", "often", "exact"))
        key = None
        is_async = world.random.random() < 0.6
        if not is_async or world.random.random() < 0.4:
            used = keys[tenant, principal, function] = keys.get((tenant, principal, function), 0) + 1
            key = f"key-{used}"
        yield Request(
            number=number,
            tenant=tenant,
            principal=principal,
            function=function,
            on_lost="fail" if function == "once" else "retry",
            conditional=function == "exact",
            key=key,
            is_async=is_async,
            fails=world.random.choice((400, 500)) if world.random.random() < 0.03 else None,
        )


def populate(world: World, count: int, seconds: float) -> None:
    """Start so many calls within so many seconds; some keys are sent twice at once, or misused."""
    add_functions(world)
    for _ in range(world.weather.noise):
        world.dynamodb.put(EXECUTIONS, **noise(world).to_row())
    for _ in range(world.weather.vandals):
        world.spawn("vandal", lambda: vandalize(world), world.random.random() * seconds)
    for request in random_calls(world, count, seconds):
        after = world.random.random() * seconds
        ask(world, request, after)
        if request.key and world.random.random() < 0.2:
            ask(world, request, after + world.random.random() * 3)
        if request.key and world.random.random() < 0.1:
            world.spawn("misuser", lambda request=request: misuse(world, request), after + 5)  # type: ignore[misc]


def noise(world: World) -> Execution:
    """Return an execution of a tenant whose jobs were all lost at the same time."""
    ledger = world.random.choice(world.stacks).ledger
    facts: dict[str, Any] = {"principal": "", "digest": "", "content": "{}", "on_lost": "retry"}
    made = ledger.new(world.functions["noise"], NOISY, "request", None, **facts)
    return made._replace(due_at=made.created_at)


def vandalize(world: World) -> None:
    """Leave a row in the index that can't be read: an invented one, or one's own without a member."""
    row = noise(world).to_row()
    listed = {name: row[name] for name in ("job_id", "due_shard", "due_at")}
    lost = world.random.choice([name for name in row if name not in {*listed, "content", "stack"}])
    mistyped = {**row, lost: ["x"]}
    stripped = {name: value for name, value in row.items() if name != lost}
    world.dynamodb.put(EXECUTIONS, **world.random.choice((listed, mistyped, stripped)))


def misuse(world: World, request: Request) -> None:
    """Send another request with a key that was used."""
    if request.responses and request.finished:
        status, _ = send(world, request, body="another body")
        if status in {200, 202}:
            world.account.violation(request, "another request under its key was answered")
