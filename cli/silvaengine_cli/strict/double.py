"""The double: it stands before the engine and answers as AWS documents where the engine doesn't."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from secrets import token_hex
from threading import Lock
from typing import TYPE_CHECKING

from silvaengine_cli.engine import free_port
from silvaengine_cli.strict import apigateway_rules, lambda_limits, lambda_states
from silvaengine_cli.strict.calls import LATEST, Call
from silvaengine_cli.strict.dynamodb_reads import EventualReads
from silvaengine_cli.strict.engine import Engine
from silvaengine_cli.strict.iam_rules import NewPolicies, NewRoles
from silvaengine_cli.strict.lambda_events import QualifiedEvents
from silvaengine_cli.strict.proxy import Proxy
from silvaengine_cli.strict.script import Fault, Script

if TYPE_CHECKING:
    from silvaengine_cli.engine import LocalEngine
    from silvaengine_cli.strict.http import Request, Response
    from silvaengine_cli.strict.rule import Next, Rule


class Double:
    """Stands before an engine: ``rules`` are in the order in which a call meets them.

    Args:
        script: how long states last, and how often the control plane refuses.
        port: where it listens, 0 for the one beside the engine's if that is free, else for any.
    """

    def __init__(self, script: Script | None = None, port: int = 0) -> None:
        self._port = port
        self.mark = token_hex()  # of the double's own calls: the engine asks for no signature of theirs
        self._engine = Engine(self.mark)
        self._faults: list[Fault] = []
        self._lock = Lock()
        given = self._engine, script or Script()
        pending = lambda_states.PendingFunctions(*given)
        self._inactive = lambda_states.InactiveFunctions(*given, pending)
        self.rules: tuple[Rule, ...] = (
            lambda_states.ControlPlaneThrottles(*given),
            NewPolicies(*given),
            NewRoles(*given),
            lambda_limits.Payloads(*given),
            lambda_limits.Contents(*given),
            lambda_limits.Environments(*given),
            lambda_limits.TenantIds(*given),
            self._inactive,
            pending,
            lambda_states.UpdatesInProgress(*given),
            lambda_states.UnchangedVersions(*given),
            QualifiedEvents(*given),
            EventualReads(*given),
            apigateway_rules.ConnectionMessages(*given),
            apigateway_rules.Handshakes(*given),
            apigateway_rules.Frames(*given),
            apigateway_rules.ApiHeaders(*given),
            apigateway_rules.ApiRequests(*given),
            apigateway_rules.ApiFailures(*given),
            apigateway_rules.ApiTimeouts(*given),
        )
        self._answer: Next = self._engine.send
        for rule in reversed(self.rules):
            self._answer = rule.before(self._answer)

    def strike(self, *faults: Fault) -> None:
        """Let calls fail, before any rule is asked; the first fault that strikes a call counts."""
        self._faults.extend(faults)

    def make_inactive(self, function: str, version: str = LATEST) -> None:
        """Let the Lambda of this name, or its version, be as one that has rested for weeks."""
        self._inactive.begin(function, version)

    @contextmanager
    def before(self, engine: "LocalEngine") -> Iterator["LocalEngine"]:
        """Stand before an engine until the block ends; yield it as clients are to see it."""
        self._engine.port = engine.port
        port = self._port or free_port(engine.port ^ 1)  # the engine's stays the same, so this one does
        with Proxy(self._serve, port) as proxy:
            yield replace(engine, port=proxy.port)

    def _serve(self, request: "Request") -> "Response":
        call = Call(request)
        with self._lock:
            fault = next((fault for fault in self._faults if fault.strikes(call)), None)
        if fault is None:
            return self._answer(call)
        if fault.after:
            self._answer(call).body  # noqa: B018 - all of it: the engine has done what was asked
        return fault.refusal(call)
