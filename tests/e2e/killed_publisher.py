"""Publishes a package, and ends without a word after a step: its title, folder, stack and engine's URL."""

import os
import signal
import sys
from pathlib import Path

from silvaengine_cli.deployment import Deployment
from silvaengine_cli.publishing import publisher
from silvaengine_cli.publishing.publication import Publication


def killed_after(title: str, steps: tuple[publisher.Step, ...]) -> tuple[publisher.Step, ...]:
    """Return the steps, of which this one kills the process when it is done."""

    def kill(_: Publication) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    found = [each for each, _ in steps]
    at = found.index(title) + 1 if title in found else len(steps) + 1
    return (*steps[:at], *((("be killed", kill),) if at <= len(steps) else ()), *steps[at:])


if __name__ == "__main__":
    last, folder, stack, url = sys.argv[1:]
    for name in ("PLANNING", "PREPARING", "RELEASING", "FINISHING"):
        setattr(publisher, name, killed_after(last, getattr(publisher, name)))
    publisher.publish(Deployment(stack=stack, endpoint_url=url), Path(folder), "", print)
