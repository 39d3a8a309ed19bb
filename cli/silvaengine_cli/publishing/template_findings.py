"""What cfn-lint, by CloudFormation's own schemas, finds in a package's template, at the lines of its file."""

from collections.abc import Iterator
from typing import Any

from silvaengine_cli.platform_sources import platform_sources
from silvaengine_cli.publishing.package import DEFAULT_STAGE, Package
from silvaengine_cli.publishing.stack_template import PLATFORM_STATEMENTS
from silvaengine_cli.registry.checks import Finding
from silvaengine_cli.registry.document import Path
from silvaengine_cli.sam import import_sam
from silvaengine_cli.template_lint import lint

_UNKNOWN_ACTION = "W3037"


def template_findings(template: dict[str, Any], package: Package) -> Iterator[Finding]:
    """Yield errors of a rendered template."""
    import_sam(platform_sources(package.application))
    for match in lint(template):
        if match.rule.id.startswith("E") or match.rule.id == _UNKNOWN_ACTION:
            yield Finding(_place(tuple(match.path or ()), package), f"{match.message} ({match.rule.id})")


def _place(path: Path, package: Package) -> Path:
    """Return the place in ``package.yaml`` that one of the template comes from; empty for the platform's."""
    match path:
        case ("Resources", str(name), *rest) if name in package.spec.resources:
            return ("resources", name, *rest)
        case ("Resources", _, "Properties", "Environment", "Variables", str(name), *_):
            stages = package.spec.environment
            return (
                "environment",
                next((each for each in stages if name in stages[each]), DEFAULT_STAGE),
                name,
            )
        case ("Resources", _, "Properties", "Policies", 0, "PolicyDocument", "Statement", int(index), *rest):
            own = index - PLATFORM_STATEMENTS
            return ("permissions", own, *rest) if own >= 0 else ()
        case _:
            return ()
