"""Alerts about failures to the operator's SNS topic: few, short, and without effect on a response."""

import json
import logging
from collections.abc import Callable, Mapping
from functools import partial

from silvaengine.clock import process_clock
from silvaengine.errors import SilvaEngineError
from silvaengine.observability.redaction import redact
from silvaengine.settings import Settings

SUBJECT_LIMIT = 99  # SNS takes less than 100 characters: docs.aws.amazon.com/sns/latest/api/API_Publish.html
PUBLISH = {"Action": "Publish", "Version": "2010-03-31"}
PUBLISH_SECONDS = 1.0
QUIET_SECONDS = 300.0
MAX_DEDUP_KEYS = 1024

_logger = logging.getLogger(__name__)


class AlertPublisher:
    """Publishes at most one alert for each deduplication key in five minutes.

    Args:
        send: sends a subject and a text; None where there is no topic.
        clock: seconds that go on in a freeze.
    """

    def __init__(
        self, send: Callable[[str, str], None] | None, *, clock: Callable[[], float] = process_clock
    ) -> None:
        self._send = send
        self._clock = clock
        self._sent_at: dict[str, float] = {}

    def publish(self, subject: str, dedup_key: str, message: Mapping[str, object]) -> None:
        """Publish an alert, unless one with the same key was published lately; never raise, but log.

        Args:
            subject: such as a function's ARN; cut to 99 printable ASCII characters.
            dedup_key: equal for failures that count as the same.
            message: facts for the operator, JSON-able, without payloads, settings and secrets; it is
                redacted all the same.
        """
        if self._send is None or not self._is_due(dedup_key):
            return
        try:
            self._send(_printable(subject)[:SUBJECT_LIMIT], redact(json.dumps(message, default=str)))
        except SilvaEngineError as error:
            _logger.warning("An alert could not be published: %s", error.detail)

    def _is_due(self, dedup_key: str) -> bool:
        now = self._clock()
        if now - self._sent_at.get(dedup_key, -QUIET_SECONDS) < QUIET_SECONDS:
            return False
        if len(self._sent_at) >= MAX_DEDUP_KEYS:
            self._sent_at.clear()
        self._sent_at[dedup_key] = now
        return True


def open_alert_publisher(settings: Settings) -> AlertPublisher:
    """Return the publisher for the deployment's topic; without a topic it publishes nothing."""
    topic = settings.sns_topic_arn
    return AlertPublisher(None if topic is None else partial(_send, settings.region, topic))


def _send(region: str, topic: str, subject: str, text: str) -> None:
    """Send an alert once: docs.aws.amazon.com/sns/latest/api/API_Publish.html."""
    from urllib.parse import urlencode  # lazy: only a failure needs it

    from silvaengine.aws.client import open_client
    from silvaengine.aws.errors import no_response, to_error
    from silvaengine.aws.http import NoResponseError

    form = urlencode({**PUBLISH, "TopicArn": topic, "Subject": subject, "Message": text})
    headers = {"content-type": "application/x-www-form-urlencoded"}
    try:
        response = open_client("sns", region).post("/", headers, form.encode(), PUBLISH_SECONDS)
    except NoResponseError as error:
        raise no_response("Publish", error) from error
    if response.status != 200:
        raise to_error("Publish", "", response.body.decode(errors="replace"), response.status)


def _printable(text: str) -> str:
    return "".join(character if " " <= character <= "~" else "?" for character in text)
