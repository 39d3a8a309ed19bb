"""Which Lambda a registry row's ARN means, in a deployment that took over another's tables."""

from silvaengine.errors import InvocationError
from silvaengine.settings import Settings


def worker_for(arn: str, settings: Settings) -> str:
    """Give the ARN to invoke for a row's ARN.

    A former worker that ``WorkerArnMap`` names, by ARN or by name, means this stack's, which is invoked by
    ``WorkerAlias`` if there is one. Where the settings don't name this stack's worker, every ARN is taken as
    it is.

    Raises:
        InvocationError: 502, the ARN is neither mapped nor one of ``OtherWorkerArns``; ``detail`` names it.
    """
    own = settings.worker_arn
    if own is None:
        return arn
    name = arn.rpartition(":function:")[2]
    if arn == own or arn in settings.mapped_workers or name in settings.mapped_workers:
        return f"{own}:{settings.worker_alias}" if settings.worker_alias else own
    if _is_listed(arn, settings.other_workers):
        return arn
    words = f"{arn} is neither in WorkerArnMap nor in OtherWorkerArns"
    message = "The function can't be invoked"
    raise InvocationError(message, error_type="UnknownWorker", error_message=words, refused=True)


def _is_listed(arn: str, others: tuple[str, ...]) -> bool:
    from fnmatch import fnmatchcase  # noqa: PLC0415 - most deployments have one worker

    return any(fnmatchcase(arn, other) for other in others)
