"""The form of single values of ``registry.yaml``: names, ids, paths, addresses.

Checks return the value, or raise ValueError with a message that quotes it.
"""

import ipaddress
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from silvaengine.registry.routes import Route
from silvaengine.tables import EVENTS_SETTING_ID, is_internal
from silvaengine_cli.registry.document import MAX_DIGITS, is_storable

RESERVED_FUNCTIONS = ("cache_clear", "cache_stats", "job_status")


def _pattern(regex: str, rule: str) -> Callable[[str], str]:
    compiled = re.compile(regex)

    def check(text: str) -> str:
        if not compiled.fullmatch(text):
            raise ValueError(f"{text!r} must be {rule}")
        return text

    return check


def _matching(regex: str, rule: str) -> AfterValidator:
    return AfterValidator(_pattern(regex, rule))


def _as_text(value: object) -> object:
    """Return an integer as text, so that ids may be written without quotes, as in ``endpoint: 1``."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _check_label(label: str) -> str:
    name = label.partition("@")[0]
    if name in RESERVED_FUNCTIONS:
        raise ValueError(f"{name!r} is reserved: the gateway answers it itself")
    return label


def _check_setting(setting: str) -> str:
    if is_internal(setting):
        raise ValueError(f"{setting!r} is reserved: generations are kept there")
    if setting == EVENTS_SETTING_ID:
        raise ValueError(f"{setting!r} is reserved: write `events` at the function")
    return setting


def check_network(text: str) -> str:
    """Return the text if it is an IP address or CIDR; raise ValueError otherwise."""
    ipaddress.ip_network(text, strict=False)
    return text


check_api_key = _pattern(r"[!-~]{1,256}", "1 to 256 printable ASCII")
check_stack_name = _pattern(
    r"[A-Za-z][A-Za-z0-9-]{0,127}", "a stack's name: letters, digits and '-', a letter first"
)


def _check_digits(number: Decimal) -> Decimal:
    """Refuse too many digits in quotes; a number without quotes was checked when it was read."""
    if not is_storable(number):
        raise ValueError(f"must have at most {MAX_DIGITS} digits")
    return number


def _check_route(text: str) -> str:
    Route.parse(text)
    return text


_NAME = r"[A-Za-z][A-Za-z0-9_]{0,127}"
_PYTHON = r"[A-Za-z][A-Za-z0-9_]*"
_PART = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}"
_PATH_RULE = "letters, digits, '_', '-' and '.', at most 128, since it stands in the URL"

_AS_TEXT = BeforeValidator(_as_text)

EndpointId = Annotated[str, _AS_TEXT, _matching(_PART, _PATH_RULE)]
FunctionLabel = Annotated[
    str,
    _matching(rf"{_NAME}(@{_PART})?", "a Python name of at most 128 characters, not beginning with '_'"),
    AfterValidator(_check_label),
]
FunctionName = Annotated[
    str,
    _matching(_NAME, "a Python name of at most 128 characters, not beginning with '_'"),
    AfterValidator(_check_label),
]
FunctionRoute = Annotated[str, AfterValidator(_check_route)]
SettingId = Annotated[
    str,
    _AS_TEXT,
    _matching(r"[^\x00-\x1f\x7f]{1,255}", "1 to 255 characters, none of them a control character"),
    AfterValidator(_check_setting),
]
Variable = Annotated[str, _matching(r"(?s).{1,255}", "1 to 255 characters")]
ApiKey = Annotated[str, _AS_TEXT, AfterValidator(check_api_key)]
Area = Annotated[str, _AS_TEXT, _matching(_PART, _PATH_RULE)]
Module = Annotated[
    str,
    _matching(rf"{_PYTHON}(\.{_PYTHON}){{0,15}}", "an import path such as shop.orders, without '_' first"),
]
Call = Annotated[
    str,
    _matching(
        rf"{_PYTHON}(\.{_PYTHON}){{0,15}}:({_PYTHON}\.)?{_PYTHON}",
        "shop.orders:Orders.place, or shop.orders:place without a class, no name with '_' first",
    ),
]
ClassName = Annotated[str, _matching(_PYTHON, "a Python class, not beginning with '_'")]
PackageName = Annotated[str, _matching(r"[a-z][a-z0-9]{0,11}", "1 to 12 of a-z and 0-9, a letter first")]
LambdaArn = Annotated[
    str,
    _matching(r"arn:[a-z0-9-]+:lambda:[a-z0-9-]+:\d{12}:function:[A-Za-z0-9-_:$]{1,140}", "a Lambda's ARN"),
]
SourceName = Annotated[str, _matching(r"[A-Za-z0-9._-]{1,256}", "a name of AWS, without account and region")]
Region = Annotated[str, _matching(r"[a-z]{2,}(-[a-z]+)+-\d{1,2}", "a region such as eu-central-1")]
_EXPRESSION = r"(rate|cron)\([A-Za-z0-9 ,*?/#-]{1,200}\)"
ScheduleExpression = Annotated[str, _matching(_EXPRESSION, "rate(1 hour) or cron(0 3 * * ? *)")]
ScheduleName = Annotated[
    str,
    _matching(
        rf"[A-Za-z0-9._-]{{1,256}}|{_EXPRESSION}",
        "rate(1 hour), cron(0 3 * * ? *) or the name of a schedule",
    ),
]
EnvironmentName = Annotated[
    str, _matching(r"[A-Za-z][A-Za-z0-9_]{1,127}", "2 to 128 letters, digits and '_', a letter first")
]
Stage = Annotated[str, _matching(r"[A-Za-z0-9]{1,32}", "a stage: 1 to 32 letters and digits")]
ScheduleLabel = Annotated[str, _matching(r"[A-Za-z0-9]{1,32}", "1 to 32 letters and digits")]
StackName = Annotated[str, AfterValidator(check_stack_name)]
LogicalId = Annotated[
    str,
    _matching(r"(?!Package)[A-Za-z0-9]{1,100}", "1 to 100 letters and digits, not beginning with Package"),
]
Network = Annotated[str, AfterValidator(check_network)]
Grant = Annotated[str, _matching(r"[a-z][a-z0-9_:.*-]{0,63}", "a grant such as cache:admin")]
Rate = Annotated[Decimal, Field(ge=Decimal("0.000001"), le=100_000), AfterValidator(_check_digits)]
