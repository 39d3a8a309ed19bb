"""Taking out of a package's stack what a publication has removed and no release needs any more."""

from collections.abc import Callable
from dataclasses import dataclass, field

from silvaengine_cli.deployment import Deployment
from silvaengine_cli.publishing.needs import described, kept_in, without
from silvaengine_cli.publishing.platform import Platform
from silvaengine_cli.publishing.releases import PackageReleases
from silvaengine_cli.publishing.stack import DATA_TYPES, DeployedStack
from silvaengine_cli.publishing.stack_template import Template


@dataclass(frozen=True, slots=True)
class Contraction:
    """What a stack has kept for its releases, each by what it is.

    Args:
        removable: what no release needs.
        retained: of this, what holds data and stays in the account, without a stack.
        needed: the releases that need the others.
        held: what no release needs, but would be deleted with its data.
    """

    removable: list[str] = field(default_factory=list)
    retained: list[str] = field(default_factory=list)
    needed: dict[str, list[int]] = field(default_factory=dict)
    held: list[str] = field(default_factory=list)


def contract(
    deployment: Deployment, package: str, say: Callable[[str], None], *, dry_run: bool
) -> Contraction:
    """Remove what no release needs from a package's stack, or only find it.

    Raises:
        ClickException: there is no such package, or its stack can't be changed.
    """
    releases, platform = PackageReleases(deployment, package), Platform.read(deployment)
    releases.pointer()
    stack, rows = DeployedStack(deployment, platform, package), releases.all()
    template, found, removed = stack.deployed(), Contraction(), list[str]()
    for name in kept_in(template):
        what, is_data = described(name, template), _is_data(name, template)
        # A release without a list is of a time when there was none.
        if needed := [row["release"] for row in rows if name in row.get("needs", [name])]:
            found.needed[what] = needed
        elif is_data and template["Resources"][name].get("DeletionPolicy") == "Delete":
            found.held.append(what)
        else:
            removed.append(name)
            found.removable.append(what)
            found.retained.extend([what] if is_data else [])
    if removed and not dry_run:
        leaving = frozenset(name for name in removed if _is_data(name, template))
        plan = stack.plan_change(without(template, removed), leaving)
        stack.carry_out(plan, platform.bucket, "", say)
    return found


def _is_data(name: str, template: Template) -> bool:
    return name in template["Resources"] and template["Resources"][name]["Type"] in DATA_TYPES
