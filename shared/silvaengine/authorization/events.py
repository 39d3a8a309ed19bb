"""An event of either gateway: what both read of it, how its kind is told, what becomes of a failure."""

import re
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, override

from silvaengine.authorization.model import requested_arn
from silvaengine.errors import RequestError, SilvaEngineError
from silvaengine.observability.alerts import AlertPublisher
from silvaengine.observability.handler import LambdaEvent
from silvaengine.tables import DEFAULT_API_KEY

if TYPE_CHECKING:
    from silvaengine.authorization.model import Permission
    from silvaengine.registry.model import Function

OPERATION_MEMBER = "silvaengine"  # the member of an operator's event; API Gateway's have none of that name
API_KEY = "x-api-key"
CORS_SETTING = "cors"
CACHED_NAMES = 64  # sets of headers' names, each as long as a request's headers may be
KEY_LIMIT = 1024  # bytes; DynamoDB's limit of a sort key
WAIT_SECONDS = 27.0  # API Gateway gives up after 29
MARGIN_SECONDS = 1.0  # what the gateway itself needs before Lambda ends it
TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2

type Members = Mapping[str, Any]
type SentHeaders = Mapping[str, str]

_FACTS = ("service", "request_id", "status", "endpoint_id", "area", "function", "package", "release")
_CAUSE = ("status", "error", "package", "release")
_AUTHORIZER_CALLS = ("REQUEST", "TOKEN")  # which has no request, and is denied


class GatewayEvent(LambdaEvent):
    """One event of API Gateway, or an operator's.

    ``deadline`` is in epoch seconds, at most 27 s after the event came. An alert about a failure is about
    ``function``, once the gateway has set it.
    """

    deadline = 0.0
    function: "Function | None" = None

    def note_function(self, function: "Function") -> None:
        """Note the function that the event calls, for its log line and alerts."""
        self.function = function
        if (release := function.release) is not None:
            self.log.add(package=release.package, release=release.number)


class GatewayHandler[Event: GatewayEvent](ABC):
    """Serves the events of a gateway, each kind in its own way; alerts are about failures from 500 on.

    ``service`` is the gateway's name in log lines and alerts; ``clock`` returns epoch seconds.
    """

    def __init__(self, service: str, alerts: AlertPublisher, clock: Callable[[], float] = time.time) -> None:
        self._service = service
        self._alerts = alerts
        self._clock = clock

    def __call__(self, call: Event) -> dict[str, Any]:
        """Serve an event; raises what ``operate`` raises of an operator's."""
        remaining = getattr(call.context, "get_remaining_time_in_millis", None)
        seconds = WAIT_SECONDS if remaining is None else remaining() / 1000 - MARGIN_SECONDS
        call.deadline = self._clock() + min(WAIT_SECONDS, seconds)
        event = call.event
        if isinstance(event, dict):
            if OPERATION_MEMBER in event:
                return self._operate(call, event[OPERATION_MEMBER])
            if event.get("type") in _AUTHORIZER_CALLS and requested_arn(event):
                return self._authorize(call)
        return self.serve(call)

    @abstractmethod
    def operate(self, call: Event, operation: str, request: Members) -> dict[str, Any]:
        """Carry out an operator's request, whose parameters are ``request``'s other members."""

    @abstractmethod
    def permit(self, call: Event) -> "Permission":
        """Return the permission that an authorizer call asks for; a raised error denies it."""

    @abstractmethod
    def serve(self, call: Event) -> dict[str, Any]:
        """Serve an event of any other kind."""

    def _operate(self, call: Event, request: object) -> dict[str, Any]:
        """Carry out an operator's event, which no client of an API can send; log what it is."""
        if not isinstance(request, dict):
            raise RequestError(f"{OPERATION_MEMBER}: expected an object with an operation")
        operation, endpoint_id = str(request.get("operation")), request.get("endpoint_id")
        call.log.add(operation=operation)
        if endpoint_id is not None:
            call.log.add(endpoint_id=str(endpoint_id))
        return self.operate(call, operation, request)

    def _authorize(self, call: Event) -> dict[str, Any]:
        # lazy: only an authorizer call needs it
        from silvaengine.authorization.policies import allowing_policy, denying_policy

        arn = requested_arn(call.event)
        try:
            policy = allowing_policy(arn, self.permit(call))
        except Exception as error:  # noqa: BLE001 - a Lambda's door: whatever fails, the caller is denied
            policy = denying_policy(arn, self.fail(call, error).message)
        call.log.add(policy=policy["policyDocument"]["Statement"][0]["Effect"])
        return policy

    def fail(self, call: Event, error: Exception) -> SilvaEngineError:
        """Record a failure, alert the operator from status 500 on, and return what is public of it."""
        public = call.fail(error)
        if public.status >= 500:
            self.alert(call)
        return public

    def alert(self, call: Event) -> None:
        """Alert the operator: what failed for whom, without any content of request or response."""
        function = call.function
        subject = function.aws_lambda_arn if function else f"silvaengine {self._service} gateway"
        fields = {"request_id": call.request_id, **call.log.fields}
        facts = {name: fields[name] for name in _FACTS if name in fields}
        cause = {name: fields[name] for name in _CAUSE if name in fields}
        self._alerts.publish(subject, f"{subject} {function and function.name} {cause}", facts)


