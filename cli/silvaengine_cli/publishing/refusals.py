"""What a package may not ask for: it is refused with words before anything is made.

The platform's permissions boundary and service role are the wall; these checks say the same early.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from silvaengine_cli.closest import closest
from silvaengine_cli.publishing.package import DEFAULT_STAGE, Package
from silvaengine_cli.publishing.permissions import refused_permissions
from silvaengine_cli.publishing.platform import Platform
from silvaengine_cli.publishing.references import References
from silvaengine_cli.publishing.resource_types import RESOURCE_TYPES
from silvaengine_cli.publishing.sources import SOURCE_TYPES
from silvaengine_cli.registry.checks import Finding
from silvaengine_cli.registry.document import Path

MAX_ENVIRONMENT = 4096  # bytes: docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html
# CloudFormation cuts a role's name at 64, and would cut what the platform's policies know it by.
MAX_STACK_NAME = 38
_SUFFIX = 14  # what CloudFormation puts behind a name
# docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime
_RESERVED = re.compile(r"AWS_.*|LAMBDA_.*|SILVAENGINE_.*|_.*")
_FUNCTIONS = ("Ref", "Fn::Base64", "Fn::GetAtt", "Fn::Join", "Fn::Select", "Fn::Split", "Fn::Sub")
_SECTIONS = ("environment", "resources", "permissions")


def find_refusals(package: Package, platform: Platform) -> Iterator[Finding]:
    """Yield all that a platform refuses of a package."""
    references = References(package, platform)
    if len(name := platform.function_name(package.name)) > MAX_STACK_NAME:
        message = (
            f"{name} has {len(name)} characters, at most {MAX_STACK_NAME}: CloudFormation cuts longer names"
        )
        yield Finding(("package",), message)
    for section in _SECTIONS:
        yield from _words(package.document.data.get(section), (section,))
    yield from _resources(package, platform, references)
    yield from _events(package)
    yield from refused_permissions(package, platform, references)
    yield from _environment(package, platform, references)


def _words(value: Any, path: Path) -> Iterator[Finding]:  # noqa: ANN401 - a template's value
    """Yield the functions and references that lead out of the package's stack."""
    if isinstance(value, str) and "{{resolve:" in value:
        yield Finding(path, "dynamic references are not taken: let the function read the secret or parameter")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _words(inner, (*path, index))
    elif isinstance(value, dict):
        for name, inner in value.items():
            if name.startswith("Fn::") and name not in _FUNCTIONS:
                yield Finding(path, f"{name} is not taken; {', '.join(_FUNCTIONS)} are")
            yield from _words(inner, (*path, name))


def _resources(package: Package, platform: Platform, references: References) -> Iterator[Finding]:
    prefix = f"{platform.function_name(package.name)}-"
    for logical_id, resource in package.spec.resources.items():
        path: Path = ("resources", logical_id)
        kind = RESOURCE_TYPES.get(resource.Type)
        if kind is None:
            yield Finding((*path, "Type"), f"{resource.Type} is not taken{_hint(resource.Type)}")
        elif kind.name in resource.Properties:
            name = references.text(resource.Properties[kind.name])
            if name is None or not name.lower().startswith(prefix.lower()):
                yield Finding((*path, "Properties", kind.name), f"must begin with {prefix}")
        elif kind.name and len(prefix + logical_id) + _SUFFIX > kind.longest:
            message = f"its name would have more than {kind.longest} characters; give it a shorter one"
            yield Finding(path, message)


def _hint(kind: str) -> str:
    return closest(kind, RESOURCE_TYPES) or f"; taken are {', '.join(RESOURCE_TYPES)}"


def _events(package: Package) -> Iterator[Finding]:
    """Yield sources that are resources of the package, and of another type."""
    for name, function in package.spec.functions.items():
        for index, event in enumerate(function.events):
            kind, source = event.source
            resource = package.spec.resources.get(source)
            if resource and resource.Type != SOURCE_TYPES.get(kind):
                message = f"{source} is no {SOURCE_TYPES.get(kind, kind)}, but {resource.Type}"
                yield Finding(("functions", name, "events", index, kind), message)


def _environment(package: Package, platform: Platform, references: References) -> Iterator[Finding]:
    in_file = [(stage, name) for stage, names in package.spec.environment.items() for name in names]
    of_application = package.environment(platform.stage).keys() - {name for _, name in in_file}
    for stage, name in (*in_file, *((platform.stage, name) for name in sorted(of_application))):
        if _RESERVED.fullmatch(name) or name in platform.environment:
            yield Finding(("environment", stage, name), "is reserved: the platform or Lambda sets it")
    own = {
        name: value if isinstance(value, str) else references.text(value) or "x" * 64
        for name, value in package.environment(platform.stage).items()
    }
    size = _size({**platform.environment, **own})
    if size > MAX_ENVIRONMENT:
        largest = max(own, key=lambda name: len(name) + len(own[name]))
        message = (
            f"all variables have {size:,} bytes, at most {MAX_ENVIRONMENT:,}: the platform's "
            f"{_size(platform.environment):,}, the package's {_size(own):,}, of these {largest} "
            f"{_size({largest: own[largest]}):,}"
        )
        yield Finding(("environment", _stage_of(package, platform, largest), largest), message)


def _stage_of(package: Package, platform: Platform, name: str) -> str:
    is_own = name in package.spec.environment.get(platform.stage, {})
    return platform.stage if is_own else DEFAULT_STAGE


def _size(variables: Mapping[str, str]) -> int:
    return len(json.dumps(dict(variables), separators=(",", ":")).encode())
