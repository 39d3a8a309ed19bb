"""Tenants: their keys, settings and usage."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from urllib.parse import quote

import click
from starlette.requests import Request

from silvaengine.access.api_keys import IMPLIED_SCOPES, SCOPES
from silvaengine.tables import COMMON_ENDPOINT, ENDPOINTS
from silvaengine_cli.api_keys import ApiKeyAdmin
from silvaengine_cli.console.paging import SORTED, part_of_table
from silvaengine_cli.console.session import Session
from silvaengine_cli.console.views import Action, Context
from silvaengine_cli.costs.bill import Setup, bill, price
from silvaengine_cli.costs.prices import read_prices
from silvaengine_cli.registry.catalogue import keys_of, masked, read_endpoint, read_key_rows
from silvaengine_cli.registry.effective import effective_settings
from silvaengine_cli.registry.rows import Row, key_row_endpoint
from silvaengine_cli.usage.period import month_period
from silvaengine_cli.usage.totals import DAY_HOURS, UsageTable, title, usage_facts
from silvaengine_tasks.usage.counting import Owner, Usage
from silvaengine_tasks.usage.rows import HOUR

LISTED = ("endpoint_id", "special_connection", "rate_limit")
OVERLAP_HOURS = 24
EFFECTS = {
    "rotate": f"The new secret is shown once; the old one works for {OVERLAP_HOURS} more hours.",
    "revoke": "It stops working within 5 seconds, with Redis at the next request. This can't be undone.",
}
LIFETIME = click.IntRange(1, 3650)  # of a key, in days, as the command has it


def show(session: Session, request: Request) -> Context:
    """Return a part of the tenants, by name as far as they are read at once."""
    text = request.query_params.get("text", "").strip()
    tables, containing = session.deployment.tables(), {"endpoint_id": text} if text else {}
    read = partial(tables.part, ENDPOINTS, SORTED, attributes=LISTED, equal={}, containing=containing)
    part = part_of_table(read, lambda row: str(row["endpoint_id"]), request.query_params.get("after"))
    return {"part": part, "text": text}


def show_one(session: Session, request: Request) -> Context:
    """Return a tenant's keys, the settings of what one of them opens, and its usage."""
    deployment, (row, tenant, owner) = session.deployment, _tenant(session, request)
    with ThreadPoolExecutor() as pool:
        used = pool.submit(_usage, session, tenant, request.query_params.get("month") or None)
        key_rows = read_key_rows(deployment, row)
        keys = pool.submit(lambda: [*ApiKeyAdmin(deployment).facts(key_rows)])
        opening, key = keys_of(key_rows), request.query_params.get("key", "")
        key = key if key in opening else next(iter(opening), "")
        scopes = effective_settings(deployment, tenant, opening[key]) if key else []
    return {
        "tenant": tenant,
        "owner": owner,
        "limits": row.get("rate_limit") or {},
        "keys": keys.result(),
        "grants": {scope: scope in IMPLIED_SCOPES for scope in SCOPES},
        "opening": masked(opening),
        "key": key,
        "scopes": scopes,
        **used.result(),
    }


def create_key(session: Session, request: Request) -> Action:
    """Return what makes a key that opens functions and packages to a tenant alone."""
    (_, tenant, owner), query = _tenant(session, request), request.query_params
    functions, packages = (query.get(name, "").replace(",", " ").split() for name in ("function", "package"))
    grants = [scope for scope in SCOPES if scope in query.getlist("grant")]
    only, label = [tenant] if owner == COMMON_ENDPOINT else [], query.get("label", "").strip()
    days = LIFETIME.convert(query["days"], None, None) if query.get("days") else None
    admin = ApiKeyAdmin(session.deployment)
    rights = admin.rights(
        owner, functions=functions, packages=packages, endpoints=only, grants=grants, label=label
    )
    options = {"--function": functions, "--package": packages, "--grant": grants, "--only": only}
    options |= {"--label": [label] if label else [], "--expires": [str(days)] if days else []}
    given = [text for name, values in options.items() for each in values for text in (name, each)]
    effect = "It is shown once, and opens these functions and packages at once."
    command, carry_out = ["create", *given], lambda: admin.create(owner, rights, days).shown()
    return _of_key(session, tenant, command, owner, effect, carry_out)


def change_key(name: str, session: Session, request: Request) -> Action:
    """Return what rotates or revokes a key."""
    key_id, (_, tenant, owner) = request.path_params["key_id"], _tenant(session, request)
    admin = ApiKeyAdmin(session.deployment)

    def carry_out() -> str:
        if name == "rotate":
            return admin.rotate(owner, key_id, None, OVERLAP_HOURS).shown()
        return f"{admin.revoke(owner, key_id)} is revoked"

    shared = " It is a common key, which may open other tenants, too." if owner == COMMON_ENDPOINT else ""
    return _of_key(session, tenant, [name, key_id], owner, EFFECTS[name] + shared, carry_out)


def count_usage(session: Session, request: Request) -> Action:
    """Return what counts what was logged until now."""
    tenant = request.path_params["tenant"]
    command = session.command("usage", tenant, "--refresh")

    def carry_out() -> str:
        UsageTable(session.deployment).refresh()
        return "what was logged up to now is counted"

    effect = "What was logged up to now is counted, for all tenants, as it is each hour."
    return Action("Count usage up to now", effect, command, "Count", carry_out, f"/tenants/{quote(tenant)}")


def _tenant(session: Session, request: Request) -> tuple[Row, str, str]:
    """Return a tenant's row, its id, and that of the endpoint whose key rows open it."""
    row = read_endpoint(session.deployment, request.path_params["tenant"])
    return row, row["endpoint_id"], key_row_endpoint(row)


def _usage(session: Session, tenant: str, month: str | None) -> Context:
    """Return what a tenant used in a month and by day, and what that costs."""
    period = month_period(month)
    totals, owner = UsageTable(session.deployment).totals(period, tenant), Owner(tenant, "")
    usage, setup = totals.usages.get(owner, Usage()), Setup.of(session.deployment)
    days = range(period.first // DAY_HOURS, period.end // DAY_HOURS)
    counts = [totals.days[day].amounts if day in totals.days else {} for day in days]
    series = {name: [each.get(name, 0) for each in counts] for name in ("calls", "errors")}
    return {
        "month": period.texts()[0][:7],
        "counted": title(period, totals),
        "used": usage_facts(owner, usage) if owner in totals.usages else {},
        "usd": sum(price(bill(usage.amounts, setup), read_prices()).values()),
        "chart": {"times": [day * DAY_HOURS * HOUR for day in days], "series": series},
    }


def _of_key(
    session: Session, tenant: str, command: list[str], owner: str, effect: str, carry_out: Callable[[], str]
) -> Action:
    name, is_secret = command[0].capitalize(), command[0] != "revoke"
    heading = f"{name} {'a key' if command[0] == 'create' else command[1]}"
    same = session.command("keys", *command, "--endpoint", owner)
    return Action(heading, effect, same, name, carry_out, f"/tenants/{quote(tenant)}", is_secret)
