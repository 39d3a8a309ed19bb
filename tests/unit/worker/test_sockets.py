"""What a worker pushes for calls that came by a WebSocket."""

import json
import threading
import time
from collections.abc import Callable
from typing import Any, override

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.fakes.lambdas import as_result

from silvaengine.aws.backoff import Backoff
from silvaengine.aws.errors import BusyError
from silvaengine.aws.lambda_invoker import Invoker
from silvaengine.aws.table_client import Key, Row, TableWriter
from silvaengine.errors import NotFoundError, SilvaEngineError, UnavailableError
from silvaengine.ledger.store import Ledger
from silvaengine.observability.alerts import AlertPublisher
from silvaengine.protocol.messages import (
    Callee,
    ExecutionRef,
    Invocation,
    ReplyTo,
    WorkerCall,
    WorkerResponse,
)
from silvaengine.settings import Settings
from silvaengine.tables import Table
from silvaengine.websocket.pushing import ATTEMPTS, Poster, Pusher
from silvaengine_worker.client_channel import CallChannel, open_channels
from silvaengine_worker.event import WorkerEvent
from silvaengine_worker.executions import ExecutionRunner
from silvaengine_worker.loader import Loader
from silvaengine_worker.replies import CallReplies
from silvaengine_worker.serving import CallServer, create_handler
from silvaengine_worker.stream import WAITING_LIMIT, ItemStream
from silvaengine_worker.worker import Worker

from ...examples import examples
from ...fakes.dynamodb import MemoryDynamoDB
from ...fakes.executions import accepted_execution
from .conftest import REQUEST_ID, LambdaContext
from .documented import each_form


class Client(Poster):
    """Takes posts, each after a pause, and is gone after some."""

    def __init__(self) -> None:
        self.posts: list[str] = []
        self.leaves_after = 10**9
        self.seconds = 0.0
        self.failures: list[Exception] = []
        self.arrived = threading.Event()

    @override
    def post(self, connection_id: str, data: bytes) -> None:
        assert connection_id == "c1"
        time.sleep(self.seconds)
        if self.failures:
            raise self.failures.pop(0)
        if len(self.posts) >= self.leaves_after:
            raise NotFoundError("The client has disconnected", status=410)
        self.posts.append(data.decode())
        self.arrived.set()

    @property
    def frames(self) -> list[Any]:
        """What came, as JSON."""
        return [json.loads(post) for post in self.posts]

    def items(self) -> list[Any]:
        """The items of a stream, whose numbers have no gap."""
        items: list[Any] = []
        for frame in self.frames:
            assert frame["seq"] == len(items)
            items += frame.get("items", [frame["data"]] if "data" in frame else [])
        return items


@pytest.fixture
def client() -> Client:
    """Return a client that takes everything."""
    return Client()


@pytest.fixture
def gone() -> list[str]:
    """Hold the connections of clients that are gone."""
    return []


class Connections(TableWriter):
    """Notes whose row is deleted."""

    def __init__(self, deleted: list[str]) -> None:
        super().__init__(MemoryDynamoDB, "se-")
        self._deleted = deleted

    @override
    def delete(self, table: Table, key: Key, *, condition: str = "", values: Row | None = None) -> None:
        self._deleted.append(str(key["connection_id"]))


@pytest.fixture
def say(
    client: Client, gone: list[str], jobs: ExecutionRunner, notices: list[Any], payload: Callable[..., Any]
) -> Callable[..., Any]:
    """Call a sample function as the gateway does for a message."""
    pusher = Pusher(lambda: client, Backoff(0, ATTEMPTS))

    def replies(call: WorkerCall, socket: ReplyTo, event: WorkerEvent) -> CallReplies:
        return CallReplies(call, socket, event, pusher, Connections(gone))

    def connect(call: WorkerCall, traceparent: str | None) -> CallChannel:
        return CallChannel(call, traceparent, lambda: pusher, broadcaster)

    alerts = AlertPublisher(lambda subject, text: notices.append((subject, json.loads(text))))
    worker = Worker(Loader(["sample_functions"]), connect)
    handler = create_handler(CallServer(worker, lambda: jobs, lambda: replies), alerts)

    def call(
        function: str,
        *,
        message_id: str | None = "1",
        wants_result: bool = True,
        context: Any = None,
        grant: str | None = None,
        **members: Any,
    ) -> Any:
        socket = {"connection_id": "c1", "message_id": message_id, "wants_result": wants_result}
        event = payload(f"{function}", deadline=None, socket=socket, **members)
        event["invocation"]["grant"] = grant
        return handler(event, context or LambdaContext())

    return call


