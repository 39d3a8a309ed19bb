"""The states of a Lambda and of its updates."""

from itertools import count
from typing import override

from silvaengine_cli.strict.calls import LATEST, Call
from silvaengine_cli.strict.engine import Engine
from silvaengine_cli.strict.http import Response
from silvaengine_cli.strict.refusals import refuse, throttled
from silvaengine_cli.strict.rule import Next, Rule
from silvaengine_cli.strict.script import Passing, Script

READS = ("Lambda.GetFunction", "Lambda.GetFunctionConfiguration")
UPDATES = ("Lambda.UpdateFunctionCode", "Lambda.UpdateFunctionConfiguration", "Lambda.PublishVersion")
PUBLISHING = ("Lambda.CreateFunction", "Lambda.UpdateFunctionCode")  # where they are asked to
# What a version is: its code, and these of its configuration.
PUBLISHED = ("CodeSha256", "MemorySize", "Timeout", "Environment", "EphemeralStorage", "Layers", "Handler")
STATES = "lambda/latest/dg/functions-states.html"
NOT_NOW = "The operation cannot be performed at this time."


class PendingFunctions(Rule):
    """A function or version that is new is Pending: Invoke, updates and PublishVersion are a 409."""

    source = STATES
    calls = ("Lambda.CreateFunction", "Lambda.Invoke", *READS, *UPDATES)

    def __init__(self, engine: Engine, script: Script) -> None:
        super().__init__(engine, script)
        self._pending = Passing[bool](script.calls, script.seconds, script.clock)

    def begin(self, function: str, version: str = LATEST) -> None:
        """Let a function or a version be Pending from now on."""
        self._pending.begin((function, version), fact=True)

    @override
    def answer(self, call: Call, proceed: Next) -> Response:
        is_read, is_new = call.name in READS, call.name == "Lambda.CreateFunction"
        is_pending = not is_new and self._is_pending(call)
        if is_pending and not is_read:
            return _conflict(call, "The function is currently in the following state: Pending")
        response = proceed(call)
        if not response.is_success:
            return response
        if is_new:
            self.begin(call.function)
        if call.name == "Lambda.PublishVersion" or (call.name in PUBLISHING and call.json.get("Publish")):
            self.begin(call.function, response.json()["Version"])
        return _in_configuration(response, State="Pending") if is_new or is_pending else response

    def _is_pending(self, call: Call) -> bool:
        if not self._pending:
            return False
        version = call.qualifier
        if version != LATEST and not version.isdigit():
            version = self.engine.version(call.function, version)
        return self._pending.look((call.function, version)) is not None


class InactiveFunctions(Rule):
    """A function or version that has rested for weeks is Inactive: an Invoke is a 502, then it is Pending."""

    source = STATES
    calls = ("Lambda.Invoke", *READS)

    def __init__(self, engine: Engine, script: Script, pending: PendingFunctions) -> None:
        super().__init__(engine, script)
        self._pending = pending
        self._inactive: set[tuple[str, str]] = set()

    def begin(self, function: str, version: str) -> None:
        """Let a function or a version be Inactive from now on."""
        self._inactive.add((function, version))

    @override
    def answer(self, call: Call, proceed: Next) -> Response:
        resting = call.function, call.qualifier
        if resting not in self._inactive:
            return proceed(call)
        if call.name in READS:
            return _in_configuration(proceed(call), State="Inactive")
        self._inactive.discard(resting)
        self._pending.begin(*resting)
        message = "The function is inactive and its VPC connection is no longer available"
        return refuse(call, 502, "ResourceNotReadyException", message)


class UpdatesInProgress(Rule):
    """While a function's LastUpdateStatus is InProgress, a further update and PublishVersion are a 409."""

    source = STATES
    calls = (*READS, *UPDATES)

    def __init__(self, engine: Engine, script: Script) -> None:
        super().__init__(engine, script)
        self._updating = Passing[bool](script.calls, script.seconds, script.clock)

    @override
    def answer(self, call: Call, proceed: Next) -> Response:
        if call.qualifier != LATEST:
            return proceed(call)
        is_updating, is_read = self._updating.look(call.function) is not None, call.name in READS
        if is_updating and not is_read:
            return _conflict(call, f"An update is in progress for resource: {call.function}")
        response = proceed(call)
        begins = response.is_success and not is_read and call.name != "Lambda.PublishVersion"
        if begins:
            self._updating.begin(call.function, fact=True)
        if begins or is_updating:
            return _in_configuration(response, LastUpdateStatus="InProgress")
        return response


class UnchangedVersions(Rule):
    """What hasn't changed since its last version isn't published again: UpdateFunctionCode returns that."""

    source = "lambda/latest/dg/configuration-versions.html"
    calls = ("Lambda.UpdateFunctionCode",)

    @override
    def answer(self, call: Call, proceed: Next) -> Response:
        response = proceed(call)
        if not (response.is_success and call.json.get("Publish")):
            return response
        new = response.json()
        *_, last, _ = [{}, *self.engine.versions(call.function)]
        if any(new.get(name) != last.get(name) for name in PUBLISHED):
            return response
        self.engine.delete_version(call.function, new["Version"])
        return response.with_json({**new, "Version": last["Version"]})


class ControlPlaneThrottles(Rule):
    """Lambda's control plane takes 15 requests a second in all, without GetFunction; more are a 429."""

    source = "lambda/latest/dg/gettingstarted-limits.html#api-requests"
    calls = ("Lambda.*",)

    def __init__(self, engine: Engine, script: Script) -> None:
        super().__init__(engine, script)
        self._calls = count(1)

    @override
    def answer(self, call: Call, proceed: Next) -> Response:
        if call.name in ("Lambda.Invoke", "Lambda.GetFunction") or not self.script.throttle_every:
            return proceed(call)
        is_one_too_many = next(self._calls) % self.script.throttle_every == 0
        return throttled(call) if is_one_too_many else proceed(call)


def _conflict(call: Call, reason: str) -> Response:
    return refuse(call, 409, "ResourceConflictException", f"{NOT_NOW} {reason}")


def _in_configuration(response: Response, **members: str) -> Response:
    """Return a response whose configuration of a function has these members."""
    if not response.is_success:
        return response
    value = response.json()
    if "Configuration" in value:
        return response.with_json({**value, "Configuration": {**value["Configuration"], **members}})
    return response.with_json({**value, **members})
