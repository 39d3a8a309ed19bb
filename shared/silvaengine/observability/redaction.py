"""Removal of secrets from texts for operators and clients: by field name, by shape, and known values.

It is the last line of defence: payloads, settings and headers are never logged on purpose, but an exception
may quote what it failed on, and functions log what they like.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

REDACTED = "[redacted]"
SHORTEST = 6  # characters of a known secret; a shorter one would occur in ordinary words

_NAME = (
    r"(?:pass(?:word|wd|phrase)|\bpwd|(?<!:)secret(?!smanager)|token(?!s[\"']?:? ?\d)|api[_-]?key"
    r"|(?:access|private|signing|master)[_-]?key|authorization|credential|cookie|session[_-]?id|signature"
    r"|pepper)s?"
)
_QUOTE = r"\\{0,8}[\"']"
_QUOTED = rf"(?P<quote>{_QUOTE})(?s:(?!(?P=quote))(?:\\.|.))*+(?:(?P=quote)|\Z)"
_SHAPES = (
    r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----(?s:.)*?(?:-----END [A-Z ]{0,30}PRIVATE KEY-----|\Z)",
    r"\beyJ[\w-]{5,}\.[\w-]{5,}\.?[\w-]*",  # a JSON Web Token
    r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",  # an AWS access key's id
    r"\bsek_\w{1,64}\.[\w-]{8,}",  # one of our own API keys
    r"(?i:\b(?:Bearer|Basic))\s+[\w.~+/=-]{8,}",
    r"\b(?:gh[pousr]_|github_pat_|glpat-|xox[abeprs]-|[srp]k_(?:live|test)_|whsec_|AIza|npm_)[\w-]{10,}",
    r"(?i:(?<=cookie:)|(?<=authorization:))[^\r\n\"']{1,4096}",  # all pairs, and whatever scheme
    r"(?<=://)[^\s/:@]{0,256}:[^\s/@]{1,256}(?=@)",  # user and password in a URL
)


def redact(text: str, settings: Mapping[str, object] | None = None, *, prose: bool = False) -> str:
    """Return a text without what looks like a secret.

    Args:
        text: the text, of any length; the time is linear in it.
        settings: the call's settings; their values under a secret's name are removed wherever they occur.
        prose: whether the text is written for a client, so that ``password: must be long`` stays; values
            in quotes or after ``=`` are removed all the same.
    """
    for secret in known_secrets(settings or {}):
        text = text.replace(secret, REDACTED)
    by_shape, by_name, by_name_in_prose = _patterns()
    text = by_shape.sub(REDACTED, text)
    return (by_name_in_prose if prose else by_name).sub(_without_value, text)


def redact_values(value: Any, settings: Mapping[str, object] | None = None) -> Any:  # noqa: ANN401 - a JSON value
    """Return a JSON value without what looks like a secret, in its texts or by the name of a member."""
    if isinstance(value, dict):
        return {
            name: REDACTED
            if isinstance(member, str) and _name().search(name)
            else redact_values(member, settings)
            for name, member in value.items()
        }
    if isinstance(value, list):
        return [redact_values(member, settings) for member in value]
    return redact(value, settings, prose=True) if isinstance(value, str) else value


def known_secrets(settings: Mapping[str, object]) -> list[str]:
    """Return the settings' values under a secret's name, at any depth, the longest first."""
    return sorted(set(_named_secrets(settings, is_secret=False)), key=len, reverse=True)


def _named_secrets(value: object, *, is_secret: bool) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, member in value.items():
            yield from _named_secrets(member, is_secret=is_secret or bool(_name().search(str(name))))
    elif isinstance(value, list | tuple):
        for member in value:
            yield from _named_secrets(member, is_secret=is_secret)
    elif is_secret and isinstance(value, str) and len(value) >= SHORTEST:
        yield value


def _without_value(match: re.Match[str]) -> str:
    quote = match["quote"] or ""
    return f"{match['name']}{quote}{REDACTED}{quote}"


@cache
def _name() -> re.Pattern[str]:
    return re.compile(_NAME, re.IGNORECASE)


@cache
def _patterns() -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    """Return the compiled patterns by shape, by name, and by name in prose: most invocations need none."""
    named = rf"(?P<name>(?i:{_NAME})[\w.-]{{0,40}}(?:{_QUOTE})?\s{{0,8}}(?:=>|[:=])\s{{0,8}})"
    bare = r"(?!\[redacted)[^\s,;&\"'\\)\]}]+"
    return (
        re.compile("|".join(_SHAPES)),
        re.compile(f"{named}(?:{_QUOTED}|{bare})"),
        re.compile(f"{named}(?:{_QUOTED}|(?<==){bare})"),
    )