class Broadcaster(Invoker):
    """Stands in for the broadcaster."""

    @override
    def invoke(
        self, arn: str, payload: str, *, event: bool = False, deadline: float | None = None, **_: object
    ) -> bytes:
        asked = json.loads(payload)
        if asked["grant"] != "granted":
            return as_result(WorkerResponse("error", "No", 403))
        if asked.get("connection_id") == "foreign":
            return as_result(WorkerResponse("error", "Connection not found", 404))
        if asked.get("connection_id") == "slow":
            return as_result(WorkerResponse("json", {"sent": 0, "gone": 0, "failed": 1}))
        return as_result(WorkerResponse("json", {"sent": 2, "gone": 0, "failed": 0}))


def broadcaster() -> tuple[Invoker, str]:
    """Return the invoker and the name of the broadcaster."""
    return Broadcaster(), "broadcaster"


@pytest.mark.parametrize(
    ("response", "framed", "bare"),
    [
        ({"a": 1}, {"a": 1}, ['{"a":1}']),
        ('{"a":  1}', {"a": 1}, ['{"a":  1}']),
        ("plain", "plain", ["plain"]),
        ("NaN", "NaN", ["NaN"]),
        ("5", 5, ["5"]),
        (0, 0, ["0"]),
        (None, None, []),
    ],
)
def test_an_answer_is_framed_or_bare(
    say: Any, client: Client, response: Any, framed: Any, bare: list[str]
) -> None:
    """With an id the frame names call and function; without one the result stands alone."""
    params = {"value": response}
    assert say("plain:anything", params=params) is None
    assert client.frames == [{"id": "1", "funct": "anything", "data": framed}]
    say("plain:anything", params=params, message_id=None)
    assert client.posts[1:] == bare


def test_json_text_goes_out_character_for_character(say: Any, client: Client) -> None:
    """A function's JSON text isn't encoded again."""
    say("plain:anything", params={"value": '{"a":  1.50}'})
    assert client.posts == ['{"id":"1","funct":"anything","data":{"a":  1.50}}']


def test_bytes_go_out_as_base64_text(say: Any, client: Client) -> None:
    """Frames are text."""
    say("plain:blob")
    assert isinstance(client.frames[0]["data"], str)


def test_a_result_that_the_sender_does_not_want_is_not_pushed(say: Any, client: Client) -> None:
    """A function of type Event pushes for itself."""
    say("plain:anything", params={"value": 1}, message_id=None, wants_result=False)
    assert client.posts == []


@pytest.mark.parametrize(
    ("function", "members", "status", "message"),
    [
        ("plain:refuse", {}, 418, "a teapot"),
        ("plain:crash", {}, 500, "Function 'crash' failed"),
        ("plain:leave", {}, 500, "Function 'leave' failed"),
        ("plain:strict", {}, 400, "Function 'strict' requires the parameter 'a'"),
        ("plain:anything", {"params": {"value": "x" * 131_073}}, 413, "the limit is 131072"),
        ("sockets:takes_a", {"body": '{"b": 1}'}, 400, "has no parameter 'b'"),
        ("plain:anything", {"content_url": "http://"}, 503, "content can't be read"),
    ],
)
@pytest.mark.parametrize("message_id", ["1", None])
def test_a_failure_is_always_pushed(
    say: Any,
    client: Client,
    function: str,
    members: dict[str, Any],
    status: int,
    message: str,
    message_id: str | None,
) -> None:
    """With the request id, whether the sender sent an id or not."""
    assert say(function, message_id=message_id, **members) is None
    (frame,) = client.frames
    problem = frame.pop("error")
    assert frame == {"funct": function.rpartition(":")[2]} | ({"id": "1"} if message_id else {})
    assert (problem["status"], problem["request_id"]) == (status, REQUEST_ID)
    assert message in problem["message"]


