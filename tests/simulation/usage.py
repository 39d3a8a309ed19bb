"""Hours of calls, their lines in logs that come late, and a roll-up that breaks off and is overtaken.

The account counts each call as it happens, and knows nothing of lines.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from random import Random
from typing import Any, Literal

from silvaengine.aws.attribute_values import decode_row
from silvaengine.aws.table_client import TableReader, TableWriter
from silvaengine.errors import UnavailableError
from silvaengine_tasks.usage.log_events import LogEvents
from silvaengine_tasks.usage.roll_up import LATE_HOURS, RollUp
from silvaengine_tasks.usage.rows import HOUR, UsageRows

from ..fakes.dynamodb import MemoryDynamoDB

START = 500_000  # an hour in 2027
TENANTS, FUNCTIONS = ("acme", "globex", "initech"), ("ask", "order", "résumé")
MEMORY = {"Worker": 512, "HttpGateway": 256, "pkg-shop": 1024}
STACK = "silvaengine"
SLOW_SECONDS = 600.0  # that a run which is overtaken waits
PAGE = 7  # events; CloudWatch's have up to 10,000

type Fault = Literal["died before", "died after", "failed", "overtaken"]
FAULTS: tuple[Fault, ...] = ("died before", "died after", "failed", "overtaken")
type Owner = tuple[str, str, int]
type Event = tuple[int, float, str]  # its timestamp, when it can be read, and the text


class DiedError(Exception):
    """The process that rolled up is gone, and does nothing any more."""


class World:
    """Lambdas that log, the table, and an account; ``now`` is epoch seconds."""

    def __init__(self, seed: int = 1) -> None:
        self.random = Random(seed)  # noqa: S311 - it replays a world
        self.now = float(START * HOUR)
        self.dynamodb = MemoryDynamoDB(lambda: self.now)
        self.logs: dict[str, dict[int, list[tuple[int, float, str]]]] = {
            name: defaultdict(list) for name in MEMORY
        }
        self.account: dict[Owner, Counter[str]] = defaultdict(Counter)
        self.lines = 0

    def call(self, *, late: float = 0.0, by: tuple[str, str] | None = None) -> None:
        """Let a tenant's request call a function, whose lines come into the log so many seconds late."""
        tenant, function = by or (self.random.choice(TENANTS), self.random.choice(FUNCTIONS))
        milliseconds = self.random.randrange(1, 90_000) / 100
        tokens = self.random.choice((0, 1, 512, 2**40))
        attempt, status = self.random.choice((1, 1, 2)), self.random.choice((200, 200, 422, 500))
        is_job, where = self.random.random() < 0.2, self.random.choice(("Worker", "pkg-shop"))
        job = {"job_id": f"{self.lines:032x}", "attempt": attempt} if is_job else {}
        ids = {
            "request_id": f"{self.lines:032x}",
            "endpoint_id": tenant,
            "area": "core",
            "function": function,
        }
        worker = {"service": "worker", "memory_mb": MEMORY[where], **ids, **job}
        metered = {"meters": {"tokens": tokens}} if tokens else {}
        gateway = {
            "service": "http",
            "memory_mb": MEMORY["HttpGateway"],
            **ids,
            "key_id": "-",
            "method": "POST",
        }
        sizes = {"bytes_in": self.random.randrange(99), "bytes_out": self.random.randrange(9999)}
        ended = {"status": status, "invoke_ms": milliseconds, "total_ms": milliseconds}
        self._log(where, {**worker, **metered, **ended}, late)
        self._log(
            "HttpGateway",
            {**gateway, **sizes, "status": status, "invoke_ms": 1, "total_ms": milliseconds},
            late,
        )
        self.account[tenant, function, int(self.now) // HOUR].update(
            {
                "calls": 1,
                "requests": 1,
                "invocations": 2,
                "errors": int(status >= 400),
                "jobs": int(is_job and attempt == 1),
                "worker_us": round(milliseconds * 1000),
                "worker_mb_us": round(milliseconds * 1000) * MEMORY[where],
                "mb_us": round(milliseconds * 1000) * (MEMORY[where] + MEMORY["HttpGateway"]),
                "tokens": tokens,
                **sizes,
            }
        )

    def _log(self, group: str, record: Mapping[str, Any], late: float) -> None:
        events = self.logs[group][int(self.now) // HOUR]
        events.append((int(self.now * 1000), self.now + late, json.dumps(record)))
        events.append((int(self.now * 1000), self.now, '{"level": "INFO", "message": "a record"}'))
        self.lines += 1

    def roll_up(self, at: Mapping[int, Fault] | None = None, seen: list[str] | None = None) -> bool:
        """Run the roll-up with these faults at its boundaries; return whether it ended."""
        process = Process(self, at or {}, seen if seen is not None else [])
        rows = UsageRows(TableReader(lambda: process, "se-"), TableWriter(lambda: process, "se-"), STACK)
        try:
            RollUp(LogEvents(lambda: process, STACK), rows, lambda: self.now, threads=1).run()
        except (DiedError, UnavailableError):
            return False
        return True

    def counted(self) -> dict[Owner, Counter[str]]:
        """Return what the table says, in the form of the account."""
        found = {}
        for row in map(decode_row, self.dynamodb.items("se-usage")):
            if "endpoint_id" in row:
                owner = row["endpoint_id"], row["function"], row["hour"]
                names = next(iter(self.account.values())).keys() - {"tokens"}
                found[owner] = Counter({name: row.get(name, 0) for name in names})
                found[owner]["tokens"] = row.get("meters", {}).get("tokens", 0)
        return found


class Process:
    """What one run of the roll-up sees of AWS: each call is a boundary, at which something may happen."""

    def __init__(self, world: World, at: Mapping[int, Fault], seen: list[str]) -> None:
        self._world, self._at, self._seen = world, at, seen
        self._is_dead = False

    def call(
        self, operation: str, request: Mapping[str, Any], resource: str, *, repeatable: bool = False
    ) -> dict[str, Any]:
        """Do an operation, as ``silvaengine.aws.json_api.JsonApi`` does, or suffer the boundary's fault."""
        if self._is_dead:
            raise DiedError
        fault = self._at.get(len(self._seen))
        self._seen.append(operation)
        if fault == "failed":
            raise UnavailableError("AWS fails", detail=operation)
        if fault == "overtaken":
            self._world.now += SLOW_SECONDS
            self._world.roll_up()
        self._is_dead = fault in ("died before", "died after")
        if fault == "died before":
            raise DiedError
        operations: dict[str, Callable[..., dict[str, Any]]] = {
            "DescribeLogGroups": self._groups,
            "FilterLogEvents": self._events,
        }
        do = operations.get(operation)
        response = do(**request) if do else self._world.dynamodb.call(operation, request, resource)
        if self._is_dead:
            raise DiedError
        return response

    def _groups(self, *, logGroupNamePrefix: str, nextToken: str = "0") -> dict[str, Any]:  # noqa: N803
        names = [f"{logGroupNamePrefix}{name}" for name in (*MEMORY, "other-Worker")]
        at = int(nextToken)
        more = {"nextToken": str(at + 2)} if names[at + 2 :] else {}
        made = START * HOUR * 1000
        groups = [{"logGroupName": name, "creationTime": made} for name in names[at : at + 2]]
        return {"logGroups": groups, **more}

    def _events(
        self,
        *,
        logGroupName: str,  # noqa: N803
        startTime: int,  # noqa: N803
        endTime: int,  # noqa: N803
        filterPattern: str,  # noqa: N803
        nextToken: str = "0",  # noqa: N803
    ) -> dict[str, Any]:
        hours = self._world.logs[logGroupName.removeprefix(f"/aws/lambda/{STACK}-")]
        visible = [
            {"timestamp": timestamp, "message": message}
            for timestamp, since, message in hours.get(startTime // (HOUR * 1000), ())
            if startTime <= timestamp <= endTime and since <= self._world.now
        ]
        at, size = int(nextToken), PAGE if len(visible) < 1000 else 20_000
        more = {"nextToken": str(at + size)} if visible[at + size :] else {}
        return {"events": visible[at : at + size], **more}


def simulate(seed: int, calls: int, hours: int) -> World:
    """Run a world: each hour's calls, then a roll-up that may suffer faults, and calm at the end.

    Some hours' roll-up falls out or runs several times, as when somebody asks for usage.
    """
    world = World(seed)
    for hour in range(START, START + hours):
        _one_hour(world, hour, calls // hours)
        world.now = (hour + 1) * HOUR + 300.0
        for _ in range(world.random.choice((0, 1, 1, 1, 2))):
            world.roll_up(dict(_faults(world.random)))
            world.now += world.random.random() * 900
    for hour in range(START + hours + 1, START + hours + LATE_HOURS + 3):
        world.now = hour * HOUR + 300.0
        world.roll_up()
    return world


def _one_hour(world: World, hour: int, calls: int) -> None:
    for at in sorted(world.random.random() for _ in range(calls)):
        world.now = (hour + at) * HOUR
        left = (hour + 1 + LATE_HOURS) * HOUR - world.now
        world.call(late=world.random.choice((0, 0, 0, 1, left * world.random.random())))


def _faults(random: Random) -> Iterator[tuple[int, Fault]]:
    for _ in range(random.choice((0, 1, 1, 2))):
        yield int(random.expovariate(1 / 60)), random.choice(FAULTS)
