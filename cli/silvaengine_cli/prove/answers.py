"""Answers of the HTTP API as they are compared between accounts: without what differs from call to call."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

# What clients rely on; AWS and the engine add others of their own.
_HEADERS = (
    "allow",
    "content-type",
    "idempotency-replayed",
    "location",
    "preference-applied",
    "retry-after",
    "access-control-allow-origin",
    "access-control-allow-methods",
)
_CHANGING = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "UUID"),
    (re.compile(r"[0-9a-f]{32,}"), "ID"),
    (re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+(?:Z|\+00:00)"), "TIME"),
    (re.compile(r"(?<=job_id=)[\w-]+"), "ID"),
    (re.compile(r'(?<="job_id": ")[^"]+'), "ID"),
)


def normalized(status: int, headers: Mapping[str, str], body: str) -> dict[str, Any]:
    """Return a response as a test compares it; header names are in lower case."""
    return {
        "status": status,
        "headers": {name: _steady(headers[name]) for name in _HEADERS if name in headers},
        "body": _steady(body),
    }


def keep(recorded: Path, folder: Path, account: str) -> None:
    """Keep the answers that a run has recorded, each with where that was; an engine's never replace AWS's."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(recorded.glob("*.json")):
        kept = folder / path.name
        if account != "AWS" and kept.exists() and json.loads(kept.read_text())["recorded_on"] == "AWS":
            continue
        answer = {"recorded_on": account, **json.loads(path.read_text())}
        kept.write_text(json.dumps(answer, indent=2, ensure_ascii=False) + "\n")


def _steady(text: str) -> str:
    for pattern, word in _CHANGING:
        text = pattern.sub(word, text)
    return text
