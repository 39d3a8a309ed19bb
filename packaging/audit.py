"""Check what ships for known vulnerabilities in public databases, and the template; `make audit` runs this.

An exception holds until its date; after that the audit fails until someone reviews it. What is accepted of
checkov's findings stands in `.checkov.yaml`.
"""

import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from samcli.lib.cfn_language_extensions.sam_integration import expand_language_extensions
from samcli.yamlhelper import yaml_parse

PROJECT = Path(__file__).resolve().parent.parent
EXCEPTIONS = Path(__file__).with_name("audit_exceptions.toml")
OPTIONAL = {
    "AccessLogs": "true",
    "IsolatedWorker": "true",
    "MakeFifoQueue": "true",
    "EventSchedules": "nightly=cron(0 3 * * ? *),hourly=rate(1 hour)",
    "NewEventBucketName": "events",
}
SHIPPED = ("shared/requirements.txt", "services/worker/functions/requirements.txt")


def main(checkov: str) -> int:
    """Audit every list of requirements, and the template with ``checkov``; return the exit status."""
    today = datetime.now(tz=UTC).date()
    failed = [
        name for name in SHIPPED if subprocess.run(command(name, today), cwd=PROJECT, check=False).returncode
    ]
    for exception in exceptions():
        if exception["until"] < today:
            sys.stderr.write(f"the exception for {exception['id']} ended on {exception['until']}\n")
    with TemporaryDirectory() as folder:
        template = Path(folder, "template.json")
        template.write_text(json.dumps(whole_template()))
        checked = subprocess.run([checkov, "--file", template], cwd=PROJECT, check=False)
    return len(failed) + checked.returncode


def whole_template() -> dict[str, Any]:
    """Return the template without loops and with everything that is optional: checkov knows neither."""
    template = yaml_parse((PROJECT / "template.yaml").read_text())
    expanded: dict[str, Any] = expand_language_extensions(template, OPTIONAL, enabled=True).expanded_template
    return expanded


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
    sys.exit(main(sys.argv[1]))
