"""Twenty secrets that the suites plant in what they send; none may come out where operators or clients read.

Each is a kind of its own: by the field's name, by its shape, or known as a setting.
"""

from collections.abc import Mapping

_MARK = "canary7f3b"

# The text that holds it, and what of it must not come out.
_TEXTS: Mapping[str, tuple[str, str]] = {
    "keyword": (f"password='{_MARK}-keyword'", f"{_MARK}-keyword"),
    "plain": ("password=hunter2", "hunter2"),
    "JSON": (f'{{"client_secret": "{_MARK} with \\"quotes\\" in it"}}', f"{_MARK} with"),
    "JSON in JSON": (f'"{{\\"refresh_token\\": \\"{_MARK}-nested\\"}}"', f"{_MARK}-nested"),
    "Python's dict": (f"{{'aws_secret_access_key': '{_MARK}/repr+='}}", f"{_MARK}/repr"),
    "query": (f"GET /core/acme/x?x-api-key={_MARK}-query&page=1", f"{_MARK}-query"),
    "API key": (f"sek_3f2a9c01.{_MARK}-secret", f"{_MARK}-secret"),
    "Authorization": (f"Authorization: Digest {_MARK}-digest", f"{_MARK}-digest"),
    "bearer": (f"Bearer {_MARK}.bearer", f"{_MARK}.bearer"),
    "basic": ("Basic Y2FuYXJ5OmNhbmFyeQ==", "Y2FuYXJ5OmNhbmFyeQ=="),
    "cookies": (f"Cookie: theme=dark; sid={_MARK}-sid", f"{_MARK}-sid"),
    "access key": ("AKIACANARY7F3BXXXXXX", "AKIACANARY7F3BXXXXXX"),
    "session token": (f"x-amz-security-token={_MARK}-session", f"{_MARK}-session"),
    "JWT": ("eyJhbGciOiJub25lIn0.eyJzdWIiOiJjYW5hcnkifQ.c2ln", "eyJzdWIiOiJjYW5hcnkifQ"),
    "private key": (
        f"-----BEGIN RSA PRIVATE KEY-----\n{_MARK}PEM\n-----END RSA PRIVATE KEY-----",
        f"{_MARK}PEM",
    ),
    "database URL": (f"postgres://app:{_MARK}-url@db.internal/app", f"{_MARK}-url"),
    "GitHub": (f"ghp_{_MARK}0123456789", f"ghp_{_MARK}"),
    "Stripe": (f"sk_live_{_MARK}0123456789", f"sk_live_{_MARK}"),
    "Slack": (f"xoxb-{_MARK}-0123456789", f"xoxb-{_MARK}"),
}

SETTING = f"{_MARK} a setting"
SETTINGS = {"database": {"password": SETTING}}
TEXTS: Mapping[str, str] = {kind: text for kind, (text, _) in _TEXTS.items()} | {"setting": SETTING}
CANARIES: Mapping[str, str] = {kind: secret for kind, (_, secret) in _TEXTS.items()} | {"setting": SETTING}


def found_in(text: str) -> list[str]:
    """Name the canaries that a text holds."""
    return [kind for kind, canary in CANARIES.items() if canary in text]