def test_refused_parameters_are_pushed_with_their_details(say: Any, client: Client) -> None:
    """What a typed function can't take, of the message's payload."""
    say("typed:totals", typed=True, body='{"a": "x", "b": 1.5}')
    (frame,) = client.frames
    assert frame["error"]["status"] == 422
    assert [(each["in"], each["path"]) for each in frame["error"]["details"]] == [
        ("body", "/a"),
        ("body", "/b"),
    ]


def test_a_typed_function_gets_a_messages_payload(say: Any, client: Client) -> None:
    """As JSON: strict, its members the parameters."""
    say(
        "typed:totals", typed=True, body='{"a": 1, "b": 2.0}', params={"funct": "totals", "payload": {"a": 1}}
    )
    assert client.frames[0]["data"] == 3


def test_an_event_functions_failure_is_pushed(say: Any, client: Client) -> None:
    """Also to a sender that wants no result."""
    say("plain:refuse", message_id=None, wants_result=False)
    assert client.frames[0]["error"]["status"] == 418


def test_only_failures_from_500_on_are_alerts(say: Any, notices: list[Any]) -> None:
    """An error that the function chose, such as 418, is none."""
    say("plain:refuse")
    assert notices == []
    say("plain:crash")
    assert len(notices) == 1


def test_a_messages_own_members_are_offered(say: Any, client: Client) -> None:
    """`funct`, `payload` and `connection_id` reach a function that takes them; another one runs without."""
    params = {"funct": "message", "payload": '{"a": 1}', "connection_id": "c1", "endpoint_id": "demo"}
    say("sockets:message", params=params, body='{"a": 1}')
    say("sockets:takes_a", params=params, body='{"a": 1}')
    first, second = client.frames
    assert first["data"] == ["message", '{"a": 1}', "c1", ["a", "endpoint_id"]]
    assert second["data"] == 1


def test_over_http_these_names_are_parameters_like_others(handle: Any) -> None:
    """A function that doesn't take `payload` still refuses it."""
    response = handle("sockets:takes_a", params={"a": 1, "payload": "x"})
    assert response["status"] == 400


@pytest.mark.parametrize("function", ["numbers", "later"])
def test_a_stream_is_its_items_in_order(say: Any, client: Client, function: str) -> None:
    """Every item goes out under its number, and then the end."""
    say(f"sockets:{function}", params={"to": 200})
    assert client.items() == list(range(200))
    assert client.frames[-1] == {"id": "1", "seq": 200, "done": True}


def test_a_stream_of_a_coroutine_knows_its_call(say: Any, client: Client) -> None:
    """An async generator runs in the call's own context."""
    say("sockets:numbers_async", params={"to": 3}, endpoint_id="acme")
    assert client.items() == ["acme"] * 3


def test_an_empty_stream_has_an_end(say: Any, client: Client) -> None:
    """A stream without an item is done all the same."""
    say("sockets:numbers", params={"to": 0})
    assert client.frames == [{"id": "1", "seq": 0, "done": True}]


def test_a_stream_without_an_id_is_a_list(say: Any, client: Client) -> None:
    """Whoever takes bare results gets one."""
    say("sockets:numbers", params={"to": 3}, message_id=None)
    assert client.frames == [[0, 1, 2]]


def test_an_item_goes_out_while_the_function_goes_on(say: Any, client: Client) -> None:
    """The first one arrives before the last one is made."""
    done = threading.Thread(target=lambda: say("sockets:numbers", params={"to": 2, "seconds": 1}))
    done.start()
    assert client.arrived.wait(5)
    assert done.is_alive()
    done.join()
    assert client.items() == [0, 1]


def test_a_slow_client_gets_items_together(say: Any, client: Client) -> None:
    """Items yielded during a post go out in the next one: fewer posts, the same items."""
    client.seconds = 0.02
    say("sockets:numbers", params={"to": 500})
    assert client.items() == list(range(500))
    assert len(client.posts) < 50


