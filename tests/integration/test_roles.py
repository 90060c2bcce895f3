"""Roles in any number on shared engines: receivers, processors and APIs, two each, on Kafka, OpenSearch and PostgreSQL.

They share nothing else: each has a data folder and a port of its own, as on machines of their own. The tests go on with
one installation, in their order, and leave it whole.
"""

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest
from tests.load import Sender
from tests.roles import Installation, Pairs, Role, balance, check_nothing_lost_or_doubled, event, under_load
from tests.servers import opensearch
from tests.servers.kafka import Kafka
from tests.servers.process import ServerProcess
from tests.service import LOGKEEP, wait_for
from tests.sse import Reader

PARTITIONS = 4
SESSION_TIMEOUT_S = 6  # after which a dead processor's partitions are another's; the least a broker allows
OUTAGE_EVENTS = 3_000  # of each sender at least, while the store is away
OUTAGE_S = float(os.environ.get("LOGKEEP_TEST_OUTAGE_S", "0"))  # and so long at least: 300 are what is promised
SECRET = "se%2Fcret%401"  # of the metastore's URL


class Site(Pairs):
    """The installation, and the engines that tests take away."""

    def __init__(self, installation: Installation, store: ServerProcess, kafka: Kafka) -> None:
        super().__init__(installation)
        self.store, self.kafka = store, kafka
        self.udp = installation.start("udp")

    def shares(self) -> list[int]:
        """How many partitions each processor said last that it owns."""
        return [len(owned_by(one)) for one in self.processors]

    def wait_until_shared(self) -> None:
        wait_for(lambda: sorted(self.shares()) == [2, 2], 60, "both to own partitions", self.all.told)


def owned_by(processor: Role) -> list[str]:
    said = [json.loads(line) for line in processor.log_text().splitlines() if line.startswith("{")]
    return next((line["partitions"] for line in reversed(said) if line["event"] == "partitions owned"), [])


