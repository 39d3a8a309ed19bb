"""Messages about dead jobs: which are listed, and what becomes of them."""

import json
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result

from silvaengine_cli.commands.dlq import dlq

DEAD = {"job_id": "3f2a", "endpoint_id": "acme", "function": "report", "cause": "RuntimeError", "attempts": 3}


class Queue:
    """A deployment whose dead-letter queue holds these bodies, once each."""

    def __init__(self, *bodies: str) -> None:
        self.messages = [
            {"MessageId": body, "ReceiptHandle": f"receipt of {body}", "Body": body} for body in bodies
        ]
        self.deleted: list[str] = []
        self.released: list[str] = []

    exceptions = SimpleNamespace(MessageNotInflight=LookupError)

    def client(self, _service: str) -> Any:
        return self

    def output(self, name: str) -> str:
        return name

    def receive_message(self, **_: Any) -> dict[str, Any]:
        return {"Messages": self.messages}

    def delete_message(self, *, ReceiptHandle: str, **_: Any) -> None:  # noqa: N803 - boto3's name
        self.deleted.append(ReceiptHandle)

    def change_message_visibility(self, *, ReceiptHandle: str, **_: Any) -> None:  # noqa: N803 - likewise
        self.released.append(ReceiptHandle)


def run(monkeypatch: pytest.MonkeyPatch, queue: Queue, *arguments: str) -> Result:
    """Run the command with this queue and a ledger whose jobs can all be retried."""
    monkeypatch.setattr("silvaengine_cli.deployment.Deployment", lambda **_: queue)
    jobs = SimpleNamespace(retry=lambda _job_id: "accepted")
    monkeypatch.setattr("silvaengine_cli.dead_letters.Jobs", lambda _deployment: jobs)
    return CliRunner().invoke(dlq, arguments, catch_exceptions=False)


def test_messages_are_listed_whoever_wrote_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Text that isn't ours is shown unchanged, and nothing is deleted."""
    queue = Queue(json.dumps(DEAD), "hello")
    assert json.loads(run(monkeypatch, queue, "list", "--json").output) == [DEAD, {"message": "hello"}]
    assert "2 dead letters" in run(monkeypatch, queue, "list").output
    assert queue.deleted == []
    assert queue.released == [f"receipt of {json.dumps(DEAD)}", "receipt of hello"] * 2


@pytest.mark.parametrize("filters", [[], ["--endpoint", "acme", "--function", "report"]])
def test_jobs_that_match_are_retried_and_their_messages_deleted(
    monkeypatch: pytest.MonkeyPatch, filters: list[str]
) -> None:
    """Messages of other jobs and of other writers stay."""
    queue = Queue(json.dumps(DEAD), "hello")
    result = run(monkeypatch, queue, "redrive", "--yes", *filters)
    assert result.output == "3f2a: accepted\n1 jobs accepted again\n"
    assert queue.deleted == [f"receipt of {json.dumps(DEAD)}"]
    assert queue.released == ["receipt of hello"]
    assert run(monkeypatch, queue, "redrive", "--cause", "x", "--json").output == "{}\n"


def test_messages_that_match_are_purged(monkeypatch: pytest.MonkeyPatch) -> None:
    """No job is retried."""
    queue = Queue(json.dumps(DEAD), json.dumps(DEAD | {"endpoint_id": "farm"}), "hello")
    assert run(monkeypatch, queue, "purge", "--yes", "--endpoint", "acme").output == "1 messages deleted\n"
    assert queue.deleted == [f"receipt of {json.dumps(DEAD)}"]
