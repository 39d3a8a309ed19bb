"""The engine behind the double, for what a rule must know: its root asks, in no client's name."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from silvaengine_cli.strict.calls import Call
from silvaengine_cli.strict.http import Request, Response
from silvaengine_cli.strict.proxy import SECONDS, forward

_FUNCTIONS = "/2015-03-31/functions"


class Engine:
    """The local engine at ``port``, which is known before the first call.

    Who signs a call counts, but not the signature where ``mark`` stands in a header of it.
    """

    port = 0

    def __init__(self, mark: str) -> None:
        self._mark = {"x_silvaengine_double": mark}

    def changed(self, call: Call, **fields: str) -> Call:
        """Return a client's call with other headers, ``_`` for ``-``, still in the client's name."""
        return Call(call.request.with_fields(**fields, **self._mark))

    def send(self, call: Call, seconds: float = SECONDS) -> Response:
        """Pass a client's call on unchanged; raise TimeoutError where its response takes longer."""
        return forward(call.request, self.port, seconds)

    def function(self, name: str, qualifier: str, what: str = "configuration") -> Mapping[str, Any]:
        """Return a Lambda's configuration, or its ``event-invoke-config``; empty if there is none."""
        folder = "/2019-09-25/functions" if what == "event-invoke-config" else _FUNCTIONS
        response = self._ask("lambda", "GET", f"{folder}/{name}/{what}?{urlencode({'Qualifier': qualifier})}")
        return self._members(response)

    def version(self, name: str, qualifier: str) -> str:
        """Return the version that an alias names, any other qualifier as it is."""
        alias = self._members(self._ask("lambda", "GET", f"{_FUNCTIONS}/{name}/aliases/{qualifier}"))
        return str(alias.get("FunctionVersion", qualifier))

    def versions(self, name: str) -> list[Mapping[str, Any]]:
        """Return the configurations of a Lambda's versions, the last one last."""
        response = self._ask("lambda", "GET", f"{_FUNCTIONS}/{name}/versions")
        listed = [each for each in self._members(response)["Versions"] if each["Version"].isdigit()]
        return sorted(listed, key=lambda each: int(each["Version"]))

    def delete_version(self, name: str, version: str) -> None:
        """Delete a version of a Lambda."""
        self._ask("lambda", "DELETE", f"{_FUNCTIONS}/{name}?{urlencode({'Qualifier': version})}")

    def json_call(self, service: str, target: str, members: Mapping[str, object]) -> Mapping[str, Any]:
        """Call a service that speaks JSON, such as DynamoDB or SQS; return the result, empty for an error."""
        fields = {"x_amz_target": target, "content_type": "application/x-amz-json-1.0"}
        return self._members(self._ask(service, "POST", "/", json.dumps(members).encode(), **fields))

    def policy(self, role: str, name: str) -> str:
        """Return IAM's XML of a role's inline policy, or of there being none."""
        return self._form("iam", {"Action": "GetRolePolicy", "RoleName": role, "PolicyName": name})

    def identity(self, access_key: str, token: str) -> str:
        """Return STS's XML of whose a session is."""
        return self._form("sts", {"Action": "GetCallerIdentity"}, access_key, x_amz_security_token=token)

    def _form(self, service: str, members: Mapping[str, str], key: str = "test", **fields: str) -> str:
        fields["content_type"] = "application/x-www-form-urlencoded"
        return self._ask(service, "POST", "/", urlencode(members).encode(), key, **fields).body.decode()

    def _ask(
        self, service: str, method: str, target: str, body: bytes = b"", key: str = "test", **fields: str
    ) -> Response:
        scope = f"{key}/20260101/us-east-1/{service}/aws4_request"
        fields["authorization"] = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"
        request = Request(method, target, [("host", f"127.0.0.1:{self.port}")], body)
        return forward(request.with_fields(**fields, **self._mark), self.port)

    @staticmethod
    def _members(response: Response) -> Mapping[str, Any]:
        members: Mapping[str, Any] = response.json() if response.is_success and response.body else {}
        return members
