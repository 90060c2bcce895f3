"""What a broker tells of the topics, and what it does not tell yet."""

from types import SimpleNamespace

import pytest

from logkeep.errors import BackendUnavailable
from logkeep.queue.kafka_client import Topics
from logkeep.settings import KafkaSettings


def test_a_topic_that_the_broker_asked_has_not_heard_of_is_for_later(monkeypatch: pytest.MonkeyPatch) -> None:
    topics = Topics(KafkaSettings(topic="new"), 1 << 20)
    monkeypatch.setattr(topics, "count", lambda: 3)
    monkeypatch.setattr(topics, "_metadata", lambda timeout_s: SimpleNamespace(topics={}))
    with pytest.raises(BackendUnavailable, match="topic new: a broker does not know it yet"):
        topics.check()