def test_a_stream_that_fails_says_how_far_it_came(say: Any, client: Client) -> None:
    """What was yielded before goes out first."""
    client.seconds = 0.01
    say("sockets:numbers", params={"to": 9, "fail_at": 5})
    assert client.items() == [0, 1, 2, 3, 4]
    last = client.frames[-1]
    assert (last["seq"], last["error"]["message"]) == (5, "far enough")


def test_an_item_that_is_too_large_ends_the_stream(say: Any, client: Client) -> None:
    """The function is ended, and the error has the limit."""
    say("sockets:numbers", params={"to": 3, "size": 32_767})
    (frame,) = client.frames
    assert (frame["seq"], frame["error"]["status"]) == (0, 413)
    assert "32768" in frame["error"]["message"]


@pytest.mark.parametrize("message_id", ["1", None])
def test_half_a_surrogate_pair_is_escaped(say: Any, client: Client, message_id: str | None) -> None:
    """A function may have it from a client, and yield it: it is no failure."""
    sent = ["\ud800", {"\udfff": "é😀\ud83d"}]
    say("sockets:echo_all", params={"items": sent}, message_id=message_id)
    assert (client.items() if message_id else client.frames[0]) == sent


def test_no_frame_of_a_stream_is_larger_than_a_socket_s(say: Any, client: Client) -> None:
    """Items are put together up to 32 KB, and a little for the frame around them."""
    client.seconds = 0.005
    say("sockets:numbers", params={"to": 300, "size": 1000})
    assert len(client.items()) == 300
    assert max(len(post) for post in client.posts) < 32_768 + 200


@pytest.mark.parametrize("function", ["numbers", "numbers_async"])
def test_a_stream_ends_when_its_client_is_gone(
    say: Any, client: Client, gone: list[str], function: str, notices: list[Any]
) -> None:
    """The function is closed at its next item, its own cleanup runs, and the row is deleted."""
    from sample_functions import sockets  # type: ignore[import-not-found]  # noqa: PLC0415 - on the path now

    client.leaves_after = 2
    say(f"sockets:{function}", params={"to": 10_000, "seconds": 0.002})
    assert [function] == sockets.ENDED
    assert len(client.posts) == 2
    assert gone
    assert notices == []


def test_a_client_that_is_gone_at_the_end_is_no_failure(
    say: Any, client: Client, gone: list[str], notices: list[Any]
) -> None:
    """Its row is deleted."""
    client.leaves_after = 0
    assert say("plain:whoami") is None
    assert (gone, notices) == (["c1"], [])


def test_a_push_that_fails_is_a_failure_of_the_invocation(say: Any, client: Client) -> None:
    """Whether the client has it is unknown: Lambda's metrics show the failure."""
    client.failures = [UnavailableError("no response")]
    with pytest.raises(UnavailableError):
        say("plain:whoami")


def test_an_answer_to_a_busy_client_is_sent_again(say: Any, client: Client) -> None:
    """The frame goes out once it can."""
    client.failures = [BusyError("slow")] * 3
    say("plain:anything", params={"value": 1})
    assert len(client.posts) == 1


def test_a_stream_s_push_that_fails_ends_the_stream(say: Any, client: Client) -> None:
    """Nothing is sent after a gap."""
    client.failures = [UnavailableError("no response")]
    say("sockets:numbers", params={"to": 5})
    (frame,) = client.frames
    assert (frame["seq"], frame["error"]["status"]) == (0, 503)


def test_a_stream_ends_before_the_deadline(say: Any, client: Client) -> None:
    """Before Lambda ends the process, the client gets an error with the number of items."""
    say("sockets:numbers", params={"to": 1000, "seconds": 0.05}, context=LambdaContext(1500))
    last = client.frames[-1]
    assert last["error"]["status"] == 504
    assert client.items() == list(range(last["seq"]))
    assert last["seq"] > 0


def accepted(ledger: Ledger) -> ExecutionRef:
    """Write a call into the ledger as the gateway does, and return the payload's member for it."""
    execution = accepted_execution(
        ledger.now(), job_id="j" * 32, owner="o", effect="e", on_lost="fail", max_attempts=1, due_shard=None
    )
    assert ledger.accept(execution) is None
    return ExecutionRef("j" * 32, "o", "e", 1, 1, 1, "fail", 60, 1)


