"""What `silvaengine prove` knows without an account: names, costs, answers, the table of docs."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from silvaengine_cli.costs.prices import cost
from silvaengine_cli.prove import answers, evidence
from silvaengine_cli.prove.names import PREFIX, expiry, new_name, run_of


def test_a_name_says_until_when_its_resources_may_exist() -> None:
    """Each resource's name, URL or ARN leads to the run, and the run's name to its end."""
    end = datetime(2026, 12, 1, 15, 30, tzinfo=UTC)
    name = new_name(end)
    assert expiry(name) == end
    for form in ("{}", "{}-inbox", "arn:aws:sns:eu-west-1:111122223333:{}-news", "/aws/lambda/{}-Worker"):
        assert run_of(form.format(name)) == name


@pytest.mark.parametrize(
    "text", ["silvaengine-prod", PREFIX, f"{PREFIX}2612011530", f"{PREFIX}2612011530-ab"]
)
def test_nobody_elses_name_is_a_runs(text: str) -> None:
    """What isn't exactly a run's name is never swept."""
    assert run_of(text) is None
    with pytest.raises(ValueError, match="no run's name"):
        expiry(text)


def test_a_cost_is_the_sum_of_its_parts() -> None:
    """Quantities cost what the list says; one that the list doesn't know is an error and not free."""
    assert cost({"rest_requests": 1_000_000, "lambda_requests": 500_000}) == pytest.approx(3.6)
    with pytest.raises(KeyError):
        cost({"phone_calls": 1})


def test_an_answer_is_compared_without_what_changes() -> None:
    """Ids are replaced, headers that don't matter are left out, the rest stays."""
    headers = {"content-type": "application/json", "x-request-id": "a" * 32, "date": "today"}
    body = '{"error": "No", "request_id": "516240d268fb261376a3146849f71687"}'
    assert answers.normalized(404, headers, body) == {
        "status": 404,
        "headers": {"content-type": "application/json"},
        "body": '{"error": "No", "request_id": "ID"}',
    }


def test_an_engine_never_replaces_what_aws_answered(tmp_path: Path) -> None:
    """An answer that was recorded on AWS stays until AWS is asked again."""
    recorded, kept = tmp_path / "recorded", tmp_path / "kept"
    recorded.mkdir()
    (recorded / "get.json").write_text('{"status": 200}')
    answers.keep(recorded, kept, "local engine")
    assert '"recorded_on": "local engine"' in (kept / "get.json").read_text()
    answers.keep(recorded, kept, "AWS")
    answers.keep(recorded, kept, "local engine")
    assert '"recorded_on": "AWS"' in (kept / "get.json").read_text()


def test_the_newest_evidence_of_aws_is_shown(tmp_path: Path) -> None:
    """An engine's evidence, however new, doesn't hide that of AWS; the page says whose it is."""
    for name, account in (("2026-12-01", "AWS"), ("2026-12-02-local", "local engine")):
        content = {"account": account, "date": name[:10], "results": []}
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    newest = evidence.newest(tmp_path)
    assert newest["account"] == "AWS"
    page = evidence.in_page("# Evidence\n", newest)
    assert "Of AWS, 2026-12-01:" in page
    assert evidence.in_page(page, newest) == page
