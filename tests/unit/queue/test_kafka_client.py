"""What a broker tells of the topics, and what it does not tell yet."""

from types import SimpleNamespace

import pytest

from logkeep.errors import BackendUnavailable
from logkeep.queue import kafka_client
from logkeep.queue.kafka_client import Topics
from logkeep.settings import KafkaSettings


def topics_of(answers: list[dict[str, object]], monkeypatch: pytest.MonkeyPatch) -> Topics:
    """Of a broker that gives these answers in turn, and the last one for ever."""
    topics = Topics(KafkaSettings(topic="new"), 1 << 20)
    monkeypatch.setattr(kafka_client, "CHECK_TIMEOUT_S", 0.2)
    monkeypatch.setattr(kafka_client, "UNKNOWN_PAUSE_S", 0.01)
    monkeypatch.setattr(topics, "count", lambda: 3)

    def metadata(timeout_s: float) -> SimpleNamespace:
        return SimpleNamespace(topics=answers.pop(0) if len(answers) > 1 else answers[0])

    monkeypatch.setattr(topics, "_metadata", metadata)
    return topics


def test_a_topic_that_the_broker_asked_does_not_hear_of_is_for_later(monkeypatch: pytest.MonkeyPatch) -> None:
    topics = topics_of([{}], monkeypatch)
    with pytest.raises(BackendUnavailable, match="topic new: a broker does not know it yet"):
        topics.check()


def test_a_topic_made_a_moment_ago_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    there = SimpleNamespace(error=None, partitions={0: SimpleNamespace(leader=1)})
    answers: list[dict[str, object]] = [{}, {}, {"new": there}]
    topics_of(answers, monkeypatch).check()
    assert answers == [{"new": there}]


def test_a_partition_without_a_leader_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    lost = SimpleNamespace(error=None, partitions={0: SimpleNamespace(leader=1), 1: SimpleNamespace(leader=-1)})
    topics = topics_of([{"new": lost}], monkeypatch)
    with pytest.raises(BackendUnavailable, match=r"topic new: partitions \[1\] have no leader"):
        topics.check()
