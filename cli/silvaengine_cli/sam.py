"""The tools of AWS SAM: beside this command where they were installed with it, as in a clone.

Elsewhere they have an environment of their own, made when they are first needed: they are twice as large as
all the rest, and ask for one version of much that an application may use, too.
"""

import site
import sys
from importlib.util import find_spec
from pathlib import Path

from silvaengine_cli.uv import install_group

LAUNCHER = Path(__file__).with_name("sam_launcher.py")


def sam_command(platform: Path) -> list[str]:
    """Return the command that is `sam`; raise ClickException if it can't be installed."""
    beside = Path(sys.executable)
    is_beside = beside.with_name("sam").exists()
    interpreter = beside if is_beside else install_group(platform, "sam") / "bin" / "python"
    # Without the launcher's folder on its path, which has modules of the standard library's names.
    return [str(interpreter), "-P", str(LAUNCHER)]


def import_sam(platform: Path) -> None:
    """Let samcli, samtranslator and cfnlint be imported; raise ClickException if they can't be installed.

    What this command was installed with comes first.
    """
    if find_spec("samcli") is None:
        libraries = f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
        site.addsitedir(str(install_group(platform, "sam") / libraries))
