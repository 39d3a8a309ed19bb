"""An authorization server on this machine, whose user agrees to all: OAuth 2.1 as MCP's clients use it.

RFC 8414 (metadata), RFC 7591 (registration), RFC 7636 (PKCE), RFC 8707 (resources), RFC 9207 (``iss``).
"""

import json
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlencode, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

type Members = dict[str, Any]

FOREVER = 32_503_680_000  # the year 3000


class AuthorizationServer(BaseHTTPRequestHandler):
    """Registers clients, and trades codes for tokens of the resource that was asked for.

    A client's first token has ``first_scope`` alone.
    """

    key = rsa.generate_private_key(65537, 2048)
    name: ClassVar[str]
    first_scope: ClassVar[str]
    clients: ClassVar[dict[str, Members]]
    codes: ClassVar[dict[str, Members]]

    def do_GET(self) -> None:
        """Say where everything is, and send a user's agent back with a code."""
        url = urlsplit(self.path)
        if url.path == "/authorize":
            self._authorize(dict(parse_qsl(url.query)))
            return
        public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key()))
        metadata = {
            "issuer": self.name,
            "jwks_uri": f"{self.name}/keys",
            "authorization_endpoint": f"{self.name}/authorize",
            "token_endpoint": f"{self.name}/token",
            "registration_endpoint": f"{self.name}/register",
            "response_types_supported": ["code"],
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,
        }
        documents: Members = {
            "/.well-known/oauth-authorization-server": metadata,
            "/.well-known/openid-configuration": metadata,
            "/keys": {"keys": [{**public, "kid": "first", "use": "sig"}]},
        }
        self._send(200 if url.path in documents else 404, documents.get(url.path, {}))

    def _authorize(self, query: Members) -> None:
        assert query["redirect_uri"] in self.clients[query["client_id"]]["redirect_uris"]
        assert (query["response_type"], query["code_challenge_method"]) == ("code", "S256")
        code = secrets.token_urlsafe()
        self.codes[code] = query
        back = urlencode({"code": code, "state": query["state"], "iss": self.name})
        self.send_response(302)
        self.send_header("Location", f"{query['redirect_uri']}?{back}")
        self.end_headers()

    def do_POST(self) -> None:
        """Register a client, or trade a code."""
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if self.path == "/register":
            client = {**json.loads(body), "client_id": secrets.token_urlsafe()}
            self.clients[client["client_id"]] = {**client, "first_scope": self.first_scope}
            self._send(201, client)
            return
        form = dict(parse_qsl(body))
        asked = self.codes.pop(form["code"])
        digest = urlsafe_b64encode(sha256(form["code_verifier"].encode()).digest()).decode().rstrip("=")
        assert asked["code_challenge"] == digest
        assert [asked[name] for name in SAME] == [form[name] for name in SAME]
        scope = self.clients[form["client_id"]].pop("first_scope", asked["scope"])
        token = self.sign(aud=form["resource"], scope=scope)
        self._send(200, {"access_token": token, "token_type": "Bearer", "expires_in": 3600, "scope": scope})

    @classmethod
    def sign(cls, **claims: Any) -> str:
        """Return a token."""
        given = {"iss": cls.name, "sub": "ada", "exp": FOREVER, **claims}
        return jwt.encode(given, cls.key, "RS256", {"kid": "first"})

    def _send(self, status: int, document: Members) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(json.dumps(document).encode())

    def log_message(self, *_: Any) -> None:
        """Stay silent."""


SAME = ("client_id", "redirect_uri", "resource")  # in the request for a code, and in that for a token


@contextmanager
def authorization_server(first_scope: str) -> Iterator[type[AuthorizationServer]]:
    """Run one, whose name is its URL."""

    class Running(AuthorizationServer):
        clients: ClassVar[dict[str, Members]] = {}
        codes: ClassVar[dict[str, Members]] = {}

    server = ThreadingHTTPServer(("127.0.0.1", 0), Running)
    Running.name, Running.first_scope = f"http://127.0.0.1:{server.server_port}", first_scope
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield Running
    finally:
        server.shutdown()
