"""The way of a call: find the function, fit the arguments, lend an object, run it, encode the result."""

import logging
from collections.abc import Callable, Mapping
from contextvars import copy_context
from decimal import localcontext
from functools import partial
from math import inf
from typing import Any

from silvaengine.context import ClientChannel, CurrentInvocation, FencingToken, bind
from silvaengine.protocol.messages import Invocation, WorkerCall
from silvaengine_worker.arguments import arguments
from silvaengine_worker.deadline import complete, run_with_deadline
from silvaengine_worker.instances import Instances, construct, read_settings
from silvaengine_worker.loader import LoadedFunction, Loader
from silvaengine_worker.process_state import ProcessStateGuard

SPARE_SECONDS = 0.25
"""How long before the caller's deadline a function is ended, so that the answer still arrives in time."""


class Worker:
    """Runs functions of the allowed packages, one call at a time.

    Args:
        loader: finds the functions, within its allow-list.
        connect: returns a call's way to connected clients; None for none.

    """

    def __init__(self, loader: Loader, connect: Callable[[WorkerCall], ClientChannel] | None = None) -> None:
        self._loader = loader
        self._connect = connect
        self._instances = Instances()

    def run[T](
        self,
        call: WorkerCall,
        encode: Callable[[Any], T],
        *,
        limit: float = inf,
        request_id: str = "",
        finish: Callable[[Any], Any] = complete,
    ) -> T:
        """Run a call; ``encode`` gets the function's result while the call is still bound and timed.

        Args:
            call: what to run.
            encode: makes the answer; it may run the function's code too, such as a model's properties.
            limit: epoch seconds at which the process ends, whatever deadline the call has.
            request_id: for a call that brings no invocation of its own.
            finish: makes a value of what the function gave, while its object is still lent.

        Raises:
            SilvaEngineError: the call can't be served, or not in time; a ``FunctionError`` is the
            function's own. Exception: whatever else the function raised.

        """
        target = self._loader.load(*call.callee[:3])
        values = arguments(call, target.parameters)
        connection = self._connect(call) if self._connect else None
        invocation = call.invocation or _anonymous(call, request_id)
        current = _current(call, invocation, limit, target.logger, connection)
        with bind(current), localcontext(), ProcessStateGuard() as process:
            return copy_context().run(
                run_with_deadline,
                current.remaining_seconds(),
                lambda: encode(self._call(target, call, values, process.untouched, finish)),
            )

    def _call(
        self,
        target: LoadedFunction,
        call: WorkerCall,
        values: Mapping[str, Any],
        untouched: Callable[[], bool],
        finish: Callable[[Any], Any],
    ) -> Any:  # noqa: ANN401 - a function answers anything
        if target.constructor is None:
            return finish(target.parameters.call(target.function, values))
        key = (
            (target.constructor.owner, call.invocation.endpoint_id, call.callee.setting)
            if call.invocation
            else None
        )
        make = partial(construct, target.constructor, call.callee.setting, target.logger)
        with self._instances.checkout(key, make, untouched) as instance:
            return finish(target.parameters.call(getattr(instance, call.callee.function), values))


def _current(
    call: WorkerCall,
    invocation: Invocation,
    limit: float,
    logger: logging.Logger,
    connection: ClientChannel | None,
) -> CurrentInvocation:
    end = limit if invocation.deadline is None else min(limit, invocation.deadline)
    return CurrentInvocation(
        request_id=invocation.request_id,
        endpoint_id=invocation.endpoint_id,
        area=invocation.area,
        function=invocation.function,
        deadline=None if end == inf else end - SPARE_SECONDS,
        attempt=invocation.attempt,
        settings=read_settings(call.callee.setting),
        logger=logger,
        job_id=call.job.job_id if call.job else None,
        fencing_token=FencingToken(effect=call.job.effect, number=call.job.fence) if call.job else None,
        hops=invocation.hops,
        connection=connection,
    )


def _anonymous(call: WorkerCall, request_id: str) -> Invocation:
    """Stand in for the invocation that the predecessor's callers don't send."""
    return Invocation(
        request_id=request_id,
        endpoint_id=str(call.params.get("endpoint_id", "")),
        area=str(call.params.get("area", "")),
        function=call.callee.function,
        deadline=None,
    )
