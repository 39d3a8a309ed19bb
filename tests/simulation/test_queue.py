"""A queue's messages, with a fifth of the calls failing: each is done once or dead, and none is lost."""

from collections import Counter

import pytest

from .queue import FAULTY, MAX_RECEIVES, Queue
from .world import CALM, Weather, World

MESSAGES = 100
# By day a quarter of the worlds.
FIRSTS = [0, *(pytest.param(first, marks=pytest.mark.nightly) for first in range(25, 100, 25))]


def receive(seed: int, weather: Weather = FAULTY) -> Queue:
    """Return a queue of a hundred messages that were received to the end."""
    queue = Queue(World(seed, weather), MESSAGES)
    queue.run()
    return queue


@pytest.mark.parametrize("first", FIRSTS)
def test_2500_messages_are_done_once_or_dead(first: int) -> None:
    """At most one effect where that was promised, at least one where done."""
    for seed in range(first, first + 25):
        assert receive(seed).check() == [], f"seed {seed} replays it"


def test_messages_are_received_again_and_some_die() -> None:
    """Most are done."""
    ends, receives = Counter[str](), Counter[int]()
    for seed in range(10):
        queue = receive(seed)
        ends += queue.ends()
        receives.update(message.receives for message in queue.messages)
    assert ends["done"] > 9 * MESSAGES
    assert ends["dead"] > 3
    assert sum(count for number, count in receives.items() if number > 1) > MESSAGES
    assert max(receives) == MAX_RECEIVES


def test_without_faults_each_is_received_once() -> None:
    """In calm weather each message has one receive and one effect."""
    queue = receive(1, CALM)
    assert queue.check() == []
    assert {message.receives for message in queue.messages} == {1}
    assert set(queue.world.account.effects.values()) == {1}
