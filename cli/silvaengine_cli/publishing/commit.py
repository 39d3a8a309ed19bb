"""The git commit that a package's folder is at."""

import shutil
import subprocess
from pathlib import Path


def commit_of(folder: Path) -> str:
    """Return the commit's hash, with ``-dirty`` where the folder differs from it; empty without git."""
    commit = _git(folder, "rev-parse", "HEAD")
    return f"{commit}-dirty" if commit and _git(folder, "status", "--porcelain", "--", ".") else commit


def _git(folder: Path, *arguments: str) -> str:
    git = shutil.which("git")
    if git is None:
        return ""
    command = [git, "-C", str(folder), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    return done.stdout.strip() if done.returncode == 0 else ""
