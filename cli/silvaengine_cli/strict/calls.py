"""What a request asks for: the name of an AWS call, and what it is about."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from silvaengine_cli.strict.http import Request

API_PREFIX = "/_aws/execute-api/"
LATEST = "$LATEST"

# The calls of Lambda that rules are about: docs.aws.amazon.com/lambda/latest/api/API_Operations.html
_LAMBDA = [
    (method, re.compile(rf"/20\d\d-\d\d-\d\d/functions/?{rest}$"), name)
    for method, rest, name in (
        ("POST", "", "CreateFunction"),
        ("GET", "([^/]+)", "GetFunction"),
        ("DELETE", "([^/]+)", "DeleteFunction"),
        ("POST", "([^/]+)/invocations", "Invoke"),
        ("PUT", "([^/]+)/code", "UpdateFunctionCode"),
        ("GET", "([^/]+)/configuration", "GetFunctionConfiguration"),
        ("PUT", "([^/]+)/configuration", "UpdateFunctionConfiguration"),
        ("POST", "([^/]+)/versions", "PublishVersion"),
    )
]


@dataclass(frozen=True)
class Call:
    """A request with its meaning; what isn't known has an empty ``function``."""

    request: Request

    @cached_property
    def name(self) -> str:
        """Such as ``DynamoDB.GetItem``, ``PostToConnection``, ``Connect``, ``Api``; else method and target.

        Of Lambda's calls those that no rule is about have their method alone: ``Lambda.GET``.
        """
        request = self.request
        if request.is_handshake:
            return "Connect"
        if target := request.header("x-amz-target"):
            service, _, operation = target.partition(".")
            return f"{service.partition('_')[0]}.{operation}"
        if "/%40connections/" in request.path or "/@connections/" in request.path:
            return "PostToConnection" if request.method == "POST" else f"{request.method} connection"
        if request.path.startswith(API_PREFIX):
            return "Api"
        if self._service == "lambda" or self._lambda:
            return f"Lambda.{self._lambda[0] if self._lambda else request.method}"
        if action := self.form.get("Action"):
            return f"{self._service.upper()}.{action}"
        return f"{request.method} {request.target}"

    @property
    def operation(self) -> str:
        """The name without the service."""
        return self.name.rpartition(".")[2]

    @property
    def is_lambda(self) -> bool:
        """Whether it goes to Lambda's API."""
        return self.name.startswith("Lambda.")

    @property
    def is_api(self) -> bool:
        """Whether it is a client's request to an API of API Gateway, a handshake too."""
        return self.name in ("Api", "Connect")

    @property
    def function(self) -> str:
        """The Lambda's name, without account and qualifier."""
        if self.operation == "CreateFunction":
            return str(self.json.get("FunctionName", "")).rpartition(":")[2]
        return self._named[0]

    @property
    def qualifier(self) -> str:
        """The version or alias that is asked for, ``$LATEST`` without one."""
        return self.query.get("Qualifier") or self._named[1] or LATEST

    @cached_property
    def query(self) -> Mapping[str, str]:
        """The last value of each parameter of the query string."""
        return {name: values[-1] for name, values in parse_qs(urlsplit(self.request.target).query).items()}

    @cached_property
    def form(self) -> Mapping[str, str]:
        """The members of a call in AWS's query protocol."""
        if not self.request.header("content-type").startswith("application/x-www-form-urlencoded"):
            return {}
        return {name: values[-1] for name, values in parse_qs(self.request.body.decode()).items()}

    @cached_property
    def json(self) -> Mapping[str, Any]:
        """The members of a call in one of AWS's JSON protocols; empty for any other."""
        try:
            value = json.loads(self.request.body or b"{}")
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}

    @cached_property
    def access_key(self) -> str:
        """The id of the credentials that signed it, empty where none did."""
        return self._scope[0]

    @property
    def _service(self) -> str:
        return self._scope[3] if len(self._scope) > 3 else ""

    @cached_property
    def _scope(self) -> list[str]:
        found = re.search(r"Credential=([^,\s]+)", self.request.header("authorization"))
        return found[1].split("/") if found else [""]

    @cached_property
    def _lambda(self) -> tuple[str, str] | None:
        for method, pattern, name in _LAMBDA:
            if method == self.request.method and (match := pattern.match(self.request.path)):
                return name, unquote(match[1]) if match.groups() else ""
        return None

    @cached_property
    def _named(self) -> tuple[str, str]:
        """The function's name and the qualifier within an ARN, a partial ARN or a name."""
        text = self._lambda[1] if self._lambda else ""
        name, _, qualifier = text.rpartition("function:")[2].partition(":")
        return name, qualifier
