"""A FIFO queue's messages: in order, none lost, and none dead that was never called."""

import pytest

from .fifo import FifoQueue
from .queue import FAULTY, MAX_RECEIVES
from .world import CALM, Weather, World

MESSAGES = 60
POISON = {0, 4, 13, 21, 30, 59}
# Functions fail, but no reader dies: one that does takes a receive from all of its batch.
FAILING = Weather(lost=0, duplicated=0, fault=0, zombie=0, slow=0, failing=0.3)


def receive(seed: int, weather: Weather, batch_size: int) -> FifoQueue:
    """Return a queue that was received to the end."""
    queue = FifoQueue(World(seed, weather), MESSAGES, batch_size=batch_size, poison=POISON)
    queue.run(hours=100)
    return queue


@pytest.mark.parametrize(("batch_size", "calls"), [(1, {MAX_RECEIVES}), (10, {1, MAX_RECEIVES})])
def test_only_the_poisoned_messages_of_a_group_are_dead(batch_size: int, calls: set[int]) -> None:
    """Those behind them run once, in order, singly and in batches.

    Alone in its batch each is called at all of its receives; behind another one at least at the last.
    """
    queue = receive(1, CALM, batch_size)
    assert queue.check() == []
    assert {message.number for message in queue.messages if message.end == "dead"} == POISON
    attempts = queue.world.account.attempts
    assert {attempts[n] for n in POISON if queue.messages[n].function != "once"} == calls
    assert {count for number, count in attempts.items() if number not in POISON} == {1}


@pytest.mark.parametrize(("weather", "batch_size"), [(FAULTY, 1), (FAILING, 1), (FAILING, 10)])
def test_no_message_is_dead_that_was_never_called(weather: Weather, batch_size: int) -> None:
    """Whatever fails before it; alone in its batch a message keeps its receives even where readers die."""
    for seed in range(10):
        queue = receive(seed, weather, batch_size)
        assert queue.check() == [], f"seed {seed} replays it"
        assert queue.never_called() == [], f"seed {seed} replays it"


def test_batches_keep_their_order_where_everything_fails() -> None:
    """Readers and workers die, answers are lost, tables lag."""
    for seed in range(10):
        assert receive(seed, FAULTY, 10).check() == [], f"seed {seed} replays it"
