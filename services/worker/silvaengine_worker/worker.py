"""Running a call: find the function, fit the arguments, check out an object, run it, encode the result."""

import logging
from collections.abc import Callable
from contextvars import ContextVar, copy_context
from decimal import Context, getcontext, setcontext
from functools import lru_cache
from math import inf
from typing import TYPE_CHECKING, Any

from silvaengine.context import ClientChannel, CurrentInvocation, FencingToken, begin_call, end_call
from silvaengine.errors import ConfigurationError, ContextNeededError, FunctionError
from silvaengine.protocol.json_codec import standard_decoder
from silvaengine.protocol.messages import Invocation, WorkerCall, WorkerResponse, make
from silvaengine.settings import KEPT_BYTES
from silvaengine_worker.arguments import Arguments, fit_arguments, public_name
from silvaengine_worker.instances import Instances, construct
from silvaengine_worker.loader import LoadedFunction, Loader, NoFunctionError
from silvaengine_worker.process_state import live_environment, restore_process, run_with_deadline
from silvaengine_worker.results import complete, to_response

if TYPE_CHECKING:
    from silvaengine_worker.typed.signature import Signature

END_EARLY_SECONDS = 0.25
"""Seconds before the caller's deadline at which a function is ended, so that the response arrives in time."""

_NEEDED = "The function takes the request's context"
_SHORT = 4096  # characters of settings that are kept
_decode = standard_decoder()


def _decimal_context() -> ContextVar[Context]:
    """Return decimal's variable, which its module keeps to itself."""
    getcontext()
    return next(variable for variable in copy_context() if variable.name == "decimal_context")


_decimals = copy_context().run(_decimal_context)


class Worker:
    """Runs functions of the allowed packages, one call at a time.

    ``open_channel`` returns the channel to connected clients of a call and its ``traceparent``; None where
    there is no WebSocket API.
    ``instances`` are the kept objects of classes.
    ``checks_results`` is whether the results of typed functions are compared with their signatures,
    ``kept_bytes`` how much memory the kept objects of classes may take.
    """

    def __init__(
        self,
        loader: Loader,
        open_channel: Callable[[WorkerCall, str | None], ClientChannel] | None = None,
        *,
        checks_results: bool = False,
        kept_bytes: int = KEPT_BYTES,
    ) -> None:
        self._loader = loader
        self._open_channel = open_channel
        self._checks_results = checks_results
        self._signatures: dict[Callable[..., Any], Signature] = {}
        self.instances = Instances(kept_bytes=kept_bytes)

    def run(
        self,
        call: WorkerCall,
        *,
        end: float = inf,
        request_id: str = "",
        traceparent: str | None = None,
        finish: Callable[[Any], object] = complete,
        meters: dict[str, float] | None = None,
        look_for_end: Callable[[], bool] | None = None,
    ) -> WorkerResponse:
        """Run a call, and make its response while it is bound and timed: a model's properties are code, too.

        Args:
            call: the call.
            end: epoch seconds by which the function must have ended; the call's own deadline may be earlier.
            request_id: for a call without an invocation.
            traceparent: of the span that the call is.
            finish: turns the function's result into a value, while nobody else has its object.
            meters: gets what the function counts by ``meter``.
            look_for_end: says whether the outcome will be discarded.

        Raises:
            SilvaEngineError: the call can't be served, or not in time; ``FunctionError`` is the function's
                own. Exception: whatever else the function raised.
        """
        try:
            target = self._loader.load(*call.callee[:3])
        except NoFunctionError as error:
            message = f"Function {public_name(call)!r} isn't available"
            raise ConfigurationError(message, detail=error.detail) from error.__cause__
        if call.is_brief and target.parameters.takes_context:
            raise ContextNeededError(_NEEDED)
        # a typed function's are made by its package's code, too: bound and timed
        arguments = None if call.callee.typed else fit_arguments(call, target.parameters)
        channel = self._open_channel(call, traceparent) if self._open_channel else None
        current = _current_invocation(call, end, request_id, target.logger, channel, traceparent)
        if look_for_end is not None:
            current = current._replace(look_for_end=look_for_end)
        meters = {} if meters is None else meters
        return copy_context().run(_run_alone, current, meters, self._call, target, call, arguments, finish)

    def _call(
        self,
        environment: dict[bytes, bytes],
        target: LoadedFunction,
        call: WorkerCall,
        arguments: Arguments | None,
        finish: Callable[[Any], object],
    ) -> WorkerResponse:
        parameters, constructor, setting = target.parameters, target.constructor, call.callee.setting
        takes_context = (
            parameters.takes_context or call.context is None or call.is_brief or call.job is not None
        )
        if arguments is None:
            signature = self._signatures.get(target.function) or self._read_signature(target)
            if signature.headers:
                if call.is_brief:
                    raise ContextNeededError(_NEEDED)
                takes_context = True
            if self._checks_results:
                from silvaengine_worker.typed.results import checked  # lazy: tests and development need it

                finish = checked(finish, signature)
            arguments = self._fit_typed(call, signature)
        by_position, by_name = arguments
        if constructor is None:
            return to_response(finish(target.function(*by_position, **by_name)), takes_context=takes_context)
        key = (constructor.cls, call.invocation.endpoint_id, setting) if call.invocation else None
        kept = self.instances.take(key)
        instance, size = kept or (construct(constructor, read_settings(setting), target.logger), 0)
        is_meant = False
        try:
            result = finish(getattr(instance, call.callee.function)(*by_position, **by_name))
            is_meant = True
        except FunctionError:
            is_meant = True
            raise
        finally:
            if is_meant and key is not None and live_environment == environment:
                self.instances.keep(key, instance, size)
        return to_response(result, takes_context=takes_context)

    def _read_signature(self, target: LoadedFunction) -> "Signature":
        # lazy: only a typed function needs them
        from silvaengine_worker.typed.arguments import fit_typed_arguments
        from silvaengine_worker.typed.signature import Signature

        self._fit_typed = fit_typed_arguments
        signature = self._signatures[target.function] = Signature(target.function, target.parameters)
        return signature


