"""Access lists of Kafka's: the rights that the documentation names are enough for each role, and none is too much.

A real broker with its authorizer and a user a role. What a role does with its queue is done here with the queue itself;
tests/integration/test_roles.py has the roles.
"""

import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from confluent_kafka.admin import (
    AclBinding,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)
from tests.contract.queues import is_read
from tests.servers import kafka as servers
from tests.servers.authority import shared as shared_authority
from tests.service import wait_for

from logkeep.clock import SystemClock
from logkeep.errors import BackendUnavailable
from logkeep.queue.kafka import KafkaQueue
from logkeep.queue.port import ANY, LEADER, Mark
from logkeep.settings import KafkaSettings, QueueSettings

PAGE = Path(__file__).parents[2] / "docs/how-to/secure-servers.md"
USERS = dict(zip(("receiver", "processor", "api"), servers.LIMITED, strict=True))
TYPES = {
    "topic": ResourceType.TOPIC,
    "group": ResourceType.GROUP,
    "transactional id": ResourceType.TRANSACTIONAL_ID,
}
GROUP = "processor"
WAIT_S = 60.0


def outcome(work: Callable[[KafkaQueue], None], queue: KafkaQueue) -> str:
    """What hindered it; "" when nothing did."""
    try:
        work(queue)
    except BackendUnavailable as error:
        return error.message
    return ""


class Right(msgspec.Struct, frozen=True):
    role: str
    resource: str
    name: str
    pattern: str
    operation: str

    def binding(self, topic: str) -> Any:
        name = self.name.replace("logkeep", topic)
        return AclBinding(
            TYPES[self.resource], name, ResourcePatternType[self.pattern.upper()], f"User:{USERS[self.role]}", "*",
            AclOperation[self.operation.upper()], AclPermissionType.ALLOW,
        )  # fmt: skip

    def told(self, topic: str) -> str:
        """As an error names it."""
        return f"needs {self.operation} on {self.resource} {self.name.replace('logkeep', topic)}"


def documented() -> list[Right]:
    rows = re.findall(r"^\| ([a-z, ]+) \| (topic|group|transactional id) \| `(.+?)` \| (\w+) \| (.+?) \|$",
                      PAGE.read_text(), re.MULTILINE)  # fmt: skip
    return [
        Right(role.partition(",")[0], resource, name, pattern, operation)
        for role, resource, name, pattern, operations in rows
        for operation in operations.split(", ")
    ]


RIGHTS = documented()


class Site:
    """A topic of its own, with nobody allowed anything, on the shared broker."""

    def __init__(self, server: servers.Kafka) -> None:
        self.topic = f"acl{uuid.uuid4().hex[:10]}"
        self._server = server
        self._admin = AdminClient({"bootstrap.servers": server.address})
        with closing(self.queue(servers.USER)) as queue:
            wait_for(lambda: outcome(KafkaQueue.check, queue) == "", WAIT_S, "the topics to be known")

    def queue(self, user: str) -> KafkaQueue:
        files = shared_authority().files
        settings = KafkaSettings(
            servers=self._server.secured, topic=self.topic, partitions=2, replication_factor=1, min_insync_replicas=1,
            session_timeout_s=6.0, delivery_timeout_s=5.0, security="sasl_ssl", user=user, password=servers.PASSWORD,
            ca_file=files.ca, certificate_file=files.certificate, key_file=files.key,
        )  # fmt: skip
        return KafkaQueue(settings, QueueSettings(), clock=SystemClock())

    def allow(self, *rights: Right) -> None:
        for told in self._admin.create_acls([right.binding(self.topic) for right in rights]).values():
            told.result()


@pytest.fixture
def site() -> Iterator[Site]:
    yield Site(servers.shared())


def receive(queue: KafkaQueue) -> None:
    queue.check()
    queue.append(ANY, [b"one"])
    queue.append(ANY, [b"two"])


