"""The wheel of these sources, installed as a newcomer does, into an environment with nothing else."""

import shutil
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).parents[1]


def build_wheel(folder: Path) -> Path:
    """Build the wheel into a folder; return it."""
    _uv("build", "--wheel", "--out-dir", str(folder), str(PROJECT))
    (wheel,) = folder.glob("*.whl")
    return wheel


def install(wheel: Path, folder: Path, *more: str) -> Path:
    """Install the command, pytest and more into a new virtual environment; return its programs' folder."""
    _uv("venv", str(folder))
    _uv("pip", "install", "--python", str(folder), f"{wheel}[cli]", "pytest", *more)
    return folder / "bin"


def _uv(*arguments: str) -> None:
    uv = shutil.which("uv", path=str(PROJECT / ".bootstrap/bin")) or shutil.which("uv")
    assert uv
    python = ("--python", f"{sys.base_prefix}/bin/python3.13") if arguments[0] != "pip" else ()
    subprocess.run([uv, *arguments, *python, "--quiet"], cwd=PROJECT, check=True)
