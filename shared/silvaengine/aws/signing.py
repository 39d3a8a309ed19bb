"""Signature Version 4, for POST requests without a query string.

docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html. Tests compare it with
botocore's signer.
"""

import hmac
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from time import gmtime, strftime
from typing import TYPE_CHECKING

from silvaengine.aws.credentials import Credentials
from silvaengine.aws.http import is_field_value

if TYPE_CHECKING:
    from hashlib import _Hash

TRACE_HEADER = "x-amzn-trace-id"
ALGORITHM = "AWS4-HMAC-SHA256"
SIGNING_KEYS = 16  # services and regions of a process, twice at midnight
SIGNED_HEADS = 64  # paths and headers of a process
DATE_SECONDS = 30  # for which requests have the same date; AWS accepts five minutes' difference


def sign_headers(
    credentials: Credentials,
    region: str,
    service: str,
    path: str,
    headers: Mapping[str, str],
    body: bytes,
    now: float,
) -> str:
    """Return the headers of a signed request, each as ``name:value`` with a line end between them.

    Args:
        credentials: the caller's.
        region: an AWS region.
        service: its signing name, such as ``lambda``.
        path: as it is sent: unreserved characters, slashes and percent-escapes.
        headers: further headers, by lower-case name, ``host`` among them; no spaces around values.
        body: all of it.
        now: epoch seconds; the date is that of the last half minute.
    """
    date = int(now) // DATE_SECONDS * DATE_SECONDS
    head, request, signature = _sign_head(credentials, region, service, path, tuple(headers.items()), date)
    request, signature = request.copy(), signature.copy()
    request.update(sha256(body).hexdigest().encode())
    signature.update(request.hexdigest().encode())
    return head + signature.hexdigest()


@lru_cache(SIGNED_HEADS)
def _sign_head(
    credentials: Credentials,
    region: str,
    service: str,
    path: str,
    headers: tuple[tuple[str, str], ...],
    date: int,
) -> "tuple[str, _Hash, hmac.HMAC]":
    """Return the headers up to the signature, and what is hashed and signed, up to the body's own digest.

    Both are to be copied. A session's token alone is as much to hash as a small body.
    """
    moment = strftime("%Y%m%dT%H%M%SZ", gmtime(date))
    day = moment[:8]
    signed = {**dict(headers), "x-amz-date": moment}
    if credentials.token:
        signed["x-amz-security-token"] = credentials.token
    names = sorted(signed)
    fields = [f"{name}:{signed[name]}" for name in names]
    signed_names = ";".join(names)
    encoded_path = path.replace("%", "%25")  # every service but S3 wants it percent-encoded twice
    request = sha256(f"POST\n{encoded_path}\n\n{'\n'.join(fields)}\n\n{signed_names}\n".encode())
    scope = f"{day}/{region}/{service}/aws4_request"
    signature = _signing_hmac(credentials.secret_key, day, region, service).copy()
    signature.update(f"{ALGORITHM}\n{moment}\n{scope}\n".encode())
    fields.append(
        f"authorization:{ALGORITHM} Credential={credentials.access_key}/{scope}, "
        f"SignedHeaders={signed_names}, Signature="
    )
    return "\r\n".join(fields), request, signature


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