def process(queue: KafkaQueue) -> None:
    """What there is is read, committed, measured and removed. Again: no harm."""
    queue.rewind(GROUP)
    found: dict[str, Mark] = {}

    def are_read() -> bool:
        for record in queue.read(GROUP, records_max=100, bytes_max=1 << 20):
            found[record.partition] = Mark(record.next_offset, b"kept")
        queue.check()
        return len(queue.owned(GROUP).partitions or ()) == 2 and is_read(queue, GROUP)

    wait_for(are_read, WAIT_S, "both partitions to be read")
    owner = queue.owned(GROUP)
    queue.commit(GROUP, found, owner=owner)
    queue.commit("udp-loss", {LEADER: Mark(0, b"numbers")}, owner=owner)
    ends = queue.ends()
    assert {name: mark.offset for name, mark in queue.marks(GROUP).items()} == ends
    assert set(queue.lag(GROUP).values()) == {0}
    assert list(queue.uncommitted(GROUP)) == []
    list(queue.replay(queue.datagrams, 0, ends[queue.datagrams]))
    queue.trim()
    wait_for(lambda: queue.forget(ends), WAIT_S, "the records to be removed")


def ask(queue: KafkaQueue) -> None:
    queue.check()
    queue.marks(GROUP)
    assert len(list(queue.uncommitted(GROUP, payload_bytes_max=10))) == 2


WORK: dict[str, Callable[[KafkaQueue], None]] = {"receiver": receive, "processor": process, "api": ask}


def of_role(role: str) -> list[Right]:
    return [right for right in RIGHTS if right.role == role]


def test_every_role_does_its_work_with_the_rights_that_are_documented(site: Site) -> None:
    site.allow(*RIGHTS)
    for role in ("receiver", "api", "processor"):
        with closing(site.queue(USERS[role])) as queue:
            wait_for_outcome(WORK[role], queue, "")


def wait_for_outcome(work: Callable[[KafkaQueue], None], queue: KafkaQueue, *expected: str) -> str:
    """The whole of what `work` said once one of these stood in it, or nothing. A broker hears of its lists a moment
    after they are made, and the busy machine of tests may be late."""
    last = [""]

    def is_said() -> bool:
        last[0] = outcome(work, queue)
        return any(text in last[0] if text else not last[0] for text in expected)

    wait_for(is_said, WAIT_S, f"{expected}", lambda: last[0])
    return last[0]


def test_a_user_without_any_right_is_told_which_comes_first(site: Site) -> None:
    told = f"kafka.user needs Create on topic {site.topic}, or Describe on topic {site.topic} "
    for user in USERS.values():
        with closing(site.queue(user)) as queue:
            wait_for_outcome(KafkaQueue.check, queue, told)


@pytest.mark.parametrize("missing", RIGHTS, ids=lambda one: f"{one.role}-{one.operation}-{one.resource}-{one.name}")
def test_none_is_too_much_and_what_is_missing_is_named(site: Site, missing: Right) -> None:
    site.allow(*(right for right in of_role(missing.role) if right != missing))
    if missing.role != "receiver":
        with closing(site.queue(servers.USER)) as queue:
            receive(queue)
    unseen = f"or Describe on topic {missing.name.replace('logkeep', site.topic)} "  # a topic that is not to be seen
    with closing(site.queue(USERS[missing.role])) as queue:
        said = wait_for_outcome(WORK[missing.role], queue, missing.told(site.topic), unseen)
    assert missing.resource == "topic" or unseen not in said
    assert "_AUTHORIZATION_FAILED" in said and servers.PASSWORD not in said


def test_what_is_granted_later_counts_without_a_restart(site: Site) -> None:
    read = next(one for one in of_role("processor") if (one.resource, one.operation) == ("group", "Read"))
    site.allow(*(right for right in of_role("processor") if right != read))
    with closing(site.queue(servers.USER)) as queue:
        receive(queue)
    with closing(site.queue(USERS["processor"])) as queue:

        def look(queue: KafkaQueue) -> None:
            queue.owned(GROUP)  # joins
            queue.check()

        wait_for_outcome(look, queue, read.told(site.topic))
        site.allow(read)
        wait_for_outcome(look, queue, "")
        wait_for_outcome(process, queue, "")


def test_the_table_of_rights_was_found() -> None:
    """A page that says nothing would allow nothing and test nothing."""
    assert {right.role for right in RIGHTS} == set(USERS) and len(RIGHTS) == 12
