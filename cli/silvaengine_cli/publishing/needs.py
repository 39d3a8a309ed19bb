"""What releases need of their package's stack: its own resources and permissions.

A rollback takes back code, not infrastructure. So what a publication removes stays in the stack, noted in the
metadata of its Lambda, until no release needs it.
"""

import json
from collections.abc import Collection, Iterator
from copy import deepcopy
from hashlib import sha256
from typing import Any

from silvaengine_cli.publishing.stack_template import (
    FUNCTION,
    PLATFORM_PREFIX,
    PLATFORM_STATEMENTS,
    ROLE,
    Template,
)

KEPT = "SilvaEngine::Kept"


def needs_of(template: Template) -> list[str]:
    """Return the names of a template's own resources and permissions: logical ids, digests of statements."""
    return sorted([*_own(template), *(_name(each) for each in _statements(template) if _is_need(each))])


def kept_in(template: Template) -> list[str]:
    """Return what a stack has kept for its releases, by the names of ``needs_of``."""
    return list(template["Resources"][FUNCTION].get("Metadata", {}).get(KEPT, ()))


def keep(template: Template, deployed: Template) -> Template:
    """Return a template with what it removes of a deployed one, noted."""
    after = deepcopy(template)
    needed = needs_of(template)
    resources = {name: each for name, each in _own(deployed).items() if name not in needed}
    permissions = {
        _name(each): _unnamed(each)
        for each in _statements(deployed)
        if _is_need(each) and _name(each) not in needed
    }
    after["Resources"] |= resources
    _policy(after)["Statement"] += permissions.values()
    _note(after, [*resources, *permissions])
    return after


def without(template: Template, names: Collection[str]) -> Template:
    """Return a template without some of what it has kept."""
    after = deepcopy(template)
    after["Resources"] = {name: each for name, each in after["Resources"].items() if name not in names}
    _policy(after)["Statement"] = [
        each for each in _policy(after)["Statement"] if not (_is_need(each) and _name(each) in names)
    ]
    _note(after, [name for name in kept_in(template) if name not in names])
    return after


def described(name: str, template: Template) -> str:
    """Return what a need is, for people."""
    for each in _statements(template):
        if _name(each) == name:
            return f"permission {json.dumps(each['Action'])} on {json.dumps(each['Resource'])}"
    return f"resource {name} ({template['Resources'][name]['Type']})"


def _note(template: Template, names: Collection[str]) -> None:
    function = template["Resources"][FUNCTION]
    function.pop("Metadata", None)
    if names:
        function["Metadata"] = {KEPT: sorted(names)}


def _own(template: Template) -> Template:
    return {
        name: each for name, each in template["Resources"].items() if not name.startswith(PLATFORM_PREFIX)
    }


def _policy(template: Template) -> Template:
    (policy,) = template["Resources"][ROLE]["Properties"]["Policies"]
    document: Template = policy["PolicyDocument"]
    return document


def _statements(template: Template) -> Iterator[dict[str, Any]]:
    yield from _policy(template)["Statement"][PLATFORM_STATEMENTS:]


def _is_need(statement: Template) -> bool:
    return bool(statement["Effect"] == "Allow")


def _unnamed(statement: Template) -> Template:
    """Return a statement without its id, which the one that takes its place may have."""
    return {name: value for name, value in statement.items() if name != "Sid"}


def _name(statement: Template) -> str:
    digest = sha256(json.dumps(_unnamed(statement), sort_keys=True).encode()).hexdigest()
    return f"permission:{digest[:16]}"
