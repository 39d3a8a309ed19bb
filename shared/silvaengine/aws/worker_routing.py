"""Which Lambda a registry row's ARN means, and whose environment of it a call is for."""

import json
import re
from hashlib import sha256

from silvaengine.errors import InvocationError
from silvaengine.settings import Settings


def worker_for(arn: str, settings: Settings) -> str:
    """Return the ARN to invoke for a row's ARN.

    A former worker that ``WorkerArnMap`` names, by ARN or by name, means this stack's, which is invoked by
    ``WorkerAlias`` if there is one. Where the settings don't name this stack's worker, every ARN is taken as
    it is.

    Raises:
        InvocationError: 502, the ARN is neither mapped nor one of ``OtherWorkerArns``; ``detail`` names it.
    """
    own = settings.worker_arn
    if own is None or arn == settings.isolated_worker_arn:
        return arn
    name = arn.rpartition(":function:")[2]
    if arn == own or arn in settings.mapped_workers or name in settings.mapped_workers:
        return f"{own}:{settings.worker_alias}" if settings.worker_alias else own
    if _is_listed(arn, settings.other_workers):
        return arn
    words = f"{arn} is neither in WorkerArnMap nor in OtherWorkerArns"
    message = "The function can't be invoked"
    raise InvocationError(message, error_type="UnknownWorker", error_message=words, refused=True)


def tenant_id(payload: str) -> str:
    """Return the id under which Lambda keeps the environments of a payload's tenant apart.

    It takes 256 of ``a-z A-Z 0-9 . _ : / = + - @`` and space; another tenant's name goes by its digest:
    docs.aws.amazon.com/lambda/latest/dg/tenant-isolation.html.
    """
    endpoint_id: str = json.loads(payload)["invocation"]["endpoint_id"]
    if re.fullmatch(r"[a-zA-Z0-9._:/=+\-@ ]{1,256}", endpoint_id):
        return endpoint_id
    return f"sha256:{sha256(endpoint_id.encode()).hexdigest()}"


def _is_listed(arn: str, others: tuple[str, ...]) -> bool:
    from fnmatch import fnmatchcase  # most deployments have one worker

    return any(fnmatchcase(arn, other) for other in others)
