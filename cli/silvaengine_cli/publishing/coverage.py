"""Whom a canary covers, a share of the tenants, those that are named, or both; and how it does."""

from collections.abc import Callable, Collection

import click

from silvaengine.aws.table_client import Row
from silvaengine.registry.outcomes import sum_outcomes
from silvaengine.registry.packages import Pointer
from silvaengine.tables import CONFIG_DATA, ENDPOINTS, outcomes_setting_id
from silvaengine_cli.deployment import Deployment
from silvaengine_cli.output import utc_time
from silvaengine_cli.publishing.releases import PackageReleases, did_you_mean
from silvaengine_cli.registry.tables import RegistryTables

_LONG = ("functions", "descriptions", "requirements")  # of a release's row


def parse_coverage(text: str) -> Row:
    """Return what a pointer's attribute ``canary`` says of ``10%``, ``acme,globex`` or ``10%,acme``.

    Raises:
        ValueError: it is something else.
    """
    parts = [part.strip() for part in text.split(",")]
    shares = [part.removesuffix("%") for part in parts if part.endswith("%")]
    tenants = sorted({part for part in parts if not part.endswith("%")})
    if not all(parts) or len(shares) > 1:
        raise ValueError("must be a share such as 10%, tenants such as acme,globex, or both")
    if not all(share.isdecimal() and 1 <= int(share) <= 100 for share in shares):
        raise ValueError("a share is a whole number from 1% to 100%")
    return ({"percent": int(shares[0])} if shares else {}) | ({"tenants": tenants} if tenants else {})


def grown(canary: Row, coverage: Row) -> Row:
    """Return a canary that covers more tenants, and none less.

    Raises:
        ClickException: the share would shrink, or nothing would change.
    """
    percent, tenants = canary.get("percent", 0), canary.get("tenants", [])
    if coverage.get("percent", percent) < percent:
        raise click.ClickException(f"it has {percent} % of the tenants: a tenant moves forward only")
    more = {
        "percent": coverage.get("percent", percent),
        "tenants": sorted({*tenants, *coverage.get("tenants", ())}),
    }
    if more == {"percent": percent, "tenants": sorted(tenants)}:
        raise click.ClickException("it covers them already")
    return canary | {name: value for name, value in more.items() if value}


def tenants_of(deployment: Deployment, package: str, say: Callable[[str], None]) -> set[str]:
    """Return the tenants of whom a connection reaches a package; all where connections may not be read."""
    from silvaengine_cli.registry.packages import Packages, unless_denied  # lazy: only canaries need it

    tables = deployment.tables()
    with unless_denied(say, "all tenants count as the package's"):
        return Packages(tables, deployment.worker_arn).tenants(package)
    return set(tables.scan_names(ENDPOINTS))


def covered(pointer: Row, tenants: Collection[str]) -> list[str]:
    """Return those tenants that a pointer's canary serves."""
    chosen = Pointer.from_row(pointer)
    return sorted(tenant for tenant in tenants if chosen.covers(tenant))


def covered_at_first(seen: Row, coverage: Row, tenants: Collection[str]) -> list[str]:
    """Return whom a new canary would serve of a package's tenants.

    Args:
        seen: the package's pointer.
        coverage: see ``parse_coverage``.
        tenants: those of whom a connection reaches the package.

    Raises:
        ClickException: it is nobody, or one that is named isn't among the tenants.
    """
    package = seen["package"]
    check_named(coverage, package, tenants)
    found = covered({**seen, "canary": {**coverage, "release": 0, "started_at": 0}}, tenants)
    if not found:
        raise click.ClickException(
            f"{share_text(coverage)} covers none of the {len(tenants)} tenants of {package!r}, "
            "or only some that are pinned: ask for more, or name some"
        )
    return found


def check_named(coverage: Row, package: str, tenants: Collection[str]) -> None:
    """Raise ClickException if a tenant that is named isn't one of the package's."""
    for tenant in coverage.get("tenants", ()):
        if tenant not in tenants:
            hint = did_you_mean(tenant, tenants)
            raise click.ClickException(f"no connection of {tenant!r} reaches {package!r}{hint}")


def share_text(canary: Row) -> str:
    """Return whom a canary is for, as one would ask for it."""
    share = [f"{canary['percent']} %"] if canary.get("percent") else []
    return ", ".join([*share, *canary.get("tenants", ())])


def with_outcomes(pointer: Row, tables: RegistryTables) -> Row:
    """Return a pointer whose canary, if one runs, says how its tenants' calls have ended.

    ``calls`` and ``failures`` are those of the canary so far, as far as instances have reported them, and
    ``calls_before`` and ``failures_before`` those of the same tenants in the hour before.
    """
    canary = pointer.get("canary")
    if not canary:
        return pointer
    rows = tables.query(CONFIG_DATA, outcomes_setting_id(pointer["function_arn"]))
    counts = list(sum_outcomes(rows, canary["started_at"]).values()) or [[0, 0, 0, 0]]
    names = ("calls_before", "failures_before", "calls", "failures")
    sums = map(sum, zip(*counts, strict=True))
    return pointer | {"canary": {**canary, **dict(zip(names, sums, strict=True))}}


def read_releases(deployment: Deployment, package: str) -> tuple[Row, list[Row]]:
    """Return a package's pointer with outcomes, and its releases, the newest first, with whom they serve.

    A release says whether it ``serves`` all others than those with ``pins``, and, if it is one, its
    ``canary``.

    Raises:
        ClickException: there is no such package.
    """
    found = PackageReleases(deployment, package)
    pointer = with_outcomes(found.pointer(), deployment.tables())
    return pointer, [_with_served(row, pointer) for row in reversed(found.all())]


def _with_served(release: Row, pointer: Row) -> Row:
    number, canary = release["release"], pointer.get("canary")
    short = {name: value for name, value in release.items() if name not in _LONG}
    pins = sorted(each for each, pinned in pointer["pins"].items() if pinned == number)
    served = short | {"serves": number == pointer["release"], "pins": pins}
    return served | ({"canary": canary} if canary and canary["release"] == number else {})


def outcomes_text(canary: Row) -> str:
    """Return what people are told of a canary that ``with_outcomes`` returns."""
    return (
        f"release {canary['release']} for {share_text(canary)} since {utc_time(canary['started_at'])}, "
        f"{canary['failures']} of {canary['calls']} calls failed; "
        f"in the hour before {canary['failures_before']} of {canary['calls_before']}"
    )
