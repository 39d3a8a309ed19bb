"""Updates or deletes a package, and ends without a word after a step: what, title, package, stack, URL."""

import os
import signal
import sys
from typing import Any

from silvaengine_cli.deployment import Deployment
from silvaengine_cli.publishing import deletion, platform_update
from silvaengine_cli.publishing.behind import CurrentPlatform


def kill(_: object) -> None:
    """End this process at once."""
    os.kill(os.getpid(), signal.SIGKILL)


def update(deployment: Deployment, package: str) -> None:
    """Update a package."""
    platform_update.update(deployment, package, CurrentPlatform(deployment), print)


def delete(deployment: Deployment, package: str) -> None:
    """Delete a package."""
    deletion.Deletion(deployment, package).run(print)


if __name__ == "__main__":
    what, last, name, stack, url = sys.argv[1:]
    module: Any
    module, run = (platform_update, update) if what == "update" else (deletion, delete)
    at = [title for title, _ in module.STEPS].index(last) + 1
    module.STEPS = (*module.STEPS[:at], ("be killed", kill), *module.STEPS[at:])
    run(Deployment(stack=stack, endpoint_url=url), name)