def _run_alone[*Args](
    current: CurrentInvocation,
    meters: dict[str, float],
    run: Callable[[dict[bytes, bytes], *Args], WorkerResponse],
    *args: *Args,
) -> WorkerResponse:
    """Run a call in a context that nobody else has, with the environment that it is given."""
    if (decimals := _decimals.get(None)) is not None:  # else the call's first one is its own
        setcontext(decimals.copy())
    before = live_environment.copy()
    begin_call(current, meters)
    try:
        return restore_process(before, run_with_deadline, current.remaining_seconds(), run, before, *args)
    finally:
        end_call()


def read_settings(text: str) -> dict[str, Any]:
    """Return the settings of a setting text, a new dict each time: a function may change its own.

    Raises:
        ConfigurationError: the text isn't a JSON object.
    """
    flat = _flat_settings(text) if len(text) < _SHORT else None
    return _parse_settings(text) if flat is None else flat.copy()


@lru_cache(128)
def _flat_settings(text: str) -> dict[str, Any] | None:
    """Return settings of which a copy is as good as another parsing, None for those that have containers."""
    settings = _parse_settings(text)
    return None if any(isinstance(value, dict | list) for value in settings.values()) else settings


def _parse_settings(text: str) -> dict[str, Any]:
    try:
        settings = _decode(text)
    except ValueError:
        settings = None
    if not isinstance(settings, dict):
        raise ConfigurationError("The function is misconfigured", detail="its setting isn't a JSON object")
    return settings


def _current_invocation(
    call: WorkerCall,
    end: float,
    request_id: str,
    logger: logging.Logger,
    channel: ClientChannel | None,
    traceparent: str | None,
) -> CurrentInvocation:
    invocation, job = call.invocation or _default_invocation(call, request_id), call.job
    if invocation.deadline is not None:
        end = min(end, invocation.deadline)
    members = (
        invocation.request_id,
        invocation.endpoint_id,
        invocation.area,
        invocation.function,
        None if end == inf else end - END_EARLY_SECONDS,
        invocation.attempt,
        read_settings(call.callee.setting),
        logger,
        job.job_id if job else None,
        FencingToken(effect=job.effect, number=job.fence) if job else None,
        invocation.hops,
        channel,
        traceparent,
        None,
    )
    return make(CurrentInvocation, members)


def _default_invocation(call: WorkerCall, request_id: str) -> Invocation:
    """Return an invocation for the predecessor's callers, who send none."""
    endpoint_id, area = (str(call.params.get(name, "")) for name in ("endpoint_id", "area"))
    return Invocation(request_id, endpoint_id, area, public_name(call), deadline=None)
