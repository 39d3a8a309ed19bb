"""A conversation with a deployment over a WebSocket: lines become calls, frames are shown as they arrive.

docs/websocket.md describes the frames.
"""

import json
import re
import shlex
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from threading import Condition, Thread, main_thread
from typing import Any

from rich.text import Text
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection

from silvaengine.protocol.json_codec import Json
from silvaengine.websocket.frames import FRAGMENT_LIMIT, MESSAGE_LIMIT
from silvaengine_cli.client_options import parse_json_or_text, parse_parameters

IDLE_SECONDS = 240  # API Gateway closes a connection after 600 idle seconds
WAIT_SECONDS = 300  # the worker's own limit
FRAGMENT = FRAGMENT_LIMIT // 2  # bytes: whether API Gateway counts its head isn't documented
PING, PONG = "ping", "pong"

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

type Show = Callable[[Text], None]


def read_line(line: str, message_id: str) -> dict[str, Json]:
    """Return the message for a line: ``FUNCTION NAME=VALUE ...``, ``FUNCTION {...}`` or a whole message.

    Raises:
        ValueError: the line is none of these; the message says why.
    """
    if line.startswith("{"):
        return _object(line)
    function, _, rest = line.partition(" ")
    payload = _object(rest) if rest.lstrip().startswith("{") else parse_parameters(shlex.split(rest))
    return {"id": message_id, "funct": function, "payload": payload}


def _object(text: str) -> dict[str, Json]:
    value: dict[str, Json] = json.loads(text)
    return value


def _message(line: str, message_id: str) -> tuple[str, str]:
    """Return what to send for a line, and the id of the response to wait for, empty for none."""
    if line == PING:
        return PING, PONG
    message = read_line(line, message_id)
    response_id = message.get("id")
    return json.dumps(message), response_id if isinstance(response_id, str) else ""


def fragments(text: str) -> bytes | list[bytes]:
    """Return a message in the fragments in which API Gateway takes it: RFC 6455, section 5.4.

    Raises:
        ValueError: it takes none as large; the message says the size in bytes.
    """
    data = text.encode()
    if len(data) > MESSAGE_LIMIT:
        raise ValueError(f"the message has {len(data)} bytes; the limit is {MESSAGE_LIMIT}")
    if len(data) <= FRAGMENT:
        return data
    return [data[start : start + FRAGMENT] for start in range(0, len(data), FRAGMENT)]


def _finished_id(text: str) -> str:
    """Return the id of the call that a frame ends, empty for none."""
    frame: Any = parse_json_or_text(text)
    if frame == PONG:
        return PONG
    is_last = isinstance(frame, dict) and ("error" in frame or "done" in frame or "seq" not in frame)
    return str(frame.get("id", "")) if is_last else ""


def render(text: str) -> Text:
    """Return a frame for people: its call's id and its content, in the colour of its kind."""
    frame: Any = parse_json_or_text(_CONTROL.sub("\ufffd", text))
    match frame:
        case {"error": {"status": status, "message": message, **rest}}:
            content, style = _plain_text(f"{status} {message}  request {rest.get('request_id')}"), "red"
            if "details" in rest:
                content += f"\n{_plain_text(rest['details'])}"
        case {"id": _, "seq": seq, "done": True}:
            content, style = f"done, {seq} items", "dim"
        case {"id": _, "seq": seq, "items": list(items)}:
            content, style = "\n".join(_item(seq + at, item) for at, item in enumerate(items)), "cyan"
        case {"id": _, "seq": seq, "data": data}:
            content, style = _item(seq, data), "cyan"
        case {"id": _, "data": data}:
            content, style = _plain_text(data), "green"
        case _:
            return Text.assemble(("push ", "bold"), (_plain_text(frame), "magenta"))
    name = frame.get("id")
    return Text.assemble((_plain_text(f"{name} ") if name else "", "bold"), (content, style))


class Conversation:
    """Sends what is typed and shows what arrives, until the input or the connection ends.

    ``show`` prints a frame, in a thread of its own; with ``as_json`` it is unchanged, without colours.
    """

    def __init__(self, connection: ClientConnection, show: Show, *, as_json: bool = False) -> None:
        self._connection = connection
        self._show = show
        self._as_json = as_json
        self._changed = Condition()
        self._open_ids: set[str] = set()
        self._own_pings = 0
        self._is_typing = True
        self.is_lost = False

    def hold(self, lines: Iterable[str], *, interrupt: bool = False) -> None:
        """Send all lines, then wait for the responses to all calls.

        With ``interrupt`` the end of the connection raises KeyboardInterrupt in the main thread.
        """
        Thread(target=self._receive, args=(interrupt,), daemon=True).start()
        for number, line in enumerate(lines, 1):
            if line.strip() and not self._send(line.strip(), str(number)):
                self.is_lost = True
                return
        with self._changed:
            self._is_typing = False
            self._changed.wait_for(lambda: self.is_lost or not self._open_ids, WAIT_SECONDS)

    def _send(self, line: str, message_id: str) -> bool:
        """Send a line; return False if the connection has ended."""
        try:
            text, response_id = _message(line, message_id)
            message = fragments(text)
        except ValueError as error:
            self._show(Text(f"not sent: {error}", style="red"))
            return True
        with self._changed:
            self._open_ids |= {response_id} - {""}
        try:
            self._connection.send(message, text=True)
        except ConnectionClosed:
            return False
        return True

    def _receive(self, interrupt: bool) -> None:
        try:
            for text in self._texts():
                self._show(Text(text) if self._as_json else render(text))
                with self._changed:
                    self._open_ids.discard(_finished_id(text))
                    self._changed.notify_all()
        except ConnectionClosed:
            with self._changed:
                self.is_lost = True
                self._changed.notify_all()
                is_typing = self._is_typing
            if interrupt and is_typing:
                signal.pthread_kill(main_thread().ident or 0, signal.SIGINT)

    def _texts(self) -> Iterator[str]:
        """Return the frames but the pongs to this object's pings, which keep an idle connection open."""
        while True:
            try:
                text = str(self._connection.recv(IDLE_SECONDS))
            except TimeoutError:
                self._own_pings += 1
                self._connection.send(PING)
                continue
            if text == PONG and self._own_pings:
                self._own_pings -= 1
            else:
                yield text


def typed_lines(prompt: str) -> Iterator[str]:
    """Return the lines that are typed, with a history, until Ctrl-D."""
    import readline  # noqa: F401 - `input` uses it once it is imported

    while True:
        try:
            yield input(prompt)
        except EOFError:
            return


def above_prompt(prompt: str, show: Show) -> Show:
    """Return a function that shows a text above the line that is being typed."""
    import readline  # lazy: only a terminal needs it

    def show_above(text: Text) -> None:
        sys.stdout.write("\r\x1b[K")
        sys.stdout.flush()
        show(text)
        sys.stdout.write(prompt + readline.get_line_buffer())
        sys.stdout.flush()

    return show_above


def _item(seq: int, data: object) -> str:
    return f"#{seq} {_plain_text(data)}"


def _plain_text(value: object) -> str:
    """Return a value as text without control characters, which could move a terminal's cursor."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return _CONTROL.sub("\ufffd", text)
