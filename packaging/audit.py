"""Check what ships for known vulnerabilities in public databases; `make audit` runs this.

An exception holds until its date; after that the audit fails until someone reviews it.
"""

import subprocess
import sys
import tomllib
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent
EXCEPTIONS = Path(__file__).with_name("audit_exceptions.toml")
SHIPPED = ("shared/requirements.txt", "services/worker/functions/requirements.txt")


def main() -> int:
    """Audit every list of requirements; return the exit status."""
    today = datetime.now(tz=UTC).date()
    failed = [
        name for name in SHIPPED if subprocess.run(command(name, today), cwd=PROJECT, check=False).returncode
    ]
    for exception in exceptions():
        if exception["until"] < today:
            sys.stderr.write(f"the exception for {exception['id']} ended on {exception['until']}\n")
    return len(failed)


def command(requirements: str, today: date) -> list[str]:
    """Return the command that audits one list."""
    ignored = [f"--ignore-vuln={item['id']}" for item in exceptions() if today <= item["until"]]
    return [
        sys.executable,
        "-m",
        "pip_audit",
        "--strict",
        "--disable-pip",
        "--no-deps",
        "-r",
        requirements,
        *ignored,
    ]


def exceptions() -> Iterator[dict[str, Any]]:
    """Yield the exceptions: ``id``, ``package``, ``until``, ``reason`` and the ``tests`` that prove it."""
    yield from tomllib.loads(EXCEPTIONS.read_text())["exception"]


if __name__ == "__main__":
    sys.exit(main())
