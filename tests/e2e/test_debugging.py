"""`breakpoint()` in a function: a debugger attaches to it under --debug, elsewhere it fails at once."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

from silvaengine_cli.deploy import zip_files
from silvaengine_cli.engine import LocalEngine, free_port, local_engine

from .dev_process import eventually

FUNCTION = """
def handler(event, context):
    seen = event["name"]
    breakpoint()
    return [seen, context.get_remaining_time_in_millis()]
"""


class Debugger:
    """What an editor does to attach: microsoft.github.io/debug-adapter-protocol/specification."""

    def __init__(self, port: int) -> None:
        self._stream = socket.create_connection(("127.0.0.1", port), timeout=60).makefile("rwb")
        self._sent = 0

    def send(self, command: str, **arguments: Any) -> None:
        """Send a request."""
        self._sent += 1
        request = {"type": "request", "seq": self._sent, "command": command, "arguments": arguments}
        body = json.dumps(request).encode()
        self._stream.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        self._stream.flush()

    def wait_for(self, kind: str, name: str) -> Any:
        """Return the body of the next event, or of the next response to a command."""
        for message in self._messages():
            if message["type"] == kind and message.get("event", message.get("command")) == name:
                return message.get("body")
        raise EOFError(name)

    def _messages(self) -> Iterator[Any]:
        while header := self._stream.readline():
            self._stream.readline()
            yield json.loads(self._stream.read(int(header.partition(b":")[2])))


def invoke(engine: LocalEngine) -> Any:
    """Make a function and call it."""
    role = engine.client("iam").create_role(RoleName="r", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    functions = engine.client("lambda")
    code = {"ZipFile": zip_files({"index.py": FUNCTION.encode()})}
    functions.create_function(
        FunctionName="f", Runtime="python3.13", Handler="index.handler", Role=role, Code=code, Timeout=5
    )
    return json.loads(functions.invoke(FunctionName="f", Payload=b'{"name": "Ada"}')["Payload"].read())


def test_debugger_attaches_at_a_breakpoint(engine_program: Path, tmp_path: Path) -> None:
    """A call waits for a debugger, stops in the function, shows its variables and goes on, without haste."""
    port = free_port()
    results: list[Any] = []
    sources = tmp_path / "services/worker/functions"
    sources.mkdir(parents=True)
    (sources / "index.py").write_text(FUNCTION)
    with local_engine(engine_program, tmp_path / ".silvaengine/state", debug_port=port) as engine:
        call = Thread(target=lambda: results.append(invoke(engine)))
        call.start()
        eventually(lambda: engine.has_waiting_call, engine.log.read_text)
        debugger = Debugger(port)
        debugger.send("initialize", adapterID="test", pathFormat="path")
        debugger.wait_for("response", "initialize")
        debugger.send("attach", justMyCode=False)
        debugger.wait_for("event", "initialized")
        debugger.send("configurationDone")
        thread = debugger.wait_for("event", "stopped")["threadId"]
        debugger.send("stackTrace", threadId=thread)
        frame = debugger.wait_for("response", "stackTrace")["stackFrames"][0]
        debugger.send("evaluate", expression="seen", frameId=frame["id"])
        assert (frame["name"], debugger.wait_for("response", "evaluate")["result"]) == ("handler", "'Ada'")
        assert frame["source"]["path"] == str(sources / "index.py")
        debugger.send("continue", threadId=thread)
        call.join(60)
    ((name, milliseconds),) = results
    assert name == "Ada"
    assert milliseconds > 600_000
