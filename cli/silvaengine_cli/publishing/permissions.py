"""What a package's ``permissions:`` may not name: all actions, the platform's resources, other packages'."""

import re
from collections.abc import Iterator
from typing import Any

from silvaengine.tables import TABLES
from silvaengine_cli.publishing.model import StatementSpec
from silvaengine_cli.publishing.package import Package
from silvaengine_cli.publishing.platform import Platform
from silvaengine_cli.publishing.references import References
from silvaengine_cli.publishing.resource_types import RESOURCE_TYPES
from silvaengine_cli.registry.checks import Finding

_ACTION = re.compile(r"[a-z0-9-]+:[A-Za-z0-9]+")
_NEVER = frozenset({"account", "cloudformation", "execute-api", "iam", "lambda", "organizations", "sts"})
# Where a resource can be named, "everything" is more than the package's own.
_NAMED = {kind.service for kind in RESOURCE_TYPES.values()}


def refused_permissions(package: Package, platform: Platform, references: References) -> Iterator[Finding]:
    """Yield what of a package's permissions a platform refuses."""
    walls = _Walls(package, platform)
    for index, statement in enumerate(package.spec.permissions):
        path = ("permissions", index)
        services = set()
        for action in _as_list(statement.Action):
            service = action.partition(":")[0].lower()
            services.add(service)
            if not _ACTION.fullmatch(action):
                yield Finding((*path, "Action"), f"{action!r} must name one action, such as dynamodb:GetItem")
            elif service in _NEVER:
                yield Finding((*path, "Action"), f"{action!r}: no package gets rights of {service}")
        if statement.Effect == "Allow":
            for message in _refused_resources(statement, services, walls, references):
                yield Finding((*path, "Resource"), message)


def _refused_resources(
    statement: StatementSpec, services: set[str], walls: "_Walls", references: References
) -> Iterator[str]:
    for resource in _as_list(statement.Resource):
        text = references.text(resource)
        if text is None:
            yield f"{resource} must be an ARN: text, or !GetAtt, !Ref, !Sub, !Join of the package's resources"
        elif text == "*" and services & _NAMED:
            yield "'*' is everybody's: name the package's own, such as !GetAtt Orders.Arn"
        elif text != "*" and walls.reached_by(text):
            yield f"{text} is the platform's or another package's"


class _Walls:
    """The names that are not a package's own."""

    def __init__(self, package: Package, platform: Platform) -> None:
        stack, bucket, prefix = map(re.escape, (platform.stack, platform.bucket, platform.table_prefix))
        tables = "|".join(re.escape(each.name) for each in TABLES)
        self._foreign = re.compile(
            rf"[:/]{stack}-(?!pkg-{package.name}-)|:{bucket}(/|$)|:table/{prefix}({tables})(/|$)"
            r"|:(secret:|parameter/)silvaengine/",
            re.IGNORECASE,
        )
        self._kept = [each.lower() for each in _kept(platform, "b" if package.name == "a" else "a")]

    def reached_by(self, arn: str) -> bool:
        """Return whether an ARN, which may have wildcards, names what is not the package's."""
        pattern = re.escape(arn.lower()).replace(r"\*", ".*").replace(r"\?", ".")
        return bool(self._foreign.search(arn)) or any(re.fullmatch(pattern, each) for each in self._kept)


def _kept(platform: Platform, other: str) -> Iterator[str]:
    """Yield ARNs that no package reaches: the platform's, and those of a package ``other``."""
    for table in TABLES:
        yield platform.arn("dynamodb", f"table/{platform.table_prefix}{table.name}")
        yield platform.arn("dynamodb", f"table/{platform.table_prefix}{table.name}/index/x")
    for bucket in (platform.bucket, f"{platform.function_name(other)}-x-0"):
        yield f"arn:{platform.partition}:s3:::{bucket}"
        for folder in ("calls", "packages", "results"):
            yield f"arn:{platform.partition}:s3:::{bucket}/{folder}/x"
    yield platform.arn("ssm", f"parameter/silvaengine/{platform.stage}/x")
    yield platform.arn("secretsmanager", f"secret:silvaengine/{platform.stage}/x-abcdef")
    for kind in RESOURCE_TYPES.values():
        if kind.arn and kind.service != "s3":
            yield platform.arn(kind.service, kind.arn.format(f"{platform.function_name(other)}-x-0"))


def _as_list(value: Any) -> list[Any]:  # noqa: ANN401 - one thing or several, as IAM has it
    return list(value) if isinstance(value, list | tuple) else [value]
