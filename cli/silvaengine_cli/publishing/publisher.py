"""A publication, step by step: whichever one fails, what served before serves on.

A step that was done before is found done: the object with these contents, the stack as it is to be, the
version that Lambda returns again for the same code, the release's row. So a publication that broke off is
simply repeated.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from silvaengine_cli.deployment import Deployment
from silvaengine_cli.publishing.publication import Publication
from silvaengine_cli.publishing.rollout import AT_ONCE, Rollout


@dataclass(frozen=True, slots=True)
class Published:
    """What a publication has done, or would do.

    Args:
        package: its name.
        release: the number of the release that serves, or is the canary; None if it isn't published yet.
        digest: the release's.
        is_new: whether it serves since now.
        stack: what became of the package's stack: ``created``, ``changed`` or ``unchanged``.
        changes: what of it has changed, a line each.
        added: names of functions that the release before didn't have.
        removed: names of functions that it has no more.
        tenants: whom it serves as a canary; None for all.
        seconds: that it took.
    """

    package: str
    release: int | None
    digest: str
    is_new: bool
    stack: str
    changes: list[str]
    added: list[str]
    removed: list[str]
    tenants: list[str] | None
    seconds: float


type Step = tuple[str, Callable[[Publication], None]]

# In this order: nothing is made before all was read and checked, and nothing serves before it was tried.
PLANNING: tuple[Step, ...] = (
    ("read the package", Publication.read_package),
    ("check its functions' names", Publication.check_names),
    ("choose the canary's tenants", Publication.choose_tenants),
    ("compare its functions with those that serve", Publication.compare),
    ("read the platform", Publication.read_platform),
    ("plan the stack", Publication.plan_stack),
    ("check its events", Publication.check_events),
    ("build the code", Publication.build_artefact),
)
PREPARING: tuple[Step, ...] = (
    ("upload the code", Publication.upload),
    ("change the stack", Publication.change_stack),
    ("wait for the last update", Publication.wait_for_lambda),
)
RELEASING: tuple[Step, ...] = (
    ("publish a version", Publication.publish_version),
    ("wait until it is active", Publication.wake_version),
    ("limit its events", Publication.limit_events),
    ("try its functions and rights", Publication.describe),
    ("compare their signatures with those that serve", Publication.compare),
    ("write the release", Publication.put_release),
    ("warm environments", Publication.warm),
    ("turn the pointer", Publication.turn_pointer),
)
# Done again by the next publication, whether it has anything new or not.
FINISHING: tuple[Step, ...] = (
    ("bind its functions to events", Publication.write_bindings),
    ("announce it", Publication.announce),
    ("write the rows for other readers", Publication.write_rows),
)


def publish(
    deployment: Deployment,
    folder: Path,
    message: str,
    say: Callable[[str], None],
    *,
    dry_run: bool = False,
    rollout: Rollout = AT_ONCE,
    allow_breaking: bool = False,
) -> Published:
    """Publish a package's folder, or find out what that would do.

    Args:
        deployment: where it is published.
        folder: the package's.
        message: what is said of the release.
        say: shows a line of progress.
        dry_run: whether nothing is made.
        rollout: how the release comes to its tenants.
        allow_breaking: whether it may break promises of the release that serves.

    Raises:
        RegistryFileError: ``package.yaml`` is wrong.
        ClickException: a step failed; what served before serves on.
    """
    started = time.monotonic()
    publication = Publication(deployment, folder, message, say, rollout, allow_breaking=allow_breaking)

    def take(*steps: Step) -> None:
        for title, step in steps:
            say(title)
            step(publication)

    take(*PLANNING)
    if dry_run:
        take(("look at its functions' signatures", Publication.check_signatures))
        return _outcome(publication, publication.foreseen(), time.monotonic() - started)
    take(*PREPARING)
    if publication.serves_already is None:
        take(*RELEASING)
    take(*FINISHING)
    release = publication.serves_already or publication.number
    return _outcome(publication, release, time.monotonic() - started)


def _outcome(publication: Publication, release: int | None, seconds: float) -> Published:
    """Return what was done in so many seconds, and which release serves; None for one still to be."""
    serving, plan = publication.serving, publication.plan
    before = set(json.loads(serving["functions"])) if serving else set[str]()
    after = set(publication.functions)
    is_new = serving is None or release != serving["release"]
    return Published(
        publication.package.name,
        release,
        publication.artefact.digest,
        is_new=is_new,
        stack="created" if plan.is_new else "changed" if plan.changes else "unchanged",
        changes=plan.lines(),
        added=sorted(after - before),
        removed=sorted(before - after),
        tenants=publication.covered if is_new else None,
        seconds=round(seconds, 2),
    )
