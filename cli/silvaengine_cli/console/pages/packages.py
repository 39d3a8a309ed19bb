"""Published packages: their releases, whom these serve, and what turns the pointer."""

from collections.abc import Callable
from urllib.parse import quote

import click
from starlette.requests import Request

from silvaengine_cli.console.paging import part_of
from silvaengine_cli.console.session import Session
from silvaengine_cli.console.views import Action, Context, number
from silvaengine_cli.publishing.behind import read_packages
from silvaengine_cli.publishing.coverage import outcomes_text, parse_coverage, read_releases, share_text
from silvaengine_cli.publishing.releases import PackageReleases
from silvaengine_cli.publishing.rollback import Pointing
from silvaengine_cli.publishing.rollout import AT_ONCE


def show(session: Session, request: Request) -> Context:
    """Return a part of the packages, each with whom its releases serve and what these lack."""
    packages = read_packages(session.deployment)
    part = part_of(packages, lambda row: str(row["package"]), request.query_params.get("after"))
    return {"part": part, "outcomes_text": outcomes_text}


def show_one(session: Session, request: Request) -> Context:
    """Return a package's pointer and a part of its releases, the newest first."""
    pointer, releases = read_releases(session.deployment, request.path_params["package"])
    part = part_of(releases, lambda row: f"{-row['release'] % 10**9:09}", request.query_params.get("after"))
    return {"pointer": pointer, "part": part, "outcomes_text": outcomes_text, "share_text": share_text}


def promote(session: Session, request: Request) -> Action:
    """Return what lets the canary serve all tenants."""
    effect = "Within seconds it serves all tenants except pinned ones."
    title = f"Promote the canary {_canary(session, request)}"
    return _action(session, request, title, effect, ["promote"], lambda it: it.promote(AT_ONCE))


def roll_back(session: Session, request: Request) -> Action:
    """Return what lets a release serve again, or takes the canary back."""
    to, move_jobs = number(request, "to"), "move_jobs" in request.query_params
    jobs = "move to it" if move_jobs else "stay with the release that accepted them"
    effect = "Within seconds, code, memory and environment are those of that release. "
    effect += f"Resources, permissions and pins stay as they are; waiting jobs {jobs}."
    command = ["rollback", "--to", str(to), *(["--move-jobs"] if move_jobs else [])]
    title = f"Roll back to release {to}"
    return _action(session, request, title, effect, command, lambda it: it.roll_back(to, move_jobs=move_jobs))


def pin(session: Session, request: Request) -> Action:
    """Return what lets a release serve one tenant."""
    endpoint, release = _text(request, "endpoint"), number(request, "release")

    def carry_out(pointing: Pointing) -> str:
        return f"{endpoint} has release {release} of {pointing.pin(release, endpoint)['package']}"

    title, effect = f"Pin {endpoint} to release {release}", "It keeps this one, whichever serves the others."
    return _action(session, request, title, effect, ["pin", str(release), "--endpoint", endpoint], carry_out)


def unpin(session: Session, request: Request) -> Action:
    """Return what lets a pinned tenant have what the others have."""
    endpoint = _text(request, "endpoint")

    def carry_out(pointing: Pointing) -> str:
        pointer = pointing.unpin(endpoint)
        return f"{endpoint} has release {pointer['release']} of {pointer['package']}, as the others"

    title, effect = f"Unpin {endpoint}", "Within seconds it has the release that serves the others."
    return _action(session, request, title, effect, ["unpin", "--endpoint", endpoint], carry_out)


def grow(session: Session, request: Request) -> Action:
    """Return what lets the canary serve more tenants."""
    whom, canary = _text(request, "whom"), _canary(session, request)
    try:
        coverage = parse_coverage(whom)
    except ValueError as error:
        raise click.ClickException(f"{whom!r} {error}") from None

    def carry_out(pointing: Pointing) -> str:
        return f"tenants since now: {', '.join(pointing.grow(coverage)[1]) or 'none'}"

    title = f"Extend the canary {canary} to {share_text(coverage)}"
    effect = "These tenants keep it until it is promoted or rolled back."
    return _action(session, request, title, effect, ["canary", whom], carry_out)


def _action(
    session: Session,
    request: Request,
    title: str,
    effect: str,
    command: list[str],
    carry_out: Callable[[Pointing], object],
) -> Action:
    package = request.path_params["package"]

    def run() -> str:
        said: list[str] = []
        return "\n".join([str(carry_out(Pointing(session.deployment, package, said.append))), *said])

    same = session.command(command[0], package, *command[1:])
    back = f"/functions/packages/{quote(package, safe='')}"
    return Action(f"{package}: {title}", effect, same, title, run, back)


def _text(request: Request, name: str) -> str:
    if text := request.query_params.get(name, "").strip():
        return text
    raise click.ClickException(f"{name} is missing: fill in the field")


def _canary(session: Session, request: Request) -> int:
    """Return the release that a page showed as the canary; raise ClickException where it is none by now."""
    release = number(request, "release")
    pointer = PackageReleases(session.deployment, request.path_params["package"]).pointer()
    if pointer.get("canary", {}).get("release") != release:
        raise click.ClickException(f"release {release} is no canary any more: look at the package again")
    return release
