"""The threads that ask the tiers for coroutines."""

import asyncio
import multiprocessing
from collections.abc import Callable
from contextvars import ContextVar
from threading import Event, get_ident

import pytest

from silvaengine.cache.threads import KeptThreads

WHOSE = ContextVar("whose", default="nobody's")


async def do[R](threads: KeptThreads, work: Callable[[], R]) -> R:
    """Do work as a cached coroutine has it done."""
    return await threads.run(work)


def test_one_thread_serves_calls_one_after_another() -> None:
    """It outlives the event loop of each, which is one call's."""
    threads = KeptThreads()
    idents = {asyncio.run(do(threads, get_ident)) for _ in range(5)}
    assert len(idents) == 1
    assert get_ident() not in idents


def test_more_calls_at_once_have_more_threads_up_to_the_limit() -> None:
    """A call that takes long holds up nobody as long as there is a thread left; then calls wait."""
    threads, go, begun = KeptThreads(3), Event(), []

    def slow() -> None:
        begun.append(get_ident())
        assert go.wait(20)

    async def scenario() -> None:
        tasks = [asyncio.create_task(do(threads, slow)) for _ in range(10)]
        async with asyncio.timeout(20):
            while len(begun) < 3:
                await asyncio.sleep(0.001)
            await asyncio.sleep(0.05)
            assert len(begun) == 3
            go.set()
            await asyncio.gather(*tasks)

    asyncio.run(scenario())
    assert len(begun) == 10
    assert len(set(begun)) == 3


def test_work_has_the_calls_context_and_its_errors_are_the_calls() -> None:
    """A tenant's value is asked for as the tenant, and what fails there fails here."""
    threads = KeptThreads()

    async def scenario() -> str:
        WHOSE.set("acme")
        with pytest.raises(ZeroDivisionError):
            await threads.run(divmod, 1, 0)
        return await threads.run(WHOSE.get)

    assert asyncio.run(scenario()) == "acme"
    assert asyncio.run(do(threads, WHOSE.get)) == "nobody's"


def test_a_call_that_was_given_up_leaves_the_thread_to_the_next() -> None:
    """Its event loop may be closed when the work is done."""
    threads, go = KeptThreads(1), Event()

    async def given_up() -> None:
        async with asyncio.timeout(0.01):
            await threads.run(go.wait, 20)

    with pytest.raises(TimeoutError):
        asyncio.run(given_up())
    go.set()
    assert asyncio.run(asyncio.wait_for(do(threads, lambda: "next"), 20)) == "next"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_has_threads_of_its_own() -> None:
    """The parent's don't live there."""
    threads = KeptThreads()
    asyncio.run(do(threads, get_ident))
    child = multiprocessing.get_context("fork").Process(target=lambda: asyncio.run(do(threads, get_ident)))
    child.start()
    child.join(10)
    child.kill()  # one that hangs
    assert child.exitcode == 0
