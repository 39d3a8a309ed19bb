"""Dead letters: messages about dead jobs, and events that failed for good."""

from urllib.parse import urlencode

from starlette.requests import Request

from silvaengine_cli.console.session import Session
from silvaengine_cli.console.views import Action, Context
from silvaengine_cli.dead_letters import DeadEvents, DeadJobs, is_asked, outcomes_text
from silvaengine_cli.status.state import read_queues

LIMIT = 100  # messages that are read, as `dlq` does
FILTERS = {"function": "--function", "endpoint_id": "--endpoint", "cause": "--cause"}
EFFECTS = {
    "redrive": "Their jobs are accepted again and start within a minute; what was done may be done again. "
    "The messages are deleted, including those about jobs that are no longer dead.",
    "purge": "The messages are deleted. Their jobs stay dead, and can be retried until they expire.",
}


def show(session: Session, request: Request) -> Context:
    """Return the messages of each dead-letter queue, those about jobs as they are asked for."""
    deployment, asked = session.deployment, _asked(request)
    counts = read_queues(deployment)  # to look into an empty queue takes SQS a second
    letters = DeadJobs(deployment).look(LIMIT) if counts.get("dead jobs") else []
    letters = [each for each in letters if not asked or is_asked(each, asked)]
    has_events = any(counts.get(name) for name in ("dead events", "dead FIFO events"))
    events = DeadEvents(deployment).look(LIMIT) if has_events else []
    return {"asked": asked, "query": urlencode(asked), "letters": letters, "events": events, "limit": LIMIT}


def change(name: str, session: Session, request: Request) -> Action:
    """Return what redrives or purges messages about jobs."""
    letters, asked = DeadJobs(session.deployment), _asked(request)

    def carry_out() -> str:
        messages = letters.receive(LIMIT, asked)
        if name == "redrive":
            return outcomes_text(letters.redrive(messages))
        letters.purge(messages)
        return f"{len(messages)} messages deleted"

    options = [text for each, value in asked.items() for text in (FILTERS[each], value)]
    title = f"{name.capitalize()} {'these' if asked else 'all'} dead letters"
    command, back = session.command("dlq", name, *options), f"/jobs/dead?{urlencode(asked)}"
    return Action(title, EFFECTS[name], command, name.capitalize(), carry_out, back)


def replay(session: Session, _request: Request) -> Action:
    """Return what sends dead events again."""
    events = DeadEvents(session.deployment)

    def carry_out() -> str:
        return "\n".join(events.replay(each) for each in events.receive(LIMIT)) or "there are no dead events"

    effect = "Messages go back to their queues, other events to the tasks Lambda. "
    effect += "What was done isn't done again where an event keeps its IDs; a message gets a new one."
    command = session.command("events", "replay", "--dlq")
    return Action("Replay dead events", effect, command, "Replay", carry_out, "/jobs/dead")


def _asked(request: Request) -> dict[str, str]:
    found = {name: request.query_params.get(name, "").strip() for name in FILTERS}
    return {name: text for name, text in found.items() if text}
