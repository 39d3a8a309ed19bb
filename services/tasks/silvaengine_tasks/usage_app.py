"""The roll-up's handler: a Lambda of its own, the only one that may read what the others have logged."""

from collections.abc import Callable
from functools import cache

from silvaengine.aws.table_client import open_table_reader, open_table_writer
from silvaengine.observability.handler import Handler, LambdaEvent, lambda_handler
from silvaengine.observability.logging import configure_logging
from silvaengine.settings import Settings, require
from silvaengine_tasks.usage.log_events import open_log_events
from silvaengine_tasks.usage.roll_up import RollUp
from silvaengine_tasks.usage.rows import UsageRows

MARGIN_MS = 240_000  # for an hour: the next run goes on with what is left


def create_handler(open_roll_up: Callable[[], RollUp]) -> Handler:
    """Return a Lambda handler that rolls up usage, for any event; the first one opens what does."""

    def serve(event: LambdaEvent) -> dict[str, int]:
        remaining = event.context.get_remaining_time_in_millis
        done = open_roll_up().run(lambda: remaining() > MARGIN_MS)
        event.log.add(**done)
        return done

    return lambda_handler("usage", LambdaEvent, lambda: serve)


@cache
def _deployed() -> RollUp:
    settings = Settings.from_environment()
    configure_logging(settings)
    stack = require(settings.stack_name, "STACK_NAME")
    rows = UsageRows(open_table_reader(settings), open_table_writer(settings), stack)
    return RollUp(open_log_events(settings), rows)


handler = create_handler(_deployed)
