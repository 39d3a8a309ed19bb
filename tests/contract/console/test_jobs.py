"""The pages of jobs and dead letters: what they show, and change as the commands do."""

import json
import time
from collections.abc import Iterator
from html import unescape
from typing import Any

import pytest
from click.testing import CliRunner

from silvaengine.ledger.execution import Execution
from silvaengine.ledger.store import WITHDRAWN
from silvaengine.tables import EXECUTIONS
from silvaengine_cli.console.pages import jobs as page
from silvaengine_cli.deployment import Deployment
from silvaengine_cli.jobs import Jobs
from silvaengine_cli.main import cli
from silvaengine_cli.registry.tables import to_item

from ...fakes.executions import accepted_execution
from .conftest import OUTPUTS, Open
from .test_functions import more
from .visitor import Visitor

HTML = "<img src=x onerror=alert(1)>"
QUEUES = ("DeadLetterQueue", "EventDeadLetterQueue", "EventQueue")


@pytest.fixture(autouse=True)
def queues(moto: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """Give the stack that is made next queues, by their outputs' names."""
    monkeypatch.setattr("silvaengine_cli.dead_letters.WAIT_SECONDS", 0)
    sqs = Deployment(endpoint_url=moto).client("sqs")
    made = {f"{name}Url": sqs.create_queue(QueueName=name)["QueueUrl"] for name in QUEUES}
    for name, value in (*made.items(), ("TasksArn", "arn:aws:lambda:us-east-1:1:function:seen-Tasks")):
        monkeypatch.setitem(OUTPUTS, name, value)
    yield made
    for url in made.values():
        sqs.delete_queue(QueueUrl=url)


def add(deployment: Deployment, job_id: str, ago: int = 0, **changes: Any) -> Execution:
    """Put a job that changed some seconds ago into the ledger."""
    job = accepted_execution(int(time.time()) - ago, job_id=job_id.ljust(32, "0"), **changes)
    deployment.client("dynamodb").put_item(TableName=f"se-{EXECUTIONS.name}", Item=to_item(job.to_row()))
    return job


def letter(deployment: Deployment, job: Execution) -> None:
    """Put a message about a dead job into its queue."""
    names = ("job_id", "endpoint_id", "function", "cause", "attempts")
    send(deployment, "DeadLetterQueueUrl", {name: getattr(job, name) for name in names})


def send(deployment: Deployment, queue: str, body: Any) -> None:
    """Put a message into a queue."""
    deployment.client("sqs").send_message(QueueUrl=deployment.output(queue), MessageBody=json.dumps(body))


def run(deployment: Deployment, *arguments: str) -> str:
    """Run a command on the stack; return what it prints."""
    where = ["--stack", deployment.stack, "--endpoint-url", str(deployment.endpoint_url)]
    return CliRunner().invoke(cli, [*arguments, *where]).output


def listed(text: str, *jobs: Execution) -> list[str]:
    """Return the first letters of those jobs that a page lists, in its order."""
    places = {text.find(f'href="/jobs/{job.job_id}"'): job.job_id[0] for job in jobs}
    return [name for place, name in sorted(places.items()) if place >= 0]


def test_the_latest_changes_come_first(console: Visitor, deployment: Deployment) -> None:
    """Of all, of a state, of a tenant; an empty list says how to go on."""
    assert "Prefer: respond-async" in console.get("/jobs").text
    old = add(deployment, "a", 30, state="succeeded")
    new = add(deployment, "b", 10, endpoint_id="farm")
    dead = add(deployment, "c", 20, state="dead", cause="RuntimeError")
    assert listed(console.get("/jobs").text, old, new, dead) == ["b", "c", "a"]
    assert listed(console.get("/jobs?state=dead").text, old, new, dead) == ["c"]
    assert listed(console.get("/jobs?endpoint=farm").text, old, new, dead) == ["b"]
    assert "No matching job" in console.get("/jobs?endpoint=nobody").text


def test_a_long_ledger_comes_in_parts(
    console: Visitor, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each job once, however many of them are sorted at once."""
    monkeypatch.setattr(page, "SORTED", 3)
    monkeypatch.setattr("silvaengine_cli.console.paging.ROWS", 2)
    jobs = [add(deployment, name, ago) for ago, name in enumerate("abcdefgh")]
    found, path = [], "/jobs"
    while path:
        text = console.get(path).text
        found += listed(text, *jobs)
        path = more(text).replace("/functions", "/jobs")
    assert sorted(found) == [*"abcdefgh"]


def test_a_job_tells_what_the_command_tells(console: Visitor, deployment: Deployment) -> None:
    """Not what its function got and gave, which only the command shows; what others wrote is text."""
    result = json.dumps({"kind": "error", "error_type": "ValueError", "value": HTML, "status": 400})
    secrets: dict[str, Any] = {"content": '{"x": "a secret"}', "owner": "an-owner", "digest": "a-digest"}
    job = add(deployment, "a", state="failed", function=HTML, cause=HTML, result=result, **secrets)
    text = console.get(f"/jobs/{job.job_id}").text
    assert text.count("&lt;img src=x onerror=alert(1)&gt;") == 3
    assert f"ValueError: {HTML}" in unescape(text)
    assert f'href="/requests/{job.job_id}' in text
    assert "<img" not in text
    assert not [each for each in ("a secret", "an-owner", "a-digest") if each in text]
    assert f"jobs show {job.job_id} --values" in text
    assert "there is no job" in console.get("/jobs/none").text


@pytest.mark.parametrize(
    ("state", "name", "changed"),
    [("dead", "retry", ("accepted", None)), ("accepted", "cancel", ("dead", WITHDRAWN))],
)
def test_a_page_changes_a_job_as_the_command_does(
    open_console: Open, deployment: Deployment, state: str, name: str, changed: tuple[str, str | None]
) -> None:
    """The same row, but for whose turn it is; a second time both say why not."""
    console = open_console(may_write=True)
    by_page, by_command = (add(deployment, each, state=state, attempts=3) for each in "ab")
    told = console.get(console.post(f"/jobs/{by_page.job_id}/{name}").headers["location"]).text
    said = run(deployment, "jobs", name, by_command.job_id)
    for job, output in ((by_page, told), (by_command, said)):
        row = Jobs(deployment).find(job.job_id)
        assert (row.state, row.cause) == changed
        assert f"{job.job_id}: {'accepted' if name == 'retry' else 'cancelled'}" in output
    again = console.post(f"/jobs/{by_page.job_id}/{name}")
    assert f"{by_page.job_id}: is {changed[0]}" in again.text
    assert f"{by_command.job_id}: is {changed[0]}" in run(deployment, "jobs", name, by_command.job_id)


def test_settled_jobs_are_purged(open_console: Open, deployment: Deployment) -> None:
    """Those of the state that ended so long ago; a form that isn't filled in is told."""
    console = open_console(may_write=True)
    dead = add(deployment, "a", 3 * 86_400, state="dead")
    kept = [add(deployment, "b", 10, state="dead"), add(deployment, "c", 3 * 86_400, state="succeeded")]
    answer = console.post("/jobs/purge?state=dead&days=2")
    assert "1 jobs deleted" in console.get(answer.headers["location"]).text
    assert listed(console.get("/jobs").text, dead, *kept) == ["b", "c"]
    assert "is not one of" in console.get("/jobs/purge?state=running&days=0").text


def test_dead_letters_are_filtered_and_stay(console: Visitor, deployment: Deployment) -> None:
    """Whoever looks, and as often as they do; another's message is text."""
    assert "No messages about dead jobs" in console.get("/jobs/dead").text
    jobs = [
        add(deployment, "a", state="dead", function=HTML, cause=HTML),
        add(deployment, "b", state="dead", endpoint_id="farm"),
    ]
    for job in jobs:
        letter(deployment, job)
    send(deployment, "DeadLetterQueueUrl", HTML)
    send(deployment, "EventDeadLetterQueueUrl", {"source": HTML, "detail-type": "x"})
    assert listed(console.get("/jobs/dead?endpoint_id=farm").text, *jobs) == ["b"]
    text = console.get("/jobs/dead").text
    assert sorted(listed(text, *jobs)) == ["a", "b"]
    assert text.count("&lt;img src=x onerror=alert(1)&gt;") == 3
    assert "<td>event<" in text
    assert "<img" not in text


def test_dead_letters_are_redriven_and_purged_as_asked(open_console: Open, deployment: Deployment) -> None:
    """Others stay in the queue, and are there at once for the next one, by page or by command."""
    console = open_console(may_write=True)
    a, b, c = (add(deployment, name, state="dead", endpoint_id=f"{name}-1") for name in "abc")
    for job in (a, b, c):
        letter(deployment, job)
    asked = console.get("/jobs/dead/redrive?endpoint_id=a-1").text
    assert "silvaengine dlq redrive --endpoint a-1" in asked
    console.post("/jobs/dead/redrive?endpoint_id=a-1")
    assert Jobs(deployment).find(a.job_id).state == "accepted"
    answer = console.post("/jobs/dead/purge?endpoint_id=b-1")
    assert "1 messages deleted" in console.get(answer.headers["location"]).text
    assert Jobs(deployment).find(b.job_id).state == "dead"
    assert "1 jobs accepted again" in run(deployment, "dlq", "redrive", "--yes")
    assert "No messages about dead jobs" in console.get("/jobs/dead").text


def test_dead_events_are_replayed(open_console: Open, deployment: Deployment) -> None:
    """A message goes back to its queue."""
    console, sqs = open_console(may_write=True), deployment.client("sqs")
    send(deployment, "EventDeadLetterQueueUrl", "hello")
    answer = console.post("/jobs/dead/replay")
    assert "sent back to its queue" in console.get(answer.headers["location"]).text
    (message,) = sqs.receive_message(QueueUrl=deployment.output("EventQueueUrl"))["Messages"]
    assert message["Body"] == '"hello"'
