"""Node.js, with npm and npx: PyPI's, which the generators of clients use, too."""

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

from silvaengine_cli.clients import NODE
from silvaengine_cli.uv import find_uv

PROJECT = Path(__file__).parents[1]


def path_with_node() -> str:
    """Return a PATH on which it is first."""
    return f"{_install()}{os.pathsep}{os.environ['PATH']}"  # noqa: TID251 - it is for programs


@cache
def _install() -> Path:
    """Return the folder of its programs, once they are there."""
    folder = PROJECT / ".silvaengine/node"
    places = {"UV_TOOL_DIR": str(folder), "UV_TOOL_BIN_DIR": str(folder / "bin")}
    command = [find_uv(PROJECT), "tool", "install", "--quiet", "--python", sys.executable, NODE]
    subprocess.run(command, env={**os.environ, **places}, check=True)  # noqa: TID251 - likewise
    return folder / "bin"