class Headers(Mapping[str, str]):
    """An event's headers by lower-case name, each read when it is asked for: most are not.

    A header on several lines is one value: RFC 9110, section 5.3; cookies: RFC 9113, section 8.2.3.

    Args:
        single: the event's ``headers``, which have only one of several lines in payload 1.0.
        several: its ``multiValueHeaders``, which have them all under the same names.
        names: the names of ``single`` by their lower-case forms.
    """

    def __init__(self, single: Members, several: Members, names: Mapping[str, str]) -> None:
        self._single = single
        self._several = several
        self._names = names

    @cached_property
    def sent(self) -> SentHeaders:
        """All headers, with the names that the client sent; raises RequestError for what isn't UTF-8."""
        sent = self._single
        try:  # the cheapest ways to see that all are texts, and that none is on several lines
            text = "".join(sent.values())
            for (_,) in self._several.values():
                pass
        except (TypeError, ValueError):
            sent = _join_lines(sent, self._several)
            text = "".join(sent.values())
        check_unicode("".join((*sent, text)), "The headers are")
        return sent

    def __getitem__(self, name: str) -> str:
        """Return a header's value."""
        value = self.get(name)
        if value is None:
            raise KeyError(name)
        return str(value)

    @override
    def get(self, name: str, default: Any = None, /) -> Any:
        """Return a header's value, without the exception that ``Mapping`` raises for an absent one."""
        sent_name = self._names.get(name)
        if sent_name is None:
            return default
        value, lines = self._single[sent_name], self._several.get(sent_name)
        if lines is not None and lines != [value]:
            value = _join_lines({}, {name: lines}).get(name)
        return value if isinstance(value, str) else default

    def __iter__(self) -> Iterator[str]:
        """Return the lower-case names."""
        return map(str.lower, self.sent)

    def __len__(self) -> int:
        """Return the number of headers."""
        return len(self.sent)

    def without(self, name: str) -> "Headers":
        """Return the others than this one, whose name is in lower case."""
        return read_headers({each: value for each, value in self.sent.items() if each.lower() != name}, {})


def read_headers(single: Members, several: Members, cookies: object = None) -> Headers:
    """Return an event's headers: its ``headers``, its ``multiValueHeaders``, and payload 2.0's cookies."""
    if cookies:
        single = {**single, "cookie": "; ".join(read_texts(cookies))}
    names = tuple(single)
    by_name = _sent_names(names)
    if len(by_name) < len(names) or (several and tuple(several) != names):
        # Two differ in case alone, or not all are in both.
        single, several = _join_lines(single, several), {}
        by_name = _sent_names(tuple(single))
    return Headers(single, several, by_name)


@lru_cache(CACHED_NAMES)
def _sent_names(names: tuple[str, ...]) -> Mapping[str, str]:
    """Return the names by their lower-case forms.

    Cached, since to make it is a tenth of a browser's request, and clients of one kind send the same names.
    """
    return {name.lower(): name for name in names}


def _join_lines(single: Members, several: Members) -> SentHeaders:
    lines: dict[str, tuple[str, list[str]]] = {}
    for name, values in {**{name: [value] for name, value in single.items()}, **several}.items():
        lines.setdefault(name.lower(), (name, []))[1].extend(read_texts(values))
    return {
        name: ("; " if lower == "cookie" else ", ").join(texts)
        for lower, (name, texts) in lines.items()
        if texts
    }


def check_unicode(text: str, what: str) -> None:
    """Refuse half of a surrogate pair by RequestError; ``what`` is the text's name, with its verb."""
    if not text.isascii() and text.encode(errors="replace").decode() != text:
        raise RequestError(f"{what} not valid UTF-8")


def read_texts(values: object) -> list[str]:
    """Return the texts in a list of an event; none where it is no list."""
    return [value for value in values if isinstance(value, str)] if isinstance(values, list) else []


def read_api_key(context: Members, headers: Members, in_query: object) -> str:
    """Return a caller's key: API Gateway's own, the header, the query parameter, or the default one.

    Args:
        context: the event's requestContext.
        headers: by lower-case name.
        in_query: the query parameter, if any.

    Raises:
        RequestError: 403, no row can have such a key.
    """
    identity = context.get("identity")
    authenticated = identity.get("apiKey") if isinstance(identity, dict) else None
    key = authenticated or headers.get(API_KEY) or in_query or DEFAULT_API_KEY
    if not isinstance(key, str) or (
        len(key) > KEY_LIMIT // 4 and len(key.encode(errors="replace")) > KEY_LIMIT
    ):
        raise RequestError("The API key is not valid", status=403)
    check_unicode(key, "The API key is")
    return key


def read_tokens(field: str) -> list[str]:
    """Return the tokens of a header that lists some, without what is none: RFC 9110, section 5.6."""
    return [token for part in field.split(",") if TOKEN.fullmatch(token := part.strip(" \t"))]


def lists_origin(policy: object, origin: str) -> bool:
    """Return whether an endpoint's setting ``cors`` lists the origin of a page.

    An origin is compared as browsers write it, whole; ``null``, which many pages share, is never listed. A
    malformed policy lists none.
    """
    origins = policy.get("origins") if isinstance(policy, Mapping) else None
    return isinstance(origins, list | tuple) and origin in origins and origin not in {"null", "*"}


def read_stage(context: Members) -> str | None:
    """Return the stage that a requestContext names, None where the API has none of its own."""
    stage = context.get("stage")
    return stage if isinstance(stage, str) and stage not in {"", "$default"} else None
