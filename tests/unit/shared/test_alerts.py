import json

import pytest

from silvaengine.errors import UnavailableError
from silvaengine.observability.alerts import MAX_DEDUP_KEYS, AlertPublisher, open_alert_publisher
from silvaengine.settings import Settings


class Topic:
    """A topic that keeps what was published, with a clock of its own."""

    def __init__(self) -> None:
        self.now = 0.0
        self.sent: list[tuple[str, str]] = []
        self.alerts = AlertPublisher(
            lambda subject, text: self.sent.append((subject, text)), clock=lambda: self.now
        )


def test_a_failure_is_published_once_in_five_minutes() -> None:
    """A flood of one failure is one alert."""
    topic = Topic()
    for now in (0, 1, 299.9, 300, 301):
        topic.now = now
        topic.alerts.publish("arn", "f", {"at": now})
    topic.alerts.publish("arn", "other", {"at": "other"})
    assert [json.loads(text)["at"] for _, text in topic.sent] == [0, 300, "other"]


def test_a_subject_is_what_sns_takes() -> None:
    """A subject has at most 99 printable ASCII characters."""
    topic = Topic()
    topic.alerts.publish("é\n" + "x" * 200, "f", {})
    assert topic.sent[0][0] == "??" + "x" * 97


def test_a_failing_topic_never_raises(caplog: pytest.LogCaptureFixture) -> None:
    """The response goes on; the log says that an alert was lost."""

    def fail(_: str, __: str) -> None:
        raise UnavailableError("x", detail="topic is away")

    AlertPublisher(fail).publish("arn", "f", {})
    assert "topic is away" in caplog.text


def test_the_memory_of_deduplication_keys_is_bounded() -> None:
    """Many different failures don't fill the process."""
    topic = Topic()
    for number in range(MAX_DEDUP_KEYS + 1):
        topic.alerts.publish("arn", str(number), {})
    topic.alerts.publish("arn", str(MAX_DEDUP_KEYS), {})
    assert len(topic.sent) == MAX_DEDUP_KEYS + 1


def test_without_a_topic_nothing_is_published() -> None:
    """No client is made and nothing is raised."""
    open_alert_publisher(Settings()).publish("arn", "f", {})
