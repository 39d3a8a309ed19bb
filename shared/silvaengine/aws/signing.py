"""Signature Version 4, for POST requests without a query string.

docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html. Tests compare it with
botocore's signer.
"""

import hmac
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from time import gmtime, strftime

from silvaengine.aws.credentials import Credentials
from silvaengine.aws.http import is_field_value

TRACE_HEADER = "x-amzn-trace-id"
ALGORITHM = "AWS4-HMAC-SHA256"
SIGNING_KEYS = 16  # services and regions of a process, twice at midnight


def sign_headers(
    credentials: Credentials,
    region: str,
    service: str,
    path: str,
    headers: Mapping[str, str],
    body: bytes,
    now: float,
) -> list[str]:
    """Return the headers of a signed request, each as ``name:value``.

    Args:
        credentials: the caller's.
        region: an AWS region.
        service: its signing name, such as ``lambda``.
        path: as it is sent: unreserved characters, slashes and percent-escapes.
        headers: further headers, by lower-case name, ``host`` among them; no spaces around values.
        body: all of it.
        now: epoch seconds; AWS accepts five minutes' difference.
    """
    moment = strftime("%Y%m%dT%H%M%SZ", gmtime(now))
    day = moment[:8]
    signed = {**headers, "x-amz-date": moment}
    if credentials.token:
        signed["x-amz-security-token"] = credentials.token
    names = sorted(signed)
    fields = [f"{name}:{signed[name]}" for name in names]
    signed_names = ";".join(names)
    encoded_path = path.replace("%", "%25")  # every service but S3 wants it percent-encoded twice
    lines = "\n".join(fields)
    request = f"POST\n{encoded_path}\n\n{lines}\n\n{signed_names}\n{sha256(body).hexdigest()}"
    scope = f"{day}/{region}/{service}/aws4_request"
    text = f"{ALGORITHM}\n{moment}\n{scope}\n{sha256(request.encode()).hexdigest()}"
    signature = _signing_hmac(credentials.secret_key, day, region, service).copy()
    signature.update(text.encode())
    fields.append(
        f"authorization:{ALGORITHM} Credential={credentials.access_key}/{scope}, "
        f"SignedHeaders={signed_names}, Signature={signature.hexdigest()}"
    )
    return fields


@lru_cache(SIGNING_KEYS)
def _signing_hmac(secret: str, day: str, region: str, service: str) -> hmac.HMAC:
    """Return an HMAC with the day's signing key, to be copied."""
    key = f"AWS4{secret}".encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return hmac.new(key, None, sha256)


def trace_id(environ: Mapping[str, str]) -> str:
    """Return the running trace's id, without which Lambda's loop detection is blind; empty for none."""
    trace = environ.get("_X_AMZN_TRACE_ID", "")
    return trace if is_field_value(trace) else ""
