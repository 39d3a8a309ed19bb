"""Which Lambda a registry row's ARN means, in a deployment that took over another's tables."""

from silvaengine.errors import InvocationError
from silvaengine.settings import Settings


def worker_for(arn: str, settings: Settings) -> str:
    """Give the ARN to invoke for a row's ARN.

    A former worker that ``WorkerArnMap`` names, by ARN or by name, means this stack's. Where the settings
    don't name this stack's worker, every ARN is taken as it is.

    Raises:
        InvocationError: 502, the ARN is neither mapped nor one of ``OtherWorkerArns``; ``detail`` names it.
    """
    own = settings.worker_arn
    if own is None or arn == own:
        return arn
    if arn in settings.mapped_workers or arn.rpartition(":function:")[2] in settings.mapped_workers:
        return own
    if _is_listed(arn, settings.other_workers):
        return arn
    words = f"{arn} is neither in WorkerArnMap nor in OtherWorkerArns"
    message = "The function can't be invoked"
    raise InvocationError(message, error_type="UnknownWorker", error_message=words, refused=True)


def _is_listed(arn: str, others: tuple[str, ...]) -> bool:
    from fnmatch import fnmatchcase  # noqa: PLC0415 - most deployments have one worker

    return any(fnmatchcase(arn, other) for other in others)
