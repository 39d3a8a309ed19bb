"""What a publication removes of a package's stack, and releases may still need."""

import json
from pathlib import Path
from typing import Any

from silvaengine_cli.publishing.needs import KEPT, keep, kept_in, needs_of, without
from silvaengine_cli.publishing.stack_template import FUNCTION, ROLE, Template, render

from .package_files import PLATFORM, SMALLEST, package

ORDERS = """\
resources:
  Orders: {Type: AWS::SNS::Topic}
permissions:
  - {Sid: Orders, Effect: Allow, Action: ["sns:Publish"], Resource: !Ref Orders}
  - {Effect: Deny, Action: ["sns:Publish"], Resource: "arn:aws:sns:eu-central-1:111122223333:x"}
"""


def template(folder: Path, more: str = "") -> Template:
    """Return the template of a package, as CloudFormation returns it."""
    rendered: Template = json.loads(json.dumps(render(package(folder, SMALLEST + more), PLATFORM)))
    return rendered


def statements(of: Template) -> list[Any]:
    """Return the package's own permissions."""
    (policy,) = of["Resources"][ROLE]["Properties"]["Policies"]
    return list(policy["PolicyDocument"]["Statement"][2:])


def test_what_is_removed_stays_and_is_noted(tmp_path: Path) -> None:
    """Resources and allowed actions, without their ids; a denial goes at once."""
    full, bare = template(tmp_path, ORDERS), template(tmp_path)
    assert keep(full, full) == full
    kept = keep(bare, full)
    assert kept["Resources"]["Orders"] == full["Resources"]["Orders"]
    assert statements(kept) == [{"Effect": "Allow", "Action": ["sns:Publish"], "Resource": {"Ref": "Orders"}}]
    assert kept_in(kept) == needs_of(full) == ["Orders", kept_in(kept)[1]]
    assert (kept_in(full), needs_of(bare)) == ([], [])


def test_it_stays_through_later_publications_until_it_is_wanted_again(tmp_path: Path) -> None:
    """The next publication keeps it just so; one that has it again keeps nothing."""
    full, bare = template(tmp_path, ORDERS), template(tmp_path)
    kept = keep(bare, full)
    assert keep(bare, kept) == kept
    assert keep(full, kept) == full


def test_what_is_no_longer_needed_goes(tmp_path: Path) -> None:
    """One thing, then the rest, which leaves what the package has."""
    full, bare = template(tmp_path, ORDERS), template(tmp_path)
    kept = keep(bare, full)
    resource, permission = kept_in(kept)
    part = without(kept, [permission])
    assert statements(part) == []
    assert part["Resources"][FUNCTION]["Metadata"] == {KEPT: [resource]}
    assert without(part, [resource]) == bare
