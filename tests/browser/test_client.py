"""silvaengine.js in Chromium: what a page gets for what the server sends."""

from typing import Any

from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from playwright.sync_api import Page

from ..examples import examples
from .conftest import turn_until
from .scripted_server import Script, ScriptedServer, Session

COLLECT = """
    const items = [];
    const collected = (async () => {
        for await (const item of connection.stream("many", {}, {timeout: 60_000})) items.push(item);
    })();
"""


def test_an_answer_goes_to_its_own_call(page: Page, server: ScriptedServer) -> None:
    """Answers that come in another order than their calls reach the right promises."""
    kept: list[Session] = []

    def keep(session: Session) -> None:
        kept.append(session)
        if len(kept) == 3:
            for each in reversed(kept):
                each.reply(funct="add", data=each.message["payload"]["n"] + 1)

    server.scripts["add"] = keep
    responses = page.evaluate("Promise.all([1, 2, 3].map((n) => connection.call('add', {n})))")
    assert responses == [2, 3, 4]


def test_the_handshake_names_tenant_area_and_key(page: Page, server: ScriptedServer) -> None:
    """Browsers can't send headers, so the key is in the query, where there is one."""
    page.evaluate("seen(open_({apiKey: 'k&y'}), 'open')")
    assert server.handshakes == ["endpointId=demo&area=core", "endpointId=demo&area=core&x-api-key=k%26y"]


def test_a_refusal_is_an_error_of_the_call(page: Page, server: ScriptedServer) -> None:
    """Status, words and request id of the error frame are the error's."""
    problem = {"status": 404, "message": "No such function", "request_id": "r1", "code": "no_such"}
    problem["details"] = {"name": "nothing"}
    server.scripts["nothing"] = lambda session: session.reply(funct="nothing", error=problem)
    failure = page.evaluate("failure(connection.call('nothing'))")
    assert failure == {
        "name": "CallError", "message": "No such function", "status": 404, "requestId": "r1",
        "code": "no_such", "details": {"name": "nothing"},
    }  # fmt: skip


