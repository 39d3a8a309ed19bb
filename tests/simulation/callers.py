"""Callers: some with an idempotency key, who ask until they know; some without, who ask once."""

import json
from collections.abc import Iterator

from silvaengine.errors import SilvaEngineError
from silvaengine.protocol.messages import Callee
from silvaengine.registry.model import Function
from silvaengine_http.executions import LedgerCall

from .account import Asked
from .world import CALLER_SECONDS, World

TENANTS = ("acme", "globex", "initech")
TRIES = 60


def add_functions(world: World) -> None:
    """Register one function for each promise."""
    for name, on_lost in (("once", "fail"), ("often", "retry"), ("exact", "retry")):
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
            configuration={"config": {"on_lost": on_lost, "max_attempts": 5, "backoff_seconds": 5}},
        )


def ask(world: World, asked: Asked, after: float = 0.0) -> None:
    """Let a caller come; when it dies and has a key, another one asks in its place, as its user would."""
    world.account.asked[asked.number] = asked

    def run() -> None:
        alive = False
        try:
            alive = caller(world, asked)
        finally:
            if not alive and asked.key:
                world.spawn("caller", run, 60)

    world.spawn("caller", run, after)


def caller(world: World, asked: Asked) -> bool:
    """Ask, with a key until the outcome is known and sometimes once more; without one only once."""
    for attempt in range(TRIES if asked.key else 1):
        status, body = send(world, asked)
        world.account.tell(asked, status, body)
        if is_outcome(status, body):
            asked.finished = True
            if not asked.key or attempt % 2 or world.random.random() < 0.7:
                return True
        world.scheduler.pause(min(600.0, 2.0 * 2**attempt) * (0.5 + world.random.random()))
    return True


def send(world: World, asked: Asked, *, body: str | None = None) -> tuple[int, str]:
    """Send one request; give status and body of the answer."""
    params = {"call": asked.number} | ({"fails": asked.fails} if asked.fails else {})
    order = LedgerCall(
        function=world.functions[asked.function],
        endpoint_id=asked.tenant,
        area="core",
        principal=asked.principal,
        request_id=world.ledger.new_token(),
        content=json.dumps({"params": json.dumps(params)}),
        body=body or asked.key or str(asked.number),  # the same for all who use the same key
        key=asked.key,
        is_async=asked.is_async,
        deadline=world.scheduler.clock() + CALLER_SECONDS,
        status_url="job_status",
    )
    try:
        answer = world.executions.serve(order)
    except SilvaEngineError as error:
        return error.status, error.message
    if answer.status == 202:
        look(world, asked, json.loads(answer.body)["job_id"])
    return answer.status, answer.body


def look(world: World, asked: Asked, job_id: str) -> None:
    """Ask for the job that was just accepted."""
    try:
        found = world.ledger.get(job_id)
    except SilvaEngineError:
        return
    if found is None:
        world.account.violation(asked, "its job is not found")
    elif found.endpoint_id != asked.tenant:
        world.account.violation(asked, f"its job is {found.endpoint_id}'s")


def is_outcome(status: int, body: str) -> bool:
    """Whether an answer ends the matter: a result, the function's own error, or that nobody knows."""
    if status == 409:
        return "not known" in body
    return status not in {502, 503, 504}


def random_calls(world: World, count: int, seconds: float) -> Iterator[Asked]:
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
        yield Asked(
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
    """Let so many calls come within so many seconds; some keyed ones are sent twice at once, or misused."""
    add_functions(world)
    for asked in random_calls(world, count, seconds):
        after = world.random.random() * seconds
        ask(world, asked, after)
        if asked.key and world.random.random() < 0.2:
            ask(world, asked, after + world.random.random() * 3)
        if asked.key and world.random.random() < 0.1:
            world.spawn("misuser", lambda asked=asked: misuse(world, asked), after + 5)  # type: ignore[misc]


def misuse(world: World, asked: Asked) -> None:
    """Send something else under a key that was used."""
    if asked.told and asked.finished:
        status, _ = send(world, asked, body="another body")
        if status in {200, 202}:
            world.account.violation(asked, "another request under its key was answered")
