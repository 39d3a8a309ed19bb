"""The tools of AWS SAM: beside this command where they were installed with it, as in a clone.

Elsewhere they have an environment of their own, made when they are first needed: they are twice as large as
all the rest, and ask for one version of much that an application may use, too.
"""

import site
import sys
from importlib.util import find_spec
from pathlib import Path

from silvaengine_cli.uv import install_group


def find_sam(platform: Path) -> Path:
    """Return the program `sam`; raise ClickException if it can't be installed."""
    beside = Path(sys.executable).with_name("sam")
    return beside if beside.exists() else install_group(platform, "sam") / "bin" / "sam"


def import_sam(platform: Path) -> None:
    """Let samcli, samtranslator and cfnlint be imported; raise ClickException if they can't be installed.

    What this command was installed with comes first.
    """
    if find_spec("samcli") is None:
        libraries = f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
        site.addsitedir(str(install_group(platform, "sam") / libraries))