@given(sizes=st.lists(st.integers(0, 5), max_size=12), resent=st.integers(0, 3))
@examples(0.2, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_stream_is_whole_however_it_was_framed(
    page: Page, server: ScriptedServer, sizes: list[int], resent: int
) -> None:
    """Any cutting into frames, with the last items of each sent twice, gives every item once and in order."""

    def stream(session: Session) -> None:
        seq = 0
        for size in sizes:
            begin = max(0, seq - resent)
            numbers = list(range(begin, seq + size))
            several = {"data": numbers[0]} if len(numbers) == 1 else {"items": numbers}
            session.reply(seq=begin, **several)
            seq += size
        session.reply(seq=seq, done=True)

    server.scripts["many"] = stream
    items = page.evaluate(f"async () => {{ {COLLECT} await collected; return items; }}")
    assert items == list(range(sum(sizes)))
    assert page.evaluate("connection.call('many')") == items


def test_an_item_is_there_before_the_next_one(page: Page, server: ScriptedServer) -> None:
    """The loop runs with an item while the function still works on the next."""

    def stream(session: Session) -> None:
        session.reply(seq=0, data="first")
        assert server.next_message()["funct"] == "many"
        server.received.put(server.next_message())  # sent by the page when it had the first item
        session.reply(seq=1, done=True)

    server.scripts["many"] = stream
    server.scripts["seen"] = lambda session: session.reply(funct="seen", data=None)
    page.evaluate("""async () => {
        const other = open_();
        await seen(other, "open");
        for await (const item of connection.stream("many")) await other.call("seen", {item});
    }""")
    assert server.next_message()["payload"] == {"item": "first"}


def test_an_answer_is_a_stream_of_one(page: Page, server: ScriptedServer) -> None:
    """A function that doesn't yield can be asked for as a stream."""
    server.scripts["many"] = lambda session: session.reply(funct="many", data={"a": 1})
    assert page.evaluate(f"async () => {{ {COLLECT} await collected; return items; }}") == [{"a": 1}]


def test_a_stream_that_fails_gives_its_items_first(page: Page, server: ScriptedServer) -> None:
    """The items before the failure come, then the loop throws what the function said."""

    def stream(session: Session) -> None:
        session.reply(seq=0, items=[1, 2])
        session.reply(seq=2, funct="many", error={"status": 500, "message": "Oh", "request_id": "r"})

    server.scripts["many"] = stream
    items, failure = page.evaluate(f"async () => {{ {COLLECT} return [await failure(collected), items]; }}")[
        ::-1
    ]
    assert (items, failure["name"], failure["status"]) == ([1, 2], "CallError", 500)


def test_a_hole_in_a_stream_is_thrown(page: Page, server: ScriptedServer) -> None:
    """After an item that isn't the next one the loop throws, and an event says which one is missing."""

    def stream(session: Session) -> None:
        session.reply(seq=0, data="a")
        session.reply(seq=2, data="c")

    server.scripts["many"] = stream
    items, failure = page.evaluate(f"async () => {{ {COLLECT} return [await failure(collected), items]; }}")[
        ::-1
    ]
    assert items == ["a"]
    assert (failure["name"], failure["funct"], failure["next"]) == ("GapError", "many", 1)
    assert page.evaluate("events.at(-1).name") == "gap"


def test_a_lost_socket_is_a_gap_and_another_one_opens(page: Page, server: ScriptedServer) -> None:
    """The stream's loop gives what came and throws a GapError; the next call is made over a new socket."""

    def stream(session: Session) -> None:
        session.reply(seq=0, items=[1, 2, 3])
        session.cut()

    server.scripts["many"] = stream
    server.scripts["hello"] = lambda session: session.reply(funct="hello", data="hi")
    items, failure = page.evaluate(f"async () => {{ {COLLECT} return [await failure(collected), items]; }}")[
        ::-1
    ]
    assert items == [1, 2, 3]
    assert (failure["name"], failure["next"]) == ("GapError", 3)
    assert page.evaluate("connection.call('hello')") == "hi"
    assert page.evaluate("events.map(({name}) => name)") == ["open", "gap", "close", "open"]


def test_a_call_that_was_lost_is_not_repeated(page: Page, server: ScriptedServer) -> None:
    """Nobody knows whether it ran, so it fails, and the next socket doesn't carry it."""
    server.scripts["pay"] = Session.cut
    server.scripts["hello"] = lambda session: session.reply(funct="hello", data="hi")
    assert page.evaluate("failure(connection.call('pay'))")["name"] == "LostError"
    assert page.evaluate("connection.call('hello')") == "hi"
    assert [server.next_message()["funct"] for _ in range(2)] == ["pay", "hello"]
    assert server.received.empty()


def test_a_call_with_once_is_sent_again_under_its_id(page: Page, server: ScriptedServer) -> None:
    """It survives the loss of the socket, and waits while its first sending is still under way."""
    conflict = {"status": 409, "message": "Under way", "request_id": "r"}
    scripts: list[Script] = [
        Session.cut,
        lambda session: session.reply(funct="pay", error=conflict),
        lambda session: session.reply(funct="pay", data="paid"),
    ]

    def take_turns(session: Session) -> None:
        scripts.pop(0)(session)

    server.scripts["pay"] = take_turns
    assert page.evaluate("connection.call('pay', {}, {once: true})") == "paid"
    first, *others = [server.next_message() for _ in range(3)]
    assert first["once"] is True
    assert others == [first, first]


def test_a_call_waits_for_a_socket(page: Page, server: ScriptedServer) -> None:
    """What is called between two sockets goes out with the next one that opens, however many are refused."""
    server.scripts["leave"] = Session.cut
    server.scripts["hello"] = lambda session: session.reply(funct="hello", data="hi")
    page.evaluate("() => { chance = 0.5; connection.call('leave').catch(() => {}); }")
    server.next_message()
    server.is_refusing = True
    turn_until(page, "events.length >= 2", seconds=10)
    page.evaluate("() => { window.late = connection.call('hello'); }")
    turn_until(page, "events.length >= 4", seconds=10)
    server.is_refusing = False
    turn_until(page, "connection.isOpen", seconds=20)
    assert page.evaluate("late") == "hi"
    assert page.evaluate("new Set(events.slice(1, -1).map(({name}) => name)).size") == 1


def test_pauses_grow_by_chance_up_to_a_bound(page: Page, server: ScriptedServer) -> None:
    """Each failure doubles the longest pause, up to half a minute, and chance picks a part of it."""
    server.is_refusing = True
    page.evaluate(
        "() => { chance = 0.5; window.pauses = []; const refused = open_();"
        "refused.addEventListener('close', ({detail}) => pauses.push(detail.retryIn)); }"
    )
    turn_until(page, "pauses.length >= 8", seconds=200)
    pauses = page.evaluate("pauses")[:8]
    assert pauses == [500, 1000, 2000, 4000, 8000, 15000, 15000, 15000]


def test_a_steady_socket_begins_the_pauses_anew(page: Page, server: ScriptedServer) -> None:
    """After ten seconds of an open socket, its loss is the first failure again; before, it is the next."""
    server.scripts["leave"] = Session.cut
    page.evaluate(
        "() => { chance = 0.1; window.leave = () => { connection.call('leave').catch(() => {});"
        "return seen(connection, 'close'); }; }"
    )
    pauses = []
    for open_seconds in (0, 0, 11):
        turn_until(page, "connection.isOpen", seconds=10)
        page.clock.run_for(open_seconds * 1000)
        pauses.append(page.evaluate("leave()")["retryIn"])
    assert pauses == [100, 200, 100]


def test_an_idle_socket_is_kept(page: Page, server: ScriptedServer) -> None:
    """Before API Gateway's ten idle minutes are over a ping goes out, and its pong keeps the socket."""
    for _ in range(2):
        page.clock.run_for(241_000)
        assert server.next_message() == "ping"
    assert page.evaluate("[connection.isOpen, events.length]") == [True, 1]


def test_a_dead_socket_is_replaced(page: Page, server: ScriptedServer) -> None:
    """A ping without its pong ends the socket, whatever the network says, and another one opens."""
    server.answers_pings = False
    page.clock.run_for(241_000)
    assert server.next_message() == "ping"
    turn_until(page, "events.length >= 3", seconds=20)
    assert page.evaluate("events.map(({name}) => name)") == ["open", "close", "open"]


def test_silence_ends_a_call(page: Page, server: ScriptedServer) -> None:
    """A call fails when nothing came for its timeout, and each item of a stream begins it anew."""
    server.scripts["many"] = lambda session: session.reply(seq=0, data=1)
    page.evaluate("() => { window.late = failure(connection.call('many', {}, {timeout: 5_000})); }")
    server.next_message()
    page.clock.run_for(6_000)
    assert page.evaluate("late")["name"] == "TimeoutError"


def test_pushes_are_events(page: Page, server: ScriptedServer) -> None:
    """What answers no call is a push, JSON or not, even when it has an id of somebody's own."""
    pushes: list[Any] = [{"said": "hi"}, [1], "just text", {"id": "order-7", "data": 1}, "null"]

    def push(session: Session) -> None:
        for each in pushes:
            session.send(each)
        session.reply(funct="push", data=None)

    server.scripts["push"] = push
    page.evaluate("connection.call('push')")
    got = page.evaluate("events.filter(({name}) => name === 'push').map(({detail}) => detail)")
    assert got == [*pushes[:-1], None]


def test_a_loop_that_was_left_gets_nothing_more(page: Page, server: ScriptedServer) -> None:
    """Items that come after the loop was left are dropped, not taken for pushes."""

    def stream(session: Session) -> None:
        for seq in range(50):
            session.reply(seq=seq, data=seq)
        session.reply(seq=50, done=True)

    server.scripts["many"] = stream
    server.scripts["hello"] = lambda session: session.reply(funct="hello", data="hi")
    page.evaluate("async () => { for await (const item of connection.stream('many')) break; }")
    assert page.evaluate("connection.call('hello')") == "hi"
    assert page.evaluate("events.map(({name}) => name)") == ["open"]


def test_a_message_that_is_too_large_is_not_sent(page: Page, server: ScriptedServer) -> None:
    """API Gateway would close the socket for a frame over 32 KB, so the call fails before, and says so."""
    server.scripts["hello"] = lambda session: session.reply(funct="hello", data="hi")
    longest = 32_768 - len('{"id":"","funct":"hello","payload":{"name":""}}')
    failure = page.evaluate("failure(connection.call('hello', {name: 'ü'.repeat(16_384)}))")
    assert failure["name"] == "RangeError"
    assert "32768" in failure["message"]
    assert server.received.empty()
    assert page.evaluate(f"connection.call('hello', {{name: 'x'.repeat({longest - 24})}})") == "hi"


def test_close_is_for_good(page: Page, server: ScriptedServer) -> None:
    """After it nothing is opened or sent, and what was under way is lost."""
    server.scripts["never"] = lambda session: None
    under_way, later = page.evaluate("""async () => {
        const under_way = failure(connection.call("never", {}, {once: true}));
        connection.close();
        return [await under_way, await failure(connection.call("never"))];
    }""")
    assert (under_way["name"], later["name"]) == ("LostError", "LostError")
    page.clock.run_for(120_000)
    assert page.evaluate("events.map(({name}) => name)") == ["open", "close"]
    assert len(server.handshakes) == 1
