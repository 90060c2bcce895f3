"""kill -9 of any process at any moment under load: nothing acknowledged is lost, nothing is there twice."""

import os
import random
import signal
from collections.abc import Callable

import pytest
from tests.load import DatagramSender, Sender, in_threads
from tests.service import Role, Service, wait_for

ROUNDS = 20
# Every kind of process is killed in every run; what is random is the order, and so what it meets.
VICTIMS: tuple[Role, ...] = ("receiver", "udp", "keeper", "keeper", "supervisor")


def kill_one(service: Service, role: Role, choice: random.Random) -> None:
    """SIGKILL to one process of `role`; returns when the service is whole again."""
    if role == "supervisor":
        service.kill_supervisor()
        service.start_again()
        return
    victim = choice.choice(service.pids(role))
    whole = len(service.pids(role))
    os.kill(victim, signal.SIGKILL)

    def is_whole_again() -> bool:
        pids = service.pids(role)
        return victim not in pids and len(pids) == whole

    wait_for(is_whole_again, 90.0, f"a new {role} in place of {victim}", service.log_tail)
    service.wait_until_ready()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_twenty_kills_under_load_lose_and_double_nothing(start_service: Callable[..., Service]) -> None:
    seed = int(os.environ.get("LOGKEEP_TEST_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"seed {seed}: again with LOGKEEP_TEST_SEED={seed}")
    choice = random.Random(seed)
    service = start_service(LOGKEEP_INTAKE_PROCESSES="2")
    senders = [Sender(service, f"kill-{n}") for n in range(3)]
    datagrams = DatagramSender(service, "kill-udp")
    threads = in_threads(*(sender.run for sender in senders), datagrams.run)

    victims = list(VICTIMS) * (ROUNDS // len(VICTIMS))
    choice.shuffle(victims)
    try:
        for number, role in enumerate(victims):
            print(f"round {number}: kill {role}")
            choice.choice(senders).wait_for_acknowledged(choice.randrange(1, 300))
            kill_one(service, role, choice)
    finally:
        for sender in senders:
            sender.stop()
        datagrams.stop()
        for thread in threads:
            thread.join()

    ledger = service.wait_until_drained()
    found = [e["id"] for e in service.search("session:kill-*")]
    acknowledged = {one for sender in senders for one in sender.acknowledged}
    print(f"{len(acknowledged)} acknowledged, {len(found)} found, {datagrams.sent} datagrams sent, ledger {ledger}")
    assert sorted(acknowledged - set(found)) == []
    assert len(found) == len(set(found))
    assert any(one.startswith("kill-udp-") for one in found)
    assert ledger["stored"] == len(found)
    outcomes = ledger["stored"] + sum(ledger["rejected"].values()) + ledger["over_quota"] + ledger["expired"]
    assert ledger["received"] == outcomes + ledger["queued"]
    # What was sent twice on purpose, and perhaps retries after an answer that a kill has swallowed.
    assert set(ledger["rejected"]) == {"duplicate"}
    assert ledger["rejected"]["duplicate"] >= sum(sender.repeated for sender in senders) > 0
    assert service.terminate() == 0
