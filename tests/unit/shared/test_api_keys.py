"""Where the pepper of hashed keys comes from, and what happens if a use can't be recorded."""

import pytest

from silvaengine.access.api_keys import KeyHash, KeyUsage, key_digest, open_api_key_verifier
from silvaengine.errors import UnavailableError


@pytest.mark.parametrize(
    ("named", "pepper"),
    [
        ("stack-key-pepper", "secret of stack-key-pepper"),
        (
            "arn:aws:secretsmanager:us-east-1:1:secret:x",
            "secret of arn:aws:secretsmanager:us-east-1:1:secret:x",
        ),
        ("secretsmanager:x", "secret of x"),
        ("ssm:/silvaengine/beta/pepper", "parameter /silvaengine/beta/pepper"),
    ],
)
def test_the_pepper_is_read_once_from_where_it_is_named(named: str, pepper: str) -> None:
    """A name or ARN in Secrets Manager, or a reference to either store."""
    read: list[str] = []

    def parameter(name: str) -> str:
        read.append(name)
        return f"parameter {name}"

    def secret(name: str) -> str:
        read.append(name)
        return f"secret of {name}"

    lookups = {"ssm": parameter, "secretsmanager": secret}
    keys = open_api_key_verifier(named, lookups)
    assert keys
    for _ in range(2):
        assert keys.verify([KeyHash(key_digest(pepper.encode(), "sek_1", "s"))], "sek_1", "s")
    assert len(read) == 1


def test_without_a_pepper_there_are_no_hashed_keys() -> None:
    """A deployment that has only raw keys needs none."""
    assert open_api_key_verifier(None, {}) is None


def test_a_use_that_cant_be_recorded_fails_no_request() -> None:
    """A note that fails changes no response, and isn't tried again at once."""
    tried = []

    def write(owner: str, key_id: str) -> None:
        tried.append(key_id)
        raise UnavailableError("away")

    uses = KeyUsage(write, 1_000, lambda: 0.0)
    uses.record("acme", "sek_1")
    uses.record("acme", "sek_1")
    assert tried == ["sek_1"]
