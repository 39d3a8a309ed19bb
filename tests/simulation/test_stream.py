"""A shard with poisoned records and random faults: in order, none lost, only the poison given up."""

import pytest

from .queue import FAULTY
from .stream import Shard, ShardWorld
from .world import CALM

RECORDS = 40


@pytest.mark.parametrize("first", range(0, 100, 25))
def test_a_shard_is_read_in_order_and_whole(first: int) -> None:
    """Each record has its effect, the first ones in order; a poisoned one never counts as done."""
    for seed in range(first, first + 25):
        shard = Shard(ShardWorld(seed, FAULTY, {13, 14, 27}), RECORDS)
        shard.run()
        assert shard.check() == [], f"seed {seed} replays it"
        assert shard.given_up == [13, 14, 27], f"seed {seed} replays it"


def test_without_faults_only_the_poison_is_given_up_and_nothing_runs_twice() -> None:
    """The records before a poisoned one are done once, however often that one is read."""
    shard = Shard(ShardWorld(1, CALM, {13}), RECORDS)
    shard.run()
    assert shard.check() == []
    assert shard.given_up == [13]
    assert shard.world.effects == [number for number in range(1, RECORDS + 1) if number != 13]
