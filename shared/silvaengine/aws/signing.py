"""Signature Version 4, for POST requests without a query string.

docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html. Tests compare it with
botocore's signer.
"""

import hmac
from collections.abc import Callable, Mapping
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
    credentials: Callable[[], Credentials],
    region: str,
    service: str,
    path: str,
    headers: Mapping[str, str],
    body: bytes,
    now: float,
) -> str:
    """Return the headers of a signed request, each as ``name:value`` with a line end between them.

    Args:
        credentials: returns the caller's; asked at most once in half a minute for requests of the same head.
        region: an AWS region.
        service: its signing name, such as ``lambda``.
        path: as it is sent: unreserved characters, slashes and percent-escapes.
        headers: further headers, by lower-case name, ``host`` among them; no spaces around values.
        body: all of it.
        now: epoch seconds; the date is that of the last half minute.
    """
    date = int(now) // DATE_SECONDS * DATE_SECONDS
    head, *hashes = _sign_head(credentials, region, service, path, tuple(headers.items()), date)
    request, inner, outer = [each.copy() for each in hashes]
    request.update(sha256(body).hexdigest().encode())
    inner.update(request.hexdigest().encode())
    outer.update(inner.digest())
    return head + outer.hexdigest()


@lru_cache(SIGNED_HEADS)
def _sign_head(
    find_credentials: Callable[[], Credentials],
    region: str,
    service: str,
    path: str,
    headers: tuple[tuple[str, str], ...],
    date: int,
) -> "tuple[str, _Hash, _Hash, _Hash]":
    """Return the headers up to the signature, and hashes up to the body's own: of the request, of its HMAC.

    They are to be copied; an HMAC's are the inner and the outer one of RFC 2104, since Python's own object
    costs a third more. A session's token alone is as much to hash as a small body.
    """
    credentials = find_credentials()
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
    key = _signing_key(credentials.secret_key, day, region, service).ljust(sha256().block_size, b"\0")
    inner, outer = sha256(key.translate(hmac.trans_36)), sha256(key.translate(hmac.trans_5C))
    inner.update(f"{ALGORITHM}\n{moment}\n{scope}\n".encode())
    fields.append(
        f"authorization:{ALGORITHM} Credential={credentials.access_key}/{scope}, "
        f"SignedHeaders={signed_names}, Signature="
    )
    return "\r\n".join(fields), request, inner, outer


@lru_cache(SIGNING_KEYS)
def _signing_key(secret: str, day: str, region: str, service: str) -> bytes:
    """Return the day's signing key."""
    key = f"AWS4{secret}".encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def trace_id(environ: Mapping[str, str]) -> str:
    """Return the running trace's id, without which Lambda's loop detection is blind; empty for none."""
    trace = environ.get("_X_AMZN_TRACE_ID", "")
    return trace if is_field_value(trace) else ""
