"""A typed function's result, compared with what its signature says: in tests and in development."""

from collections.abc import Callable

from silvaengine_worker.results import ResultError, to_json_value
from silvaengine_worker.typed.faults import InvalidValueError
from silvaengine_worker.typed.signature import Signature

type Finish = Callable[[object], object]

_SHOWN = 3  # faults that the message names


def checked(finish: Finish, signature: Signature) -> Finish:
    """Return a ``finish`` that checks what it returns; a proxy response and a stream's end pass.

    Raises of its own:
        ResultError: the result isn't as the signature says; the message names the places.
    """

    def finish_and_check(result: object) -> object:
        value = finish(result)
        is_stream_end = value is None and signature.is_stream
        is_response = isinstance(value, dict) and "statusCode" in value
        if signature.result is None or is_stream_end or is_response:
            return value
        try:
            signature.result.check_result(value, to_json_value(value))
        except InvalidValueError as error:
            faults = [f"{fault.path or 'all of it'}: {fault.message}" for fault in error.faults[:_SHOWN]]
            raise ResultError(
                f"The function's result isn't as its signature says: {'; '.join(faults)}"
            ) from None
        return value

    return finish_and_check
