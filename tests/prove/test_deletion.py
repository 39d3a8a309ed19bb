"""The end of the stack under traffic."""

import time

import pytest

from silvaengine_cli.prove.leftovers import delete

from .conftest import Figures, Target
from .traffic import Traffic


@pytest.mark.proves("deletion-under-traffic")
def test_a_deletion_answers_rightly_or_not_at_all(target: Target, figures: Figures) -> None:
    """Until the end each answer that says 200 is the right one; afterwards nothing of the stack is there."""
    with Traffic(target.api) as traffic:
        time.sleep(2)
        left = delete(target.client, target.stack.__eq__)
    figures["answers"] = traffic.statuses.total()
    figures["results"] = traffic.statuses[200]
    assert [each for each in traffic.wrong if ": 200 " in each] == []
    assert traffic.statuses[200]
    assert left == []
