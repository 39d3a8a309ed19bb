"""Running a call: find the function, fit the arguments, check out an object, run it, encode the result."""

import logging
from collections.abc import Callable, Mapping
from contextvars import copy_context
from decimal import localcontext
from functools import partial
from math import inf
from typing import Any

from silvaengine.context import ClientChannel, CurrentInvocation, FencingToken, bind
from silvaengine.protocol.messages import Invocation, WorkerCall
from silvaengine_worker.arguments import fit_arguments
from silvaengine_worker.deadline import complete, run_with_deadline
from silvaengine_worker.instances import Instances, construct, read_settings
from silvaengine_worker.loader import LoadedFunction, Loader
from silvaengine_worker.process_state import ProcessStateGuard

END_EARLY_SECONDS = 0.25
"""Seconds before the caller's deadline at which a function is ended, so that the response arrives in time."""


class Worker:
    """Runs functions of the allowed packages, one call at a time.

    Args:
        loader: finds the functions, within its allow-list.
        open_channel: returns a call's channel to connected clients; None where there is no WebSocket API.

    """

    def __init__(
        self, loader: Loader, open_channel: Callable[[WorkerCall], ClientChannel] | None = None
    ) -> None:
        self._loader = loader
        self._open_channel = open_channel
        self._instances = Instances()

    def run[T](
        self,
        call: WorkerCall,
        encode: Callable[[Any], T],
        *,
        end: float = inf,
        request_id: str = "",
        finish: Callable[[Any], object] = complete,
    ) -> T:
        """Run a call; ``encode`` gets the function's result while the call is still bound and timed.

        Args:
            call: the call.
            encode: returns the response; it may run the function's code too, such as a model's properties.
            end: epoch seconds by which the function must have ended; the call's own deadline may be earlier.
            request_id: for a call without an invocation.
            finish: turns the function's result into a value, while its object is still checked out.

        Raises:
            SilvaEngineError: the call can't be served, or not in time; ``FunctionError`` is the function's
            own. Exception: whatever else the function raised.

        """
        target = self._loader.load(*call.callee[:3])
        values = fit_arguments(call, target.parameters)
        channel = self._open_channel(call) if self._open_channel else None
        invocation = call.invocation or _default_invocation(call, request_id)
        current = _current_invocation(call, invocation, end, target.logger, channel)
        with bind(current), localcontext(), ProcessStateGuard() as process:
            return copy_context().run(
                run_with_deadline,
                current.remaining_seconds(),
                lambda: encode(self._call(target, call, values, process.is_environment_unchanged, finish)),
            )

    def _call(
        self,
        target: LoadedFunction,
        call: WorkerCall,
        values: Mapping[str, Any],
        may_keep: Callable[[], bool],
        finish: Callable[[Any], object],
    ) -> object:
        if target.constructor is None:
            return finish(target.parameters.call(target.function, values))
        key = (
            (target.constructor.cls, call.invocation.endpoint_id, call.callee.setting)
            if call.invocation
            else None
        )
        create = partial(construct, target.constructor, call.callee.setting, target.logger)
        with self._instances.checkout(key, create, may_keep) as instance:
            return finish(target.parameters.call(getattr(instance, call.callee.function), values))


def _current_invocation(
    call: WorkerCall,
    invocation: Invocation,
    end: float,
    logger: logging.Logger,
    channel: ClientChannel | None,
) -> CurrentInvocation:
    if invocation.deadline is not None:
        end = min(end, invocation.deadline)
    return CurrentInvocation(
        request_id=invocation.request_id,
        endpoint_id=invocation.endpoint_id,
        area=invocation.area,
        function=invocation.function,
        deadline=None if end == inf else end - END_EARLY_SECONDS,
        attempt=invocation.attempt,
        settings=read_settings(call.callee.setting),
        logger=logger,
        job_id=call.job.job_id if call.job else None,
        fencing_token=FencingToken(effect=call.job.effect, number=call.job.fence) if call.job else None,
        hops=invocation.hops,
        connection=channel,
    )


def _default_invocation(call: WorkerCall, request_id: str) -> Invocation:
    """Return an invocation for the predecessor's callers, who send none."""
    return Invocation(
        request_id=request_id,
        endpoint_id=str(call.params.get("endpoint_id", "")),
        area=str(call.params.get("area", "")),
        function=call.callee.function,
        deadline=None,
    )
