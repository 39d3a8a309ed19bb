"""cfn-lint, with its rules read once in a process: that takes as long as to check a small template."""

import json
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cfnlint.rules import Match
    from cfnlint.runner import Runner


def lint(template: dict[str, Any]) -> "list[Match]":
    """Return what cfn-lint finds in a template; ``sam.import_sam`` comes before the first call."""
    from cfnlint.decode.decode import decode_str

    decoded, errors = decode_str(json.dumps(template))
    return errors or list(_runner().validate_template(decoded))


@cache
def _runner() -> "Runner":
    from cfnlint.config import ConfigMixIn  # lazy: a second, and only where a stack changes
    from cfnlint.helpers import REGION_PRIMARY
    from cfnlint.runner import Runner

    return Runner(ConfigMixIn(regions=[REGION_PRIMARY]))