@pytest.fixture(scope="module")
def site(kafka: Kafka, postgresql: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("roles")
    with opensearch.running() as store, ExitStack() as stack:
        installation = Installation(folder, settings(kafka.address, store.url, postgresql.new_database()))
        stack.callback(installation.close)
        started = Site(installation, store, kafka)
        installation.wait_until_ready()
        started.wait_until_shared()
        yield started


def settings(kafka: str, store: str, metastore: str) -> dict[str, str]:
    return {
        "LOGKEEP_QUEUE_KIND": "kafka",
        "LOGKEEP_KAFKA_SERVERS": kafka,
        "LOGKEEP_KAFKA_TOPIC": "roles",
        "LOGKEEP_KAFKA_PARTITIONS": str(PARTITIONS),
        "LOGKEEP_KAFKA_REPLICATION_FACTOR": "1",
        "LOGKEEP_KAFKA_MIN_INSYNC_REPLICAS": "1",
        "LOGKEEP_KAFKA_SESSION_TIMEOUT_S": str(SESSION_TIMEOUT_S),
        "LOGKEEP_KAFKA_DELIVERY_TIMEOUT_S": "3",
        "LOGKEEP_STORE_KIND": "opensearch",
        "LOGKEEP_OPENSEARCH_URLS": store,
        "LOGKEEP_OPENSEARCH_REPLICAS": "0",
        "LOGKEEP_METASTORE_URL": metastore,
        "LOGKEEP_METASTORE_REFRESH_S": "0.5",
    }


def test_what_any_receiver_takes_is_found_through_any_api(site: Site) -> None:
    for number, receiver in enumerate(site.receivers):
        assert site.all.post(receiver, event(number, key="state", session="found", value=f"v{number}")) == 202
        for api in site.apis:
            site.all.wait_for_events(api, f"session=found v{number}", 1)
    assert site.all.post(site.receivers[0], event(0, key="state", session="found", value="new", update=True)) == 202
    for api in site.apis:
        wait_for(
            lambda api=api: [each["value"] for each in site.all.search(api, "session=found")] == ["new"],  # type: ignore[misc]
            30,
            "the update to stand alone",
        )
    assert [site.all.get(api, "/sessions/found.json").json()["session"] for api in site.apis] == ["found"] * 2


def test_datagrams_come_in_and_both_processors_work(site: Site) -> None:
    command = [LOGKEEP, "load", "--url", site.udp.url, "--protocol", "udp", "--events", "100", "--rate", "500"]
    environment = os.environ | {"LOGKEEP_KEY": site.all.credentials["app_key"]}
    assert subprocess.run(command, env=environment, stdout=subprocess.DEVNULL, timeout=60).returncode == 0
    for number in range(2 * PARTITIONS):
        for receiver in site.receivers:
            assert site.all.post(receiver, event(number, session="spread")) == 202
    site.all.wait_for_events(site.apis[0], "session=spread", 4 * PARTITIONS)
    wait_for(lambda: site.all.ledger(site.apis[0])["received"] >= 100 + 4 * PARTITIONS, 30, "all datagrams")
    site.all.wait_until_drained(site.apis[0])
    assert all(one.metric("logkeep_processor_events_stored_total") > 0 for one in site.processors)

    def counted() -> tuple[int, int]:
        senders = site.all.get(site.apis[1], "/api/v1/udp-loss").json()["senders"]
        return sum(row["received"] for row in senders), sum(row["missing"] for row in senders)

    # The leader keeps these counts every few seconds.
    wait_for(lambda: counted() == (100, 0), 30, "the numbers of datagrams to be told", lambda: str(counted()))


def test_a_tail_hears_both_receivers_and_goes_on_at_the_other_api(site: Site) -> None:
    reader = Reader(site.apis[0].url, site.all.read_headers, query="session=tail").begin()
    for number, receiver in enumerate(site.receivers):
        assert site.all.post(receiver, event(number, session="tail", id=f"t{number}")) == 202
    assert {each["id"] for each in reader.events(2)} == {"t0", "t1"}
    place = reader.last_id
    reader.close()
    assert site.all.post(site.receivers[0], event(2, session="tail", id="t2")) == 202
    site.all.wait_for_events(site.apis[1], "session=tail", 3)
    headers = site.all.read_headers | {"Last-Event-ID": place}
    again = Reader(site.apis[1].url, headers, query="session=tail")
    missed, notices = again.until("t2")  # those of the last seconds may come again; clients know them by their ids
    assert set(missed) <= {"t0", "t1", "t2"} and notices == []
    assert site.all.post(site.receivers[1], event(3, session="tail", id="t3")) == 202
    assert again.until("t3")[1] == []
    again.close()


def test_an_erasure_asked_of_an_api_is_done_by_the_processor_that_leads(site: Site) -> None:
    numbers = range(2 * PARTITIONS)
    for number in numbers:
        assert site.all.post(site.receivers[number % 2], event(number, session="gone", user="anna")) == 202
    site.all.wait_for_events(site.apis[0], "user=anna", len(numbers))
    here, there = (api.url for api in site.apis)
    with httpx.Client(headers=site.all.read_headers, timeout=30) as client:
        asked = client.delete(f"{here}/api/v1/events", params={"query": "user=anna"}).json()
        path = f"/api/v1/erasures/{asked['job']}"
        assert client.post(here + path, json={"confirm": asked["confirm"]}).status_code == 200
        wait_for(lambda: client.get(there + path).json()["state"] in ("removing_files", "done"), 60, "the erasure")
        assert client.get(there + path).json()["erased"]["events"] == len(numbers)
    assert [site.all.search(api, "user=anna") for api in site.apis] == [[], []]
    ledgers = [site.all.ledger(api) for api in site.apis]
    assert ledgers[0] == ledgers[1] and balance(ledgers[0]) == 0 and ledgers[0]["erased"] == len(numbers)


def test_a_processor_killed_under_load_is_replaced_by_the_other(site: Site) -> None:
    leader = max(site.processors, key=lambda one: "kafka-0" in owned_by(one))
    other = next(one for one in site.processors if one is not leader)

    def work(senders: list[Sender]) -> None:
        leader.kill()
        wait_for(lambda: len(owned_by(other)) == PARTITIONS, 60, "the other to own all", other.log_tail)

    senders = under_load(site, work)
    check_nothing_lost_or_doubled(site, senders)
    leader.start()
    leader.wait_until_ready()
    site.wait_until_shared()


@pytest.mark.slow
@pytest.mark.timeout(300 + 2 * OUTAGE_S)
def test_intake_goes_on_while_the_store_is_away_and_what_waits_is_made_up_for(site: Site) -> None:
    """A stand-in for minutes: what counts is how much waits (LOGKEEP_TEST_OUTAGE_S makes them real ones).

    How fast that is made up for is printed.
    """
    waiting: list[int] = []

    def work(senders: list[Sender]) -> None:
        until_s = time.monotonic() + OUTAGE_S
        site.store.kill()
        for sender in senders:
            target = len(sender.acknowledged) + OUTAGE_EVENTS
            wait_for(lambda s=sender, t=target: len(s.acknowledged) >= t, 120, "events while it is away")  # type: ignore[misc]
        wait_for(lambda: time.monotonic() >= until_s, OUTAGE_S + 1, "the outage to be long enough")
        for role in (*site.processors, *site.apis):
            status, text = role.readiness()
            assert status == 503 and "the store does not answer" in text, (role.kind, text)
        assert [one.readiness()[0] for one in site.receivers] == [200, 200]
        assert site.all.get(site.apis[0], "/api/v1/search").status_code == 503
        waiting.append(site.all.ledger(site.apis[0])["queued"])
        site.store.start()
        for role in (*site.processors, *site.apis):
            role.wait_until_ready()

    senders = under_load(site, work, more=10, pause_s=0.01 if OUTAGE_S < 60 else 0.05)
    began_s = time.monotonic()
    site.all.wait_until_drained(site.apis[1], timeout_s=120 + OUTAGE_S)
    took_s = time.monotonic() - began_s
    assert waiting[0] >= 2 * OUTAGE_EVENTS - 1000
    print(f"{waiting[0]:,} events waited; drained in {took_s:.1f} s, {waiting[0] / took_s:,.0f} a second")
    check_nothing_lost_or_doubled(site, senders)


def test_while_the_queue_is_away_receivers_are_not_ready_and_apis_are(site: Site) -> None:
    site.kafka.brokers[0].kill()
    try:
        for role in (*site.receivers, *site.processors):
            wait_for(lambda role=role: role.readiness()[0] == 503, 60, "it not to be ready", role.log_tail)  # type: ignore[misc]
        for api in site.apis:
            wait_for(lambda api=api: "degraded" in api.readiness()[1], 30, "it to be told", api.log_tail)  # type: ignore[misc]
            status, text = api.readiness()
            assert status == 200 and "the ledger cannot" in text
            assert site.all.search(api, "session=found") != []
    finally:
        site.kafka.brokers[0].start()
    for role in site.all.roles:
        role.wait_until_ready()
    assert site.all.post(site.receivers[0], event(0, session="after")) == 202
    site.all.wait_for_events(site.apis[1], "session=after", 1, timeout_s=60)
    check_nothing_lost_or_doubled(site, [])


def test_a_role_starts_while_the_metastore_is_away(site: Site, postgresql: Any) -> None:
    postgresql.server.kill()
    roles = (site.receivers[0], site.processors[0], site.apis[0])
    try:
        for role in roles:
            assert role.terminate() == 0
            role.start()
        for role in roles:
            role.wait_until_ready()
        assert site.all.post(site.receivers[0], event(0, session="metastore away")) == 202
        site.all.wait_for_events(site.apis[0], 'session="metastore away"', 1, timeout_s=60)
        status, text = site.apis[0].readiness()
        assert status == 200 and "the metastore has not answered" in text
    finally:
        postgresql.server.start()
    wait_for(lambda: "degraded" not in site.apis[0].readiness()[1], 30, "the end of the outage", site.apis[0].log_tail)
    site.wait_until_shared()


def test_every_role_ends_in_order_and_no_secret_is_in_its_log(site: Site) -> None:
    assert [(role.kind, role.terminate()) for role in site.all.roles] == [(role.kind, 0) for role in site.all.roles]
    names = ("app_key", "api_token", "admin_password")
    secrets = [SECRET, "se/cret@1", *(site.all.credentials[name] for name in names)]
    for role in site.all.roles:
        assert [secret for secret in secrets if secret in role.log_text()] == []
