"""uv, which installs what this command runs but isn't installed with."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import click


def find_uv(platform: Path) -> str:
    """Return the uv of `make`, of the command's own environment or of the PATH; raise if none is there."""
    places = (platform / ".bootstrap/bin", Path(sys.executable).parent, os.environ.get("PATH", ""))
    uv = shutil.which("uv", path=os.pathsep.join(map(str, places)))
    if uv is None:
        raise click.ClickException("uv is missing: run `make setup`, or install uv")
    return uv


def install_group(platform: Path, group: str) -> Path:
    """Install a group of the platform's uv.lock into `.silvaengine/<group>` of its folder; return that.

    Raises:
        ClickException: uv is missing or can't get a package.
    """
    folder = platform / ".silvaengine" / group
    command = [find_uv(platform), "sync", "--frozen", "--only-group", group, "--python", sys.executable]
    environment = {**os.environ, "UV_PROJECT_ENVIRONMENT": str(folder), "UV_PYTHON_DOWNLOADS": "never"}
    environment.pop("VIRTUAL_ENV", None)
    done = subprocess.run(command, cwd=platform, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise click.ClickException(
            f"the group {group} of uv.lock could not be installed:\n{done.stderr.strip()}"
        )
    return folder
