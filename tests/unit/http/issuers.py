"""An issuer of tokens in memory, with keys of every type."""

import json
from collections.abc import Mapping
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

NAME = "https://login.example.com/"
DISCOVERY = f"{NAME}.well-known/openid-configuration"
JWKS = f"{NAME}keys"

KEYS: Mapping[str, Any] = {
    "RS256": rsa.generate_private_key(65537, 2048),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}


class Issuer:
    """Signs tokens, and publishes the keys that a test lets it publish."""

    def __init__(self, name: str = NAME) -> None:
        self.name = name
        self.published = ["RS256", "ES256", "EdDSA"]
        self.documents: dict[str, Any] = {DISCOVERY: {"issuer": name, "jwks_uri": JWKS}}
        self.asked: list[str] = []
        self.is_away = False

    def fetch(self, url: str) -> bytes:
        """Return a document, as the issuer serves it."""
        self.asked.append(url)
        keys = {"keys": [public_jwk(name) for name in self.published]}
        documents = {JWKS: keys, f"{self.name}/.well-known/jwks.json": keys, **self.documents}
        if self.is_away or url not in documents:
            raise OSError("nobody there")
        document = documents[url]
        return document if isinstance(document, bytes) else json.dumps(document).encode()

    def sign(self, algorithm: str = "RS256", *, key_id: str | None = None, **claims: Any) -> str:
        """Return a token; a claim that is None is left out."""
        given = {"iss": self.name, "aud": "shop", "sub": "ada", "exp": 1_000_600, **claims}
        payload = {name: value for name, value in given.items() if value is not None}
        return jwt.encode(payload, KEYS[algorithm], algorithm, {"kid": key_id or algorithm})


def public_jwk(algorithm: str) -> dict[str, Any]:
    """Return a key as an issuer publishes it."""
    algorithms = jwt.algorithms.get_default_algorithms()
    text = algorithms[algorithm].to_jwk(KEYS[algorithm].public_key())
    return {**json.loads(text), "kid": algorithm, "use": "sig"}
