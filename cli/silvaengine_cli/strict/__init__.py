"""An engine as strict as AWS: docs/strict.md has the rules."""

from silvaengine_cli.strict.double import Double
from silvaengine_cli.strict.refusals import failed, throttled
from silvaengine_cli.strict.script import Fault, Script

__all__ = ["Double", "Fault", "Script", "failed", "throttled"]
