from silvaengine.redis.breaker import FIRST_PAUSE, LONGEST_PAUSE, Breaker

from ...fakes.cache import Clock


def test_it_opens_at_a_failure_and_lets_one_probe(clock: Clock) -> None:
    """Nobody asks during the pause; after it one does, while the others still don't."""
    breaker = Breaker(clock)
    assert (breaker.state, breaker.allows()) == ("closed", True)
    breaker.record_failure()
    assert (breaker.state, breaker.allows()) == ("open", False)
    clock.now += FIRST_PAUSE
    assert breaker.state == "half-open"
    assert [breaker.allows() for _ in range(3)] == [True, False, False]
    breaker.record_success()
    assert (breaker.state, breaker.allows()) == ("closed", True)


def test_each_pause_is_twice_the_last_up_to_the_longest(clock: Clock) -> None:
    """A Redis that stays away is asked less and less, but at least every half minute."""
    breaker = Breaker(clock)
    pauses = []
    for _ in range(8):
        assert breaker.allows()
        breaker.record_failure()
        began = clock()
        while breaker.state != "half-open":
            clock.now += 0.5
        pauses.append(clock() - began)
    assert pauses == [1, 2, 4, 8, 16, LONGEST_PAUSE, LONGEST_PAUSE, LONGEST_PAUSE]
    breaker.record_success()
    breaker.record_failure()
    clock.now += FIRST_PAUSE
    assert breaker.state == "half-open"


def test_a_probe_that_never_ends_is_followed_by_another(clock: Clock) -> None:
    """An invocation that was cut off in its probe doesn't leave the tier out for ever."""
    breaker = Breaker(clock)
    breaker.record_failure()
    clock.now += FIRST_PAUSE
    assert breaker.allows()
    clock.now += 2 * FIRST_PAUSE
    assert breaker.allows()