def test_a_call_of_the_ledger_runs_once(say: Any, client: Client, ledger: Ledger) -> None:
    """The second delivery of the same call pushes nothing; the first one's response is kept."""
    job = accepted(ledger)._asdict()
    say("plain:anything", params={"value": 7}, job=job)
    say("plain:anything", params={"value": 8}, job=job)
    assert client.frames == [{"id": "1", "funct": "anything", "data": 7}]
    kept = ledger.get("j" * 32)
    assert kept is not None
    assert (kept.state, json.loads(kept.result or "")["value"]) == ("succeeded", 7)


def test_a_stream_of_the_ledger_is_one_answer(say: Any, client: Client, ledger: Ledger) -> None:
    """A response that can be repeated is a list."""
    say("sockets:numbers", params={"to": 3}, job=accepted(ledger)._asdict())
    assert client.frames == [{"id": "1", "funct": "numbers", "data": [0, 1, 2]}]


def test_a_function_sends_to_its_caller(say: Any, client: Client) -> None:
    """A value as JSON, before its own response."""
    say("sockets:tell", params={"data": {"a": 1}})
    assert client.frames == [{"a": 1}, {"id": "1", "funct": "tell", "data": "c1"}]


def test_half_a_surrogate_pair_in_a_push_is_escaped(say: Any, client: Client) -> None:
    """As it is in a result."""
    say("sockets:tell", params={"data": {"n": "\ud800é"}}, message_id=None, wants_result=False)
    assert client.frames == [{"n": "\ud800é"}]


def test_a_function_reaches_others_through_the_broadcaster(say: Any, client: Client) -> None:
    """It sends its call's grant, and returns what the broadcaster answered."""
    say("sockets:tell", params={"data": "x", "where": {"user": "ada"}}, grant="granted")
    assert client.frames[-1]["data"] == {"sent": 2, "gone": 0, "failed": 0}
    for to, status in (("c2", 200), ("foreign", 404), ("slow", 503)):
        say("sockets:tell", params={"data": "x", "to": to}, grant="granted")
        assert client.frames[-1].get("error", {}).get("status", 200) == status
    for grant in ("forged", None):
        say("sockets:tell", params={"data": "x", "to": "c2"}, grant=grant)
        assert client.frames[-1]["error"]["status"] == 403


def test_a_call_without_a_socket_has_no_client_to_send_to() -> None:
    """Sending to the caller needs one."""
    invocation = Invocation("r", "demo", "core", "f", None, grant="granted")
    call = WorkerCall(Callee("m", "", "f", "{}"), {}, invocation=invocation)
    connection = CallChannel(call, None, lambda: Pusher(Client), broadcaster)
    assert connection.id is None
    with pytest.raises(SilvaEngineError, match="not made over a WebSocket"):
        connection.send("x")


def test_a_deployment_without_sockets_has_no_connections() -> None:
    """Nothing is opened that isn't there."""
    assert open_channels(Settings()) is None


@examples(0.2)
@given(st.lists(st.text(max_size=2000), max_size=60), st.booleans())
def test_a_stream_loses_and_doubles_nothing(texts: list[str], is_slow: bool) -> None:
    """Whatever the items and however slow the client, the frames hold each once, in order."""
    client = Client()
    client.seconds = 0.001 if is_slow else 0.0
    stream = ItemStream("1", lambda frame: client.post("c1", frame.encode()))
    with stream:
        for text in texts:
            stream.write(json.dumps(text))
    assert stream.wait() == len(texts)
    assert client.items() == texts


def test_a_function_waits_for_a_client_that_is_much_slower() -> None:
    """The queue is bounded, however much a function yields."""
    client, waiting = Client(), []
    client.seconds = 0.01

    def push(frame: str) -> None:
        client.post("c1", frame.encode())

    stream = ItemStream("1", push)
    with stream:
        for _ in range(100):
            stream.write(json.dumps("x" * 10_000))
            waiting.append(stream.waiting_bytes)
    assert max(waiting) <= WAITING_LIMIT + 10_002
    assert len(client.items()) == 100


