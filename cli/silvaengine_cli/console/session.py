"""What the console's pages work on, and may do."""

import shlex
from collections import OrderedDict
from dataclasses import dataclass, field
from functools import cached_property
from secrets import token_urlsafe

from silvaengine_cli.deployment import Deployment

KEPT_OUTCOMES = 100


@dataclass
class Session:
    """A run of the console on a deployment.

    Args:
        deployment: whose clients the pages' operations use.
        may_write: whether pages may change something.
    """

    deployment: Deployment
    may_write: bool = False
    _outcomes: OrderedDict[str, str] = field(default_factory=OrderedDict)

    def command(self, *arguments: str) -> str:
        """Return the command line that does the same on this deployment, to be copied to a shell."""
        deployment = self.deployment
        options = ["--stack", deployment.stack]
        for name, value in (("--region", deployment.region), ("--endpoint-url", deployment.endpoint_url)):
            options += [name, value] if value else []
        return shlex.join(["silvaengine", *arguments, *options])

    @cached_property
    def is_production(self) -> bool:
        """Return whether the stack is called `prod`, or its stage is."""
        return "prod" in (self.deployment.stack, self.deployment.parameter("Stage", ""))

    def keep_outcome(self, text: str) -> str:
        """Keep what an action did, for the page that is shown next; return its id."""
        name = token_urlsafe(8)
        self._outcomes[name] = text
        if len(self._outcomes) > KEPT_OUTCOMES:
            self._outcomes.popitem(last=False)
        return name

    def outcome(self, name: str) -> str | None:
        """Return what an action did, None for one that isn't known any more."""
        return self._outcomes.get(name)
