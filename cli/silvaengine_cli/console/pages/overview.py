"""Overview: how the deployment does, as `silvaengine status` has it; slow to read, it comes by live parts."""

import time
from collections.abc import Sequence

from starlette.requests import Request

from silvaengine_cli.console.session import Session
from silvaengine_cli.console.views import Context, Look, render_part
from silvaengine_cli.logs import Line
from silvaengine_cli.publishing.coverage import outcomes_text
from silvaengine_cli.status.numbers import MINUTE_MS, Numbers, by_minute, numbers_of, worst
from silvaengine_cli.status.recent import MINUTES
from silvaengine_cli.status.state import State

CHARTED = ("http", "worker", "websocket", "tasks")
"""The services that have a colour."""
CHARTS = {
    "Calls per minute": ("calls", ""),
    "Latency, p50": ("p50_ms", "ms"),
    "Latency, p99": ("p99_ms", "ms"),
    "Failed calls per minute": ("failed", ""),
    "Refused calls per minute (4xx)": ("refused", ""),
    "Cold starts per minute": ("cold_starts", ""),
}
TABLES = {"Service": "service", "Function": "function", "Tenant": "endpoint"}
"""What is measured, and as Requests filters by it."""
COLUMNS = ["Calls", "4xx", "Failed", "p50 ms", "p99 ms", "Cold starts"]
TOP = 5  # of functions and tenants


def show(session: Session, request: Request) -> Context:
    """Return what was read last, or with `?whole` all, for browsers without JavaScript."""
    whole = "whole" in request.query_params
    state = session.state() if whole else session.state.last
    recent = session.recent() if whole else session.recent.last
    return {"state": state and _state(state), "numbers": recent and _numbers(*recent)}


def watch_state(session: Session, _request: Request) -> Look:
    """Return what looks at tables, queues and alarms."""
    return lambda: _state(session.state())


def watch_numbers(session: Session, _request: Request) -> Look:
    """Return what looks at the lines of the last hour."""
    return lambda: _numbers(*session.recent())


def _state(state: State) -> str:
    return render_part("overview_state.html", state=state, outcomes_text=outcomes_text)


def _numbers(lines: Sequence[Line], begin: int) -> str:
    last = int(time.time() * 1000) // MINUTE_MS
    first = max(begin // MINUTE_MS, last - MINUTES)
    minutes = by_minute(lines, first, last)
    charts = {
        title: {
            "times": [minute * MINUTE_MS // 1000 for minute in range(first, last + 1)],
            "series": {name: [_value(each, what) for each in minutes[name]] for name in CHARTED},
            "unit": unit,
        }
        for title, (what, unit) in CHARTS.items()
    }
    seconds = (last + 1 - first) * MINUTE_MS / 1000
    measured = numbers_of(lines, seconds, covers_all=True)
    services = sorted(measured.services.items(), key=lambda each: (each[0] not in CHARTED, each[0]))
    functions, tenants = worst(measured.functions, TOP), worst(measured.tenants, TOP)
    tables = zip(TABLES, TABLES.values(), (services, functions, tenants), strict=True)
    return render_part(
        "overview_numbers.html",
        charts=charts if lines else {},
        minutes=last - first,
        tables=[(*names, [(each, of.facts(seconds)) for each, of in rows]) for *names, rows in tables],
        columns=COLUMNS,
    )


def _value(numbers: Numbers, what: str) -> float | None:
    """Return a number of a minute; of times there are none in one without calls."""
    return None if what.endswith("_ms") and not numbers.calls else numbers.facts(60)[what]