def test_a_functions_error_says_its_code_and_details(say: Any, client: Client) -> None:
    """With and without an id, as over HTTP."""
    for message_id in ("1", None):
        say("plain:explain", message_id=message_id)
        problem = client.frames[-1]["error"]
        assert (problem["status"], problem["code"], problem["details"]) == (
            409,
            "out_of_stock",
            {"left": 1.5},
        )


@each_form
def test_each_documented_value_is_a_part_of_a_stream(
    say: Any, client: Client, expression: str, form: Any
) -> None:
    """In the form that the documentation's table says, as is a result and a push."""
    say("forms:stream", params={"expression": expression})
    assert client.items() == [form]
    say("forms:make", params={"expression": expression})
    assert client.frames[-1]["data"] == form


@pytest.mark.parametrize(
    ("response", "frame"),
    [
        ({"statusCode": 201, "body": '{"a":  1}', "headers": {"x": "y"}}, {"data": {"a": 1}}),
        ('{"statusCode": 200, "body": "plain"}', {"data": "plain"}),
        ({"statusCode": "204"}, {"data": None}),
        ({"statusCode": 200, "body": "AP8=", "isBase64Encoded": True}, {"data": "AP8="}),
        ({"statusCode": 302, "x": 1}, {"data": {"statusCode": 302, "x": 1}}),
        ({"statusCode": 200, "total": 1}, {"data": {"statusCode": 200, "total": 1}}),
        ('{"statusCode": 200', {"data": '{"statusCode": 200'}),
        ([{"statusCode": 404}], {"data": [{"statusCode": 404}]}),
        (
            {"statusCode": 404, "body": '{"error": "no such order", "order": 7}'},
            {"error": {"status": 404, "message": "no such order",
                       "details": {"error": "no such order", "order": 7}}},
        ),
        ({"statusCode": 403, "body": "not yours"}, {"error": {"status": 403, "message": "not yours"}}),
        (
            {"statusCode": 500, "body": '{"message": {"a": 1}}'},
            {"error": {"status": 500, "message": "The function responded with status 500",
                       "details": {"message": {"a": 1}}}},
        ),
        (
            {"statusCode": 500, "body": "AP8=", "isBase64Encoded": True},
            {"error": {"status": 500, "message": "The function responded with status 500"}},
        ),
        (
            {"statusCode": 20},
            {"error": {"status": 502, "message": "The function's response is malformed: "
                       "statusCode is not a whole number from 100 to 599"}},
        ),
    ],
)  # fmt: skip
def test_a_proxy_response_is_unpacked(say: Any, client: Client, response: Any, frame: Any) -> None:
    """Its body is the result, from status 400 on an error, as over HTTP; bare results stay as they were."""
    params = {"value": response}
    say("plain:anything", params=params)
    (sent,) = client.frames
    sent.get("error", {}).pop("request_id", None)
    assert sent == {"id": "1", "funct": "anything", **frame}
    say("plain:anything", params=params, message_id=None)
    assert client.posts[1] == (
        response if isinstance(response, str) else json.dumps(response, separators=(",", ":"))
    )


@pytest.mark.parametrize(
    ("response", "posts"),
    [
        ({"statusCode": 201, "body": '{"a":  1}', "headers": {"x": "y"}}, ['{"a":  1}']),
        ({"statusCode": "204"}, []),
        ({"statusCode": 302, "x": 1}, ['{"statusCode":302,"x":1}']),
    ],
)
def test_a_typed_functions_proxy_response_is_unpacked_without_an_id(
    say: Any, client: Client, response: Any, posts: list[str]
) -> None:
    """A function that is new says the same to each client; a response without a body says nothing."""
    say("plain:anything", params={"value": response}, message_id=None, typed=True)
    assert client.posts == posts


def test_a_typed_functions_refusal_is_an_error_without_an_id(say: Any, client: Client) -> None:
    """From status 400 on, whether or not its result is pushed."""
    refused = {"statusCode": 404, "body": '{"error": "no such order"}'}
    for wants_result in (True, False):
        say(
            "plain:anything",
            params={"value": refused},
            message_id=None,
            wants_result=wants_result,
            typed=True,
        )
        problem = client.frames[-1]["error"]
        assert (problem["status"], problem["message"]) == (404, "no such order")
    assert len(client.posts) == 2
