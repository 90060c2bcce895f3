"""A newer Logkeep's queue is refused, with what to do, and left alone; the sign of the layout that is known is not."""

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import redis as redis_client
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from tests.contract.queues import SETTINGS, sharing
from tests.service import wait_for

from logkeep.clock import ManualClock
from logkeep.disk import SystemDisk
from logkeep.errors import BackendUnavailable
from logkeep.queue.layout import LAYOUT
from logkeep.queue.local import LocalQueue


@pytest.mark.parametrize("kind", ["local", "redis", "kafka"])
def test_a_newer_layout_is_refused_and_left_alone(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    make, sign = {"local": local, "redis": on_redis, "kafka": on_kafka}[kind](tmp_path, request.getfixturevalue)
    sign(LAYOUT)
    with closing(make()) as queue:
        queue.append(queue.datagrams, [b"kept"])
        ends = queue.ends()
    sign(LAYOUT + 1)
    with pytest.raises(BackendUnavailable) as told, closing(make()) as queue:
        queue.check()
        queue.append(queue.datagrams, [b"not taken"])
    assert told.value.code == "queue_too_new"
    assert f"has layout '{LAYOUT + 1}', this program knows up to {LAYOUT}; start the newer" in told.value.message
    sign(LAYOUT)
    with closing(make()) as queue:
        queue.check()
        assert queue.ends() == ends


Made = tuple[Callable[[], Any], Callable[[int], None]]  # opens the queue; leaves the sign of a layout


def local(folder: Path, server: Callable[[str], Any]) -> Made:
    def make() -> LocalQueue:
        return LocalQueue(folder, SETTINGS, disk=SystemDisk(), clock=ManualClock(), write=("udp-0",))

    return make, lambda number: (folder / "layout").write_text(f"{number}\n") and None


def on_redis(folder: Path, server: Callable[[str], Any]) -> Made:
    installation = sharing("redis", server)
    client = redis_client.Redis.from_url(installation.redis.url)
    return installation, lambda number: client.set(f"{installation.redis.prefix}:layout", number) and None


def on_kafka(folder: Path, server: Callable[[str], Any]) -> Made:
    """An empty topic each: the one of the newer layout goes again."""
    installation = sharing("kafka", server)
    admin = AdminClient({"bootstrap.servers": installation.kafka.servers})
    newer = f"{installation.kafka.topic}-layout-{LAYOUT + 1}"

    def sign(number: int) -> None:
        wanted, there = number > LAYOUT, newer in admin.list_topics(timeout=10).topics
        if wanted:
            admin.create_topics([NewTopic(newer, 1, 1)])[newer].result()
        elif there:
            admin.delete_topics([newer])[newer].result()
        wait_for(lambda: (newer in admin.list_topics(timeout=10).topics) == wanted, 30, "the topic to be as wanted")

    return installation, sign
