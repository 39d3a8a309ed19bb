"""Secrets stay in: T13. tests/conftest.py searches what all suites write, e2e what a deployment logs."""

import json
import logging
import time
from collections.abc import Iterator
from typing import Any

import pytest

from silvaengine.observability.alerts import AlertPublisher
from silvaengine.observability.logging import TEXT_LIMIT, configure_logging
from silvaengine.observability.redaction import REDACTED, known_secrets, redact
from silvaengine.settings import Settings

from ..canaries import CANARIES, SETTING, SETTINGS, TEXTS, found_in


@pytest.fixture
def _as_deployed() -> Iterator[None]:
    """Log as a Lambda does, and as pytest does afterwards."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    configure_logging(Settings())
    yield
    root.handlers, root.level = before[0], before[1]


def test_t13_there_are_twenty_canaries() -> None:
    """The list is as long as it says, and each text holds its secret."""
    assert len(CANARIES) == 20
    assert [kind for kind, text in TEXTS.items() if CANARIES[kind] not in text] == []


@pytest.mark.parametrize("kind", CANARIES)
def test_t13_a_secret_is_taken_out_by_name_or_by_shape(kind: str) -> None:
    """Alone, in a sentence, in JSON and in a line of several: no canary stays, in the log or for clients."""
    text = TEXTS[kind]
    for around in (
        text,
        f"it failed: {text}",
        json.dumps({"message": text}),
        f"a=1\n{text}\nb=2",
        repr(text),
    ):
        assert found_in(redact(around, SETTINGS)) == []
        if ": " not in text or kind in {"JSON", "JSON in JSON", "Python's dict", "cookies"}:
            assert found_in(redact(around, SETTINGS, prose=True)) == []


@pytest.mark.parametrize(
    "text",
    [
        "'R2D2' is not a valid name",
        "API key missing or not valid for endpoint 'acme'",
        "secretsmanager:silvaengine/beta/name and ssm:/silvaengine/beta/name",
        "arn:aws:secretsmanager:eu-central-1:111122223333:secret:silvaengine",
        "https://example.com:8443/a@b",
        "basic usage and bearer of news",
        '{"total_tokens": 532}',
    ],
)
def test_t13_ordinary_words_stay(text: str) -> None:
    """What names a secret without telling it can be read."""
    assert redact(text) == text


def test_t13_a_client_reads_what_is_wrong_with_its_password() -> None:
    """In a response a sentence about a field stays; a value after = or in quotes doesn't."""
    assert redact("password: must have 8 characters", prose=True) == "password: must have 8 characters"
    assert redact("password=abc and 'token': 'x'", prose=True) == (
        f"password={REDACTED} and 'token': '{REDACTED}'"
    )


def test_t13_settings_are_secret_by_their_name_at_any_depth() -> None:
    """A value under a secret's name is known, however deep; a short one would be found in ordinary words."""
    settings = {
        "greeting": "Hello",
        "db": {"password": ["longest one", "second"]},
        "token": "abc",
        "n_key": "x",
    }
    assert known_secrets(settings) == ["longest one", "second"]


@pytest.mark.timeout(10)
@pytest.mark.parametrize("piece", ["a", "password", "token='", "://", "eyJ", "\\", "cookie:", "-----BEGIN "])
def test_t13_redacting_takes_time_in_proportion(piece: str) -> None:
    """No text makes it slow: the longest that is logged, eight times over, takes no more than a second."""
    started = time.process_time()
    redact(piece * (8 * TEXT_LIMIT // len(piece)))
    assert time.process_time() - started < 5


@pytest.mark.usefixtures("_as_deployed")
@pytest.mark.parametrize("kind", CANARIES)
@pytest.mark.parametrize("function", ["plain:crash", "plain:note", "plain:refuse"])
@pytest.mark.parametrize("deadline", [4e9, None], ids=["awaited", "not awaited"])
def test_t13_no_secret_of_a_function_is_told(
    function: str, kind: str, deadline: float | None, handle: Any, notices: list[Any], capsys: Any
) -> None:
    """Whether a function logs it, crashes or refuses with it: log, notice and answer are without it."""
    text = TEXTS[kind]
    name = "message" if function == "plain:refuse" else "text"
    response: object = None
    try:
        response = handle(function, settings=SETTINGS, params={name: f"for {text}"}, deadline=deadline)
    except Exception:
        logging.getLogger(__name__).exception("as Lambda logs it")
    captured = capsys.readouterr()
    assert captured.out
    assert found_in(captured.out + captured.err) == []
    assert found_in(json.dumps(notices)) == []
    if ": " not in text:
        assert found_in(json.dumps(response)) == []


@pytest.mark.usefixtures("_as_deployed")
def test_t13_no_secret_of_a_request_is_logged(world: Any, event_of: Any, capsys: Any) -> None:
    """In headers, query, body, path parameters and settings: the gateway writes none, whatever happens."""
    everything = dict(zip("abcdefghijklmnopqrst", TEXTS.values(), strict=True))
    event = event_of(
        headers={"x-api-key": SETTING, "Authorization": TEXTS["Authorization"], "Cookie": TEXTS["cookies"]},
        multiValueQueryStringParameters={name: [text] for name, text in everything.items()},
        body=json.dumps(everything),
        httpMethod="POST",
    )
    world.registry.area_settings = SETTINGS
    for failure in (None, RuntimeError("\n".join(TEXTS.values()).replace(SETTING, ""))):
        for headers in (event["headers"], {**event["headers"], "x-api-key": "acme-key"}):
            if failure:
                world.invoker.result = failure
            world.handler({**event, "headers": headers}, None)
    written = "".join(capsys.readouterr())
    assert "RuntimeError" in written
    assert found_in(written + json.dumps(world.alerts.sent, default=str)) == []


def test_t13_a_notice_is_redacted() -> None:
    """Whatever a notice quotes, the topic's readers don't learn a secret from it."""
    sent: list[str] = []
    AlertPublisher(lambda _, text: sent.append(text)).publish("arn", "f", {"cause": [*TEXTS.values()][:-1]})
    assert REDACTED in sent[0]
    assert found_in(sent[0]) == []
