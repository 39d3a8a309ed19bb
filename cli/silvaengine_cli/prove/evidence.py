"""What runs have shown: a file of each day, and docs' table of the newest one."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from silvaengine_cli.project import Project
from silvaengine_cli.prove.answers import keep
from silvaengine_cli.prove.run import Run

_BEGIN, _END = "<!-- made from evidence/ by `make evidence` -->\n", "<!-- end -->\n"


def write(run: Run, project: Path) -> Path:
    """Write a run's results and answers into a project; return the path of the results.

    They replace those of an earlier run of the day; an engine's are beside AWS's, never over them.
    """
    today = datetime.now(UTC).date()
    account = "local engine" if run.deployment.endpoint_url else "AWS"
    keep(run.answers, project / "tests" / "parity", account)
    path = project / "evidence" / f"{today}{'' if account == 'AWS' else '-local'}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "date": str(today),
        "account": account,
        "region": run.deployment.client("s3").meta.region_name,
        "results": run.results,
    }
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    return path


def newest(folder: Path) -> dict[str, Any]:
    """Return the newest evidence of AWS if there is any, else of the local engine."""
    found = [json.loads(path.read_text()) for path in folder.glob("*.json")]
    return max(found, key=lambda each: (each["account"] == "AWS", each["date"]))


def table(evidence: dict[str, Any]) -> str:
    """Return the table of docs/evidence.md."""
    where = f"{evidence['account']}, {evidence['date']}"
    lines = [f"Of {where}:", "", "| id | area | outcome | reason or figures |", "| --- | --- | --- | --- |"]
    rows = []
    for each in evidence["results"]:
        told = each["reason"] or ", ".join(f"{name} {value}" for name, value in each["figures"].items())
        rows.append(f"| {each['id']} | {each['area']} | {each['outcome']} | {told.replace('|', '/')} |")
    return "\n".join([*lines, *dict.fromkeys(rows), ""])


def in_page(page: str, evidence: dict[str, Any]) -> str:
    """Return the page with the table of this evidence."""
    before, _, rest = page.partition(_BEGIN)
    return before + _BEGIN + table(evidence) + _END + rest.partition(_END)[2]


if __name__ == "__main__":
    project = Project.find(Path.cwd()).folder
    document = project / "docs" / "evidence.md"
    document.write_text(in_page(document.read_text(), newest(project / "evidence")))
