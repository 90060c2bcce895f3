"""Processors share partitions, take over from each other, and cannot commit for what they have lost."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import pytest
from tests.contract.queues import SERVERS, Installation, joined, names, read_all, read_some, sharing
from tests.service import wait_for

from logkeep.errors import BackendUnavailable
from logkeep.queue.port import ANY, LEADER, Mark, NotOwner, Ownership

TAKE_OVER_S = 60.0


@pytest.fixture(params=SERVERS)
def installation(request: pytest.FixtureRequest) -> Installation:
    return sharing(request.param, request.getfixturevalue)


@contextmanager
def member(installation: Installation, wanted: int) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "tests.contract.queue_member", msgspec.json.encode(installation).decode()]
    process = subprocess.Popen(
        [*command, str(wanted)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def ask(process: subprocess.Popen[str], line: str) -> str:
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(line + "\n")
    return next_line(process)


def next_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    for line in process.stdout:
        if not line.startswith("20"):  # a log line
            return line.strip()
    raise AssertionError("the member ended")


def test_two_share_the_partitions_and_one_of_them_leads(installation: Installation) -> None:
    with joined(installation, 2) as (one, two):
        parts = [names(one)[0]], [names(one)[1]]

        def is_shared() -> bool:
            owned = [queue.owned("g") for queue in (one, two)]
            return sorted(sorted(each.partitions) for each in owned) == sorted(parts) and (
                [each.leads for each in owned].count(True) == 1
            )

        wait_for(is_shared, TAKE_OVER_S, "both to own one", lambda: f"{one.owned('g')} {two.owned('g')}")


def test_what_is_appended_anywhere_is_read_by_someone_once(installation: Installation) -> None:
    with joined(installation, 2) as (one, two):
        wait_for(lambda: len(one.owned("g").partitions) == len(two.owned("g").partitions) == 1, TAKE_OVER_S, "both")
        for number in range(20):
            one.append(ANY, [b"%d" % number])
        found: list[int] = []

        def are_all_there() -> bool:
            for queue in (one, two):
                found.extend(int(record.payload) for record in queue.read("g", records_max=99, bytes_max=9999))
            return len(found) >= 20

        wait_for(are_all_there, TAKE_OVER_S, "20 records", lambda: str(found))
        assert sorted(found) == list(range(20))


def test_who_closes_hands_over_at_once_and_its_marks_with_it(installation: Installation) -> None:
    with joined(installation, 2) as (one, two):
        a, _ = names(one)
        one.append(a, [b"done", b"not done"])
        first = read_some(one, 2)[0]
        one.commit("g", {a: Mark(first.next_offset, b"ledger"), LEADER: Mark(0, b"chores")}, owner=one.owned("g"))
        one.close()
        wait_for(lambda: two.owned("g").leads, TAKE_OVER_S, "the other to lead", lambda: str(two.owned("g")))
        assert two.marks("g") == {a: Mark(first.next_offset, b"ledger"), LEADER: Mark(0, b"chores")}
        two.rewind("g")
        assert read_all(two) == {a: [b"not done"]}


def test_one_that_slept_too_long_has_lost_everything_and_its_commit_changes_nothing(installation: Installation) -> None:
    with joined(installation, 1) as (other,):
        a, b = names(other)
        other.append(a, [b"one"])
        other.append(b, [b"two"])
        with member(installation, 2) as zombie:
            assert next_line(zombie) == f"read 2 {a} {b}"
            zombie.send_signal(signal.SIGSTOP)
            wait_for(lambda: other.owned("g").partitions == {a, b}, TAKE_OVER_S, "all", lambda: str(other.owned("g")))
            assert read_all(other) == {a: [b"one"], b: [b"two"]}
            other.commit("g", {a: Mark(1, b"successor")}, owner=owned_marks(other))
            zombie.send_signal(signal.SIGCONT)
            assert ask(zombie, "commit").split()[0] in ("not_owner", "unavailable")
            assert other.marks("g") == {a: Mark(1, b"successor")}


def owned_marks(queue: Any) -> Ownership:
    """What is owned, its marks being read."""
    owner: Ownership = queue.owned("g")
    queue.marks("g")
    return owner


def test_one_that_is_killed_is_taken_over_from(installation: Installation) -> None:
    with joined(installation, 1) as (other,):
        a, b = names(other)
        other.append(a, [b"one"])
        with member(installation, 1) as victim:
            assert next_line(victim).startswith("read 1")
            assert ask(victim, "commit") == "committed"
            victim.kill()
            wait_for(lambda: other.owned("g").partitions == {a, b}, TAKE_OVER_S, "all", lambda: str(other.owned("g")))
            assert {name: mark.data for name, mark in other.marks("g").items()} == {a: b"member"}
            assert read_all(other) == {}


def test_a_commit_under_an_ownership_of_before_is_refused(installation: Installation) -> None:
    with joined(installation, 2) as (one, two):
        a, _ = names(one)
        one.append(a, [b"x"])
        read_some(one, 1)
        before = one.owned("g")
        two.owned("g")  # joins
        wait_for(lambda: one.owned("g") != before, TAKE_OVER_S, "what one owns to change")
        with pytest.raises(NotOwner):
            one.commit("g", {a: Mark(1)}, owner=before)


def test_one_with_a_lasting_name_goes_on_at_once_and_the_run_before_is_refused(installation: Installation) -> None:
    lasting = msgspec.structs.replace(
        installation,
        kafka=msgspec.structs.replace(installation.kafka, instance="keeper"),
        redis=msgspec.structs.replace(installation.redis, instance="keeper", lease_s=60.0),
    )
    with joined(lasting, 1) as (before,):
        a, b = names(before)
        before.append(a, [b"one"])
        read_some(before, 1)
        owner = owned_marks(before)
        assert owner.partitions == {a, b}
        with joined(lasting, 1) as (after,):
            wait_for(lambda: after.owned("g").partitions == {a, b}, 30.0, "all", lambda: str(after.owned("g")))
            after.commit("g", {a: Mark(1, b"successor")}, owner=owned_marks(after))
            with pytest.raises(BackendUnavailable):
                before.commit("g", {a: Mark(1, b"before")}, owner=owner)
            assert after.marks("g") == {a: Mark(1, b"successor")}
