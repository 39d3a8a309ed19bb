"""Turning the pointer to a release that there is: for all tenants, for some, or for one."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import override

import click

from silvaengine.aws.table_client import Row
from silvaengine.ledger.execution import Execution
from silvaengine.tables import ENDPOINTS
from silvaengine_cli.deployment import Deployment
from silvaengine_cli.jobs import Jobs
from silvaengine_cli.publishing.coverage import check_named, covered, grown, tenants_of
from silvaengine_cli.publishing.function_rows import function_rows, write_function_rows
from silvaengine_cli.publishing.patience import Patience
from silvaengine_cli.publishing.releases import PackageReleases, did_you_mean
from silvaengine_cli.publishing.rollout import AT_ONCE, Rollout, Turning
from silvaengine_cli.publishing.versions import Versions


@dataclass(frozen=True, slots=True)
class Turn:
    """A pointer that was turned, or that is as it was.

    Args:
        package: its name.
        left: the number of the release that served all tenants before.
        release: that of the one that does now.
        changes: what is otherwise with the release now, a line each.
        moved: the jobs that go on with it; None where none were to.
        stayed: the jobs whose function it lacks.
    """

    package: str
    left: int
    release: int
    changes: tuple[str, ...] = ()
    moved: int | None = None
    stayed: int = 0

    @override
    def __str__(self) -> str:
        """Return what people are told of it."""
        lines = [f"release {self.release} of {self.package} serves instead of {self.left}"]
        lines += [f"  {change}" for change in self.changes]
        lines += ["  resources and permissions stay as they are"]
        if self.moved is not None:
            lines += [f"  {self.moved} jobs moved; the sweeper starts them within a minute"]
        if self.stayed:
            lines += [f"  {self.stayed} jobs stay with {self.left}: its alone, or begun meanwhile"]
        return "\n".join(lines)


class Pointing:
    """Turns a package's pointer.

    Args:
        deployment: whose package it is.
        package: its name.
        say: shows a line of progress.
    """

    def __init__(self, deployment: Deployment, package: str, say: Callable[[str], None]) -> None:
        self._deployment = deployment
        self._say = say
        self._releases = PackageReleases(deployment, package)
        self._versions = Versions(deployment.client("lambda"), self._releases.function_name, Patience(say))
        self._turning = Turning(deployment, self._releases, self._versions, say)

    def roll_back(self, to: int | None, *, move_jobs: bool, rollout: Rollout = AT_ONCE) -> Turn:
        """Let a release serve all tenants again, by default the one that served before; see ``Turn``.

        A canary is taken back: the release that serves the others serves its tenants.

        Raises:
            ClickException: there is no such release, or it can't be woken; the pointer is as it was.
        """
        seen = self._releases.pointer()
        if canary := seen.get("canary"):
            return self._take_back(seen, canary["release"], to, move_jobs=move_jobs)
        left, number = seen["release"], seen.get("previous") if to is None else to
        if number is None:
            raise click.ClickException(
                f"no release of {seen['package']!r} served before {left}: name one with --to"
            )
        if number == left:
            raise click.ClickException(f"release {number} serves already")
        turn = self._serve_all(seen, number, rollout)
        if not move_jobs:
            return turn
        moved, stayed = self._move_jobs(left, self._releases.release(number))
        return replace(turn, moved=moved, stayed=stayed)

    def promote(self, rollout: Rollout) -> Turn:
        """Let the canary serve all tenants; see ``Turn``.

        Raises:
            ClickException: none runs, or it can't be woken; the pointer is as it was.
        """
        seen = self._with_canary()
        return self._serve_all(seen, seen["canary"]["release"], rollout)

    def grow(self, coverage: Row) -> tuple[Row, list[str]]:
        """Let the canary cover more tenants; return the pointer, and those that it has since now.

        Raises:
            ClickException: none runs, it covers them, or a tenant would lose it; the pointer is as it was.
        """
        seen = self._with_canary()
        tenants = tenants_of(self._deployment, seen["package"], self._say)
        check_named(coverage, seen["package"], tenants)
        after = self._turning.turn(seen, seen["release"], seen["pins"], grown(seen["canary"], coverage))
        return after, sorted({*covered(after, tenants)} - {*covered(seen, tenants)})

    def pin(self, number: int, endpoint_id: str) -> Row:
        """Let a release serve one tenant, whichever serves the others; return the pointer.

        Raises:
            ClickException: there is no such release or endpoint; the pointer is as it was.
        """
        seen = self._releases.pointer()
        tables = self._deployment.tables()
        if tables.get(ENDPOINTS, endpoint_id) is None:
            known = [row["endpoint_id"] for row in tables.scan(ENDPOINTS)]
            raise click.ClickException(
                f"there is no endpoint {endpoint_id!r}{did_you_mean(endpoint_id, known)}"
            )
        self._ready(number)
        pins = {**seen["pins"], endpoint_id: number}
        return self._turning.turn(seen, seen["release"], pins, seen.get("canary"))

    def unpin(self, endpoint_id: str) -> Row:
        """Let a pinned tenant have what the others have; return the pointer.

        Raises:
            ClickException: it isn't pinned.
        """
        seen = self._releases.pointer()
        if endpoint_id not in seen["pins"]:
            hint = did_you_mean(endpoint_id, seen["pins"])
            raise click.ClickException(f"endpoint {endpoint_id!r} isn't pinned in {seen['package']!r}{hint}")
        pins = {each: number for each, number in seen["pins"].items() if each != endpoint_id}
        return self._turning.turn(seen, seen["release"], pins, seen.get("canary"))

    def _with_canary(self) -> Row:
        seen = self._releases.pointer()
        if "canary" not in seen:
            raise click.ClickException(f"no canary of {seen['package']!r} runs")
        return seen

    def _take_back(self, seen: Row, number: int, to: int | None, *, move_jobs: bool) -> Turn:
        if to not in (None, seen["release"]):
            raise click.ClickException(
                f"release {number} of {seen['package']!r} is a canary: take it back first, without --to"
            )
        target = self._releases.release(seen["release"])
        self._turning.turn(seen, seen["release"], seen["pins"])
        moved, stayed = self._move_jobs(number, target) if move_jobs else (None, 0)
        changes = self._changes(number, target)
        return Turn(seen["package"], number, seen["release"], changes, moved, stayed)

    def _serve_all(self, seen: Row, number: int, rollout: Rollout) -> Turn:
        target = self._ready(number)
        self._turning.warm(target, rollout.warm)
        self._turning.serve_all(seen, number, rollout.ramp)
        write_function_rows(self._deployment.tables(), self._releases)
        return Turn(seen["package"], seen["release"], number, self._changes(seen["release"], target))

    def _ready(self, number: int) -> Row:
        """Return a release's row once its version is there, has its code and is awake."""
        release = self._releases.release(number)
        version = self._versions.wake(number, release["digest"], isolated=release["isolated"])
        if version["CodeSha256"] != release["code_sha256"]:
            raise click.ClickException(
                f"release {number} of {release['package']!r} was altered: its version has other code"
            )
        return release

    def _changes(self, left: int, target: Row) -> tuple[str, ...]:
        """Return in which ways a release is otherwise than the one that it replaces, a line each."""
        current = self._releases.read(left)
        return tuple(_changes(current, target)) if current else ()

    def _move_jobs(self, left: int, target: Row) -> tuple[int, int]:
        jobs, arn = Jobs(self._deployment), self._releases.function_arn
        waiting = [each for each in jobs.scan() if _waits_for(each, f"{arn}:{left}")]
        fitting = [each for each in waiting if each.function in function_rows(target)]
        moved = sum(jobs.move(each, f"{arn}:{target['release']}") for each in fitting)
        return moved, len(waiting) - moved


def _waits_for(execution: Execution, arn: str) -> bool:
    return execution.state == "accepted" and execution.aws_lambda_arn == arn


def _changes(left: Row, target: Row) -> list[str]:
    lines = ["code"] if left["code"] != target["code"] else []
    lines += [_of("memory", left, target, " MB")] if left["memory"] != target["memory"] else []
    lines += [_of("timeout", left, target, " s")] if left["timeout"] != target["timeout"] else []
    lines += ["environment and platform"] if left["platform"] != target["platform"] else []
    before, after = function_rows(left).keys(), function_rows(target).keys()
    lines += [f"function {name} comes back" for name in sorted(after - before)]
    return lines + [f"function {name} goes" for name in sorted(before - after)]


def _of(name: str, left: Row, target: Row, unit: str) -> str:
    return f"{name}: {left[name]} -> {target[name]}{unit}"
