"""The command `silvaengine console`."""

import signal
import subprocess
import sys
from pathlib import Path

from silvaengine_cli.deployment import Deployment

from .visitor import Visitor

COMMAND = [str(Path(sys.executable).with_name("silvaengine")), "console", "--no-browser"]


def test_it_serves_until_ctrl_c(deployment: Deployment) -> None:
    """The address that it prints opens it; then the port is free again, whatever page is open."""
    options = ["--stack", deployment.stack, "--endpoint-url", str(deployment.endpoint_url)]
    with subprocess.Popen([*COMMAND, *options], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        visitor = Visitor(process.stdout.readline().split()[-1])
        assert visitor.get("/jobs").status == 200
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 0
