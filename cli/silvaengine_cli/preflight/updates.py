"""What an update from one stack to another can't do."""

from collections.abc import Iterator
from typing import Any

from silvaengine_cli.preflight.stack import Stack
from silvaengine_cli.preflight.template import Property


def conflicts(before: Stack, after: Stack) -> Iterator[str]:
    """Yield what an update can't do: CloudFormation makes a new resource before it deletes the old one.

    A resource with a name of its own is replaced where a property changes that is set once only, or moves to
    another logical id: the new one finds its name taken.
    https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-updating-stacks-update-behaviors.html
    """
    owners = {(each["Type"], name): logical_id for logical_id, each, name in _named(before)}
    for logical_id, resource, name in _named(after):
        owner = owners.get((resource["Type"], name))
        if owner is None:
            continue
        if owner != logical_id:
            yield f"{logical_id}: {owner} has its name {name!r} until the update's end"
        old = before.resources[owner]
        for path in set_once(resource["Type"]):
            if before.document(property_at(old, path)) != after.document(property_at(resource, path)):
                yield f"{logical_id}: {path[-1]} changes, which replaces it, and {name!r} is taken"


def _named(stack: Stack) -> Iterator[tuple[str, dict[str, Any], str]]:
    for logical_id, resource in stack.resources.items():
        # Layers are made anew with each version: their name is no conflict.
        if resource["Type"] != "AWS::Lambda::LayerVersion" and (name := stack.own_name(logical_id)):
            api = stack.text(resource["Properties"].get("ApiId"))  # whose stages have names of its own
            yield logical_id, resource, f"{api}/{name}" if api else name


def set_once(kind: str) -> list[list[str]]:
    """Return the paths of the properties of a resource type that only a replacement can change."""
    from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

    schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema
    once = (*schema.get("createOnlyProperties", ()), *schema.get("conditionalCreateOnlyProperties", ()))
    return [path.split("/")[2:] for path in once]


def property_at(resource: dict[str, Any], path: list[str]) -> Property:
    """Return a resource's property by the path of its schema, None where it has none."""
    value: Any = resource["Properties"]
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    return value
