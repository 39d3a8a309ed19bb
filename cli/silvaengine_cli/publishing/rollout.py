"""How a release comes to its tenants: at once or in shares, warm before, or as a canary that is judged."""

import time
from collections.abc import Callable
from typing import Final, NamedTuple

import click

from silvaengine.aws.table_client import Row
from silvaengine_cli.deployment import Deployment
from silvaengine_cli.operator import announce
from silvaengine_cli.publishing.releases import PackageReleases
from silvaengine_cli.publishing.versions import Versions, callables_of

SHARES = (10, 25, 50)  # percent of the tenants, before all have it


class Rollout(NamedTuple):
    """What is asked for.

    ``canary`` is what the pointer's attribute says beside release, beginning and author: the release is then
    a canary. Else it serves all tenants, after ``ramp`` seconds in which it serves shares of them. ``warm``
    environments are ready before; None for as many as the release says.
    """

    canary: Row | None = None
    warm: int | None = None
    ramp: float = 0.0


AT_ONCE = Rollout()


class Turning:
    """Turns a package's pointer, and announces it.

    Args:
        deployment: whose package it is.
        releases: the package's.
        versions: those of its Lambda.
        say: shows a line of progress.
        sleep: takes seconds.
    """

    def __init__(
        self,
        deployment: Deployment,
        releases: PackageReleases,
        versions: Versions,
        say: Callable[[str], None],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._deployment: Final = deployment
        self._releases: Final = releases
        self._versions: Final = versions
        self._say: Final = say
        self._sleep: Final = sleep

    def warm(self, release: Row, environments: int | None) -> None:
        """Make environments of a release ready; without a number as many as the release says."""
        count = int(release.get("warm", 0)) if environments is None else environments
        if not count:
            return
        if release["isolated"]:
            self._say("each tenant has environments of its own: none is made ready")
            return
        callables = callables_of(release["functions"])
        ready = self._versions.warm(release["release"], callables, release["digest"], count)
        self._say(f"{ready} of {count} environments are warm")

    def begin_canary(self, seen: Row, number: int, canary: Row) -> Row:
        """Let a release serve the tenants whom ``canary`` covers; return the pointer."""
        return self.turn(seen, seen["release"], seen["pins"], self._canary(number, canary))

    def serve_all(self, seen: Row | None, number: int, ramp: float) -> Row:
        """Let a release serve all tenants, after so many seconds in which it serves more and more of them.

        Args:
            seen: the pointer's row as it was read; its canary, if it has one, is the release.
            number: the release's.
            ramp: in seconds.

        Raises:
            ClickException: somebody else has turned the pointer, or the sweeper has taken the release back.
        """
        if seen is None:
            return self.turn(None, number, {})
        if ramp:
            seen = self._ramp(seen, seen.get("canary") or self._canary(number, {}), ramp)
        return self.turn(seen, number, seen["pins"])

    def turn(self, seen: Row | None, release: int, pins: dict[str, int], canary: Row | None = None) -> Row:
        """Turn the pointer as ``PackageReleases.turn`` does, and announce it to Redis."""
        after = self._releases.turn(seen, release, pins, canary)
        announce(self._deployment)
        return after

    def _ramp(self, seen: Row, canary: Row, seconds: float) -> Row:
        for percent in SHARES:
            if percent > canary.get("percent", 0):
                seen = self.turn(
                    seen, seen["release"], seen["pins"], canary | {"percent": percent, "manual": True}
                )
                self._say(f"release {canary['release']} has {percent} % of the tenants")
                self._sleep(seconds / len(SHARES))
                seen = self._still(seen["canary"])
        return seen

    def _still(self, canary: Row) -> Row:
        """Return the pointer, if the canary runs: tenants may have been pinned meanwhile."""
        pointer = self._releases.pointer()
        if pointer.get("canary") != canary:
            raise click.ClickException(
                f"release {canary['release']} was promoted or taken back while its share grew: "
                f"look at `silvaengine releases list {self._releases.package}`"
            )
        return pointer

    def _canary(self, number: int, canary: Row) -> Row:
        by, now = self._deployment.caller_arn, int(time.time())
        return {**canary, "release": number, "started_at": now, "by": by}
