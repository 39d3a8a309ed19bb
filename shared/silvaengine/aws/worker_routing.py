"""Routing of calls: the Lambda to invoke for a registry row's ARN, and the tenant's environment of it."""

import json
import re
from hashlib import sha256

from silvaengine.errors import NotStartedError
from silvaengine.settings import Settings


def worker_for(arn: str, settings: Settings) -> str:
    """Return the ARN to invoke for a row's ARN.

    A former worker that ``WorkerArnMap`` lists, by ARN or by name, is replaced by this stack's, which is
    invoked by ``WorkerAlias`` if there is one. If the settings don't name this stack's worker, every ARN
    stays as it is. So does that of a published package's version; a package without one has no release.

    Raises:
        NotStartedError: 502, the ARN is neither mapped nor one of ``OtherWorkerArns``, or a package's without
            a version; ``detail`` names it.
    """
    own = settings.worker_arn
    if own is None or arn == settings.isolated_worker_arn:
        return arn
    name = arn.rpartition(":function:")[2]
    if arn == own or arn in settings.mapped_workers or name in settings.mapped_workers:
        return f"{own}:{settings.worker_alias}" if settings.worker_alias else own
    if settings.package_prefix and arn.startswith(settings.package_prefix):
        if name.rpartition(":")[2].isdecimal():
            return arn
        raise NotStartedError(
            "The function can't be invoked", error_type="NoRelease", detail=f"{arn} names no release"
        )
    from fnmatch import fnmatchcase  # lazy: only a deployment with other workers needs it

    if any(fnmatchcase(arn, other) for other in settings.other_workers):
        return arn
    detail = f"{arn} is neither in WorkerArnMap nor in OtherWorkerArns"
    raise NotStartedError("The function can't be invoked", error_type="UnknownWorker", detail=detail)


def tenant_id(payload: str) -> str:
    """Return the id for Lambda's tenant isolation: the payload's tenant, or its digest.

    Lambda accepts up to 256 of ``a-z A-Z 0-9 . _ : / = + - @`` and space:
    docs.aws.amazon.com/lambda/latest/dg/tenant-isolation.html.
    """
    endpoint_id: str = json.loads(payload)["invocation"]["endpoint_id"]
    if re.fullmatch(r"[a-zA-Z0-9._:/=+\-@ ]{1,256}", endpoint_id):
        return endpoint_id
    return f"sha256:{sha256(endpoint_id.encode()).hexdigest()}"
