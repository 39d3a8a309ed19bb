"""Dead letters: messages about dead jobs, and events that failed for good."""

from collections.abc import Callable
from urllib.parse import urlencode

from starlette.requests import Request

from silvaengine_cli.console.session import Session
from silvaengine_cli.console.views import Action, Context
from silvaengine_cli.dead_letters import DeadEvents, DeadJobs, is_asked, outcomes_text
from silvaengine_cli.status.state import read_queues

LIMIT = 100  # messages that are read, as `dlq` does
FILTERS = {"function": "--function", "endpoint_id": "--endpoint", "cause": "--cause"}


def show(session: Session, request: Request) -> Context:
    """Return the messages of each dead-letter queue, those about jobs as they are asked for."""
    deployment, asked = session.deployment, _asked(request)
    counts = read_queues(deployment)  # to look into an empty queue takes SQS a second
    letters = DeadJobs(deployment).look(LIMIT) if counts.get("dead jobs") else []
    letters = [each for each in letters if not asked or is_asked(each, asked)]
    has_events = any(counts.get(name) for name in ("dead events", "dead FIFO events"))
    events = DeadEvents(deployment).look(LIMIT) if has_events else []
    return {"asked": asked, "query": urlencode(asked), "letters": letters, "events": events, "limit": LIMIT}


def redrive(session: Session, request: Request) -> Action:
    """Return what retries the jobs of messages."""
    letters, asked = DeadJobs(session.deployment), _asked(request)

    def carry_out() -> str:
        return outcomes_text(letters.redrive(letters.receive(LIMIT, asked)))

    effect = "Their jobs are accepted again and start within a minute; what was done may be done again. "
    effect += "The messages are deleted, including those about jobs that are no longer dead."
    return _action(session, asked, "redrive", effect, carry_out)


def purge(session: Session, request: Request) -> Action:
    """Return what deletes messages."""
    letters, asked = DeadJobs(session.deployment), _asked(request)

    def carry_out() -> str:
        letters.purge(messages := letters.receive(LIMIT, asked))
        return f"{len(messages)} messages deleted"

    effect = "The messages are deleted. Their jobs stay dead, and can be retried until they expire."
    return _action(session, asked, "purge", effect, carry_out)


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


def _action(
    session: Session, asked: dict[str, str], name: str, effect: str, carry_out: Callable[[], str]
) -> Action:
    options = [text for each, value in asked.items() for text in (FILTERS[each], value)]
    command, name = session.command("dlq", name, *options), name.capitalize()
    title = f"{name} {'these' if asked else 'all'} dead letters"
    return Action(title, effect, command, name, carry_out, f"/jobs/dead?{urlencode(asked)}")
