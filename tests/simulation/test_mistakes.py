"""The simulation finds mistakes: each of these, put into the real code, breaks a promise that it checks."""

from itertools import product

import pytest

from .mistakes import MISTAKES
from .run import simulate
from .world import CROWD, STORM, Parts, Weather

pytestmark = pytest.mark.timeout(900)  # the longest takes a minute of a processor that may be shared

WORLDS = 15
ANSWERED_WRONG = "was answered without an effect"

CAUGHT_BY = {
    "NoOwnerInTheCondition": "effects, at most once was promised",
    "OneOwnerForAll": "effects, at most once was promised",
    "OwnTokenIsNotRecognized": "a worker in time was refused as late",
    "LeaseShorterThanTheTimeout": "a worker in time was refused as late",
    "LeaseWithoutMargin": "a worker in time was refused as late",
    "RetryForgetsTheTime": "ends as accepted",
    "CancelledStaysAlive": "never got an outcome",
    "FenceStaysTheSame": "attempt with token",
    "SweepsForAllStacks": "was taken up by another stack's sweeper",
    "EventualRead": "its job is not found",
    "NoTenantInTheKey": "got the response of call",
    "NoPrincipalInTheKey": ANSWERED_WRONG,
    "NoFunctionInTheKey": ANSWERED_WRONG,
    "AnotherKeyInEachStack": "stands in the ledger twice",
    "TokenReused": "succeeded without an effect",
    "FollowsThePointer": "left the release that accepted it",
    "ServerErrorRanNothing": "effects, at most once was promised",
    "BodyNotCompared": "another request under its key was answered",
    "AcceptedBeforeItIsWritten": "was accepted and is not in the ledger",
    "ForgetsTheKeyAfterAnyFailure": "effects, at most once was promised",
    "TakesOverWhatMayHaveRun": "effects, at most once was promised",
    "TakesOverWhatIsHeld": "a worker in time was refused as late",
    "RunsWithoutAClaim": "effects, at most once was promised",
    "SettlesBeforeTheEffect": "succeeded without an effect",
    "SwallowsTheException": "succeeded without an effect",
    "FailsAtOnce": "failed for good at a failure that passes",
    "SweepsWithoutAClaim": "attempt with token",
    "SweepsWhatMayHaveRun": "effects, at most once was promised",
    "IgnoresTheLastAttempt": "attempts, at most",
    "AcknowledgesBeforeItTells": "dead without a report",
    "ReportsNothing": "dead without a report",
    "FailsAtARowThatCantBeRead": "is never settled",
    "LeavesWhatCantBeRead": "is never settled",
    "TakesUpTheLongestDue": "waits for a sweeper",
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_caught(name: str) -> None:
    """In one of a few worlds the simulation reports the promise that this mistake breaks."""
    for weather, seed in product((STORM, Weather(), CROWD), range(WORLDS)):  # a storm finds most at once
        violations = simulate(seed, weather, Parts(**MISTAKES[name])).account.violations
        if any(CAUGHT_BY[name] in violation for violation in violations):
            return
    pytest.fail(f"{name} was not found")


@pytest.mark.parametrize("weather", [STORM, CROWD], ids=["storm", "crowd"])
@pytest.mark.parametrize(
    "seed", [*range(5), *(pytest.param(seed, marks=pytest.mark.nightly) for seed in range(5, WORLDS))]
)
def test_without_a_mistake_nothing_is_reported(weather: Weather, seed: int) -> None:
    """The same worlds keep every promise."""
    assert simulate(seed, weather).account.violations == []


def test_every_mistake_has_its_promise() -> None:
    """None is left out, and there are more than twenty."""
    assert MISTAKES.keys() == CAUGHT_BY.keys()
    assert len(MISTAKES) > 20
