"""Notices of failures to the operator's SNS topic: few, short, and never in the way of an answer."""

import json
import logging
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from silvaengine.errors import SilvaEngineError
from silvaengine.observability.redaction import redact
from silvaengine.settings import Settings

SUBJECT_LIMIT = 99  # SNS takes less than 100 characters: docs.aws.amazon.com/sns/latest/api/API_Publish.html
PUBLISH = {"Action": "Publish", "Version": "2010-03-31"}
PUBLISH_SECONDS = 1.0
QUIET_SECONDS = 300.0
MAX_FINGERPRINTS = 1024

_logger = logging.getLogger(__name__)


class AlertPublisher:
    """Publishes notices, one per fingerprint in five minutes.

    Args:
        publish: sends a subject and a text; None for no topic.
        clock: monotonic seconds.
    """

    def __init__(
        self, publish: Callable[[str, str], None] | None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._publish = publish
        self._clock = clock
        self._sent: dict[str, float] = {}

    def publish(self, subject: str, fingerprint: str, message: Mapping[str, Any]) -> None:
        """Publish unless the same fingerprint was published lately; a failure is logged, never raised.

        Args:
            subject: such as a function's ARN; cut to 99 printable ASCII characters.
            fingerprint: what makes two failures the same.
            message: what the operator reads, JSON-able; no payload, setting or secret. It is redacted, too.
        """
        if self._publish is None or not self._due(fingerprint):
            return
        try:
            self._publish(_printable(subject)[:SUBJECT_LIMIT], redact(json.dumps(message, default=str)))
        except SilvaEngineError as error:
            _logger.warning("A notice could not be published: %s", error.detail)

    def _due(self, fingerprint: str) -> bool:
        now = self._clock()
        if now - self._sent.get(fingerprint, -QUIET_SECONDS) < QUIET_SECONDS:
            return False
        if len(self._sent) >= MAX_FINGERPRINTS:
            self._sent.clear()
        self._sent[fingerprint] = now
        return True


def open_alert_publisher(settings: Settings) -> AlertPublisher:
    """Return the notifier of the deployment's topic, a silent one without a topic."""
    topic = settings.sns_topic_arn
    if topic is None:
        return AlertPublisher(None)

    return AlertPublisher(partial(_publish, settings.region, topic))


def _publish(region: str, topic: str, subject: str, text: str) -> None:
    """Send a notice, once: docs.aws.amazon.com/sns/latest/api/API_Publish.html."""
    from urllib.parse import urlencode  # few invocations fail

    from silvaengine.aws.client import open_client
    from silvaengine.aws.errors import no_answer, to_error
    from silvaengine.aws.http import NoAnswerError

    form = urlencode({**PUBLISH, "TopicArn": topic, "Subject": subject, "Message": text})
    headers = {"content-type": "application/x-www-form-urlencoded"}
    try:
        response = open_client("sns", region).post("/", headers, form.encode(), PUBLISH_SECONDS)
    except NoAnswerError as error:
        raise no_answer("Publish", error) from error
    if response.status != 200:
        raise to_error("Publish", "", response.body.decode(errors="replace"), response.status)


def _printable(text: str) -> str:
    return "".join(character if " " <= character <= "~" else "?" for character in text)
