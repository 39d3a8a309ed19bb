"""Notices of failures to the operator's SNS topic: few, short, and never in the way of an answer."""

import json
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from silvaengine.aws.sdk import client, translated_errors
from silvaengine.errors import SilvaEngineError
from silvaengine.redaction import redact
from silvaengine.settings import Settings

SUBJECT_LIMIT = 99  # SNS takes less than 100 characters: docs.aws.amazon.com/sns/latest/api/API_Publish.html
QUIET_SECONDS = 300.0
MAX_FINGERPRINTS = 1024

_logger = logging.getLogger(__name__)


class Notifier:
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

    def notify(self, subject: str, fingerprint: str, message: Mapping[str, Any]) -> None:
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


def open_notifier(settings: Settings) -> Notifier:
    """Give the notifier of the deployment's topic, a silent one without a topic."""
    topic = settings.sns_topic_arn
    if topic is None:
        return Notifier(None)

    def publish(subject: str, text: str) -> None:
        with translated_errors("Publish"):
            client("sns", settings.region, read_seconds=1.0, attempts=1).publish(
                TopicArn=topic, Subject=subject, Message=text
            )

    return Notifier(publish)


def _printable(text: str) -> str:
    return "".join(character if " " <= character <= "~" else "?" for character in text)
