from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials
from hypothesis import given
from hypothesis import strategies as st

from silvaengine.aws.credentials import Credentials
from silvaengine.aws.signing import DATE_SECONDS, sign_headers

KEYS = st.text("ABCDEFGHIJ0123456789", min_size=16, max_size=20)
SECRETS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=40)
VALUES = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=60)
SEGMENTS = st.lists(st.text(min_size=1, max_size=20).filter(lambda text: text.strip(".")), max_size=4)
MOMENTS = st.integers(946_684_800, 4_102_444_800)


@given(
    key=KEYS,
    secret=SECRETS,
    token=st.none() | VALUES,
    segments=SEGMENTS,
    target=st.none() | VALUES,
    body=st.binary(max_size=200),
    now=MOMENTS,
)
def test_a_request_is_signed_as_botocore_signs_it(
    key: str, secret: str, token: str | None, segments: list[str], target: str | None, body: bytes, now: int
) -> None:
    """Whatever the path, headers, body, credentials and moment are; the date is that of a half minute."""
    path = "/" + "/".join(quote(segment, safe="") for segment in segments)
    headers = {"host": "example.com", **({"x-amz-target": target} if target else {})}
    signed = sign_headers(
        lambda: Credentials(key, secret, token), "eu-central-1", "lambda", path, headers, body, float(now)
    )
    ours = dict(field.split(":", 1) for field in signed.split("\r\n"))

    with pytest.MonkeyPatch.context() as patch:
        moment = datetime.fromtimestamp(now // DATE_SECONDS * DATE_SECONDS, UTC)
        patch.setattr("botocore.auth.get_current_datetime", lambda *_, **__: moment)
        request: Any = AWSRequest("POST", f"https://example.com{path}", data=body, headers=headers)
        SigV4Auth(BotocoreCredentials(key, secret, token), "lambda", "eu-central-1").add_auth(request)
    assert ours["authorization"] == request.headers["Authorization"]
    assert ours["x-amz-date"] == request.headers["X-Amz-Date"]
    assert ours.get("x-amz-security-token") == request.headers.get("X-Amz-Security-Token")
