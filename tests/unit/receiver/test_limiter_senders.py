"""Senders: limits of keys and addresses, what is blocked, and who is not listened to any more."""

import ipaddress

import pytest
from tests.limiting import Receiver, events

from logkeep.clock import ManualClock
from logkeep.counters import usage
from logkeep.errors import InputError, QuotaExceeded
from logkeep.metastore.blocks import Blocked
from logkeep.receiver.sender_limits import SENDERS_MAX, Sender


def test_keys_and_addresses_have_limits_and_a_million_of_them_take_bounded_memory() -> None:
    receiver = Receiver(ManualClock(), key_events_per_second=1, address_events_per_second=2)
    assert [receiver.send(*events(10), key="k1", address="a") for _ in range(2)] == [10, None]
    assert receiver.send(*events(10), key="k2", address="a") == 10
    assert receiver.send(*events(1), key="k3", address="a") is None
    for number in range(SENDERS_MAX * 2):
        receiver.send(
            *events(1), key="k4" if number < 5 else f"k{number}", address=f"10.0.{number >> 8}.{number & 255}"
        )
    assert len(receiver.limiter._senders) == SENDERS_MAX
    assert len(receiver.refusals.counts) <= 256 + 8


def test_a_component_is_blocked_whatever_its_name_holds() -> None:
    receiver = Receiver(ManualClock())
    receiver.blocks.set("shop", Blocked((), (), {"a\ufffdb": "no"}))
    receiver.tick()
    assert receiver.send(*events(1, "info", "a\0b"), *events(1, "info", "ab")) == 1


def test_what_is_blocked_is_refused_with_its_reason_and_counted() -> None:
    receiver = Receiver(ManualClock())
    network = ipaddress.ip_network("192.0.2.0/24")
    receiver.blocks.set("shop", Blocked(((network, "a loop"),), (("abcd1234", "leaked"),), {"noisy": "too much"}))
    receiver.tick()
    assert receiver.limiter.looks_at_addresses and receiver.limiter.limits("shop") and not receiver.limiter.limits("o")
    for key, address, words in (("abcd1234ffffffff", "", "this key is blocked: leaked"), ("", "192.0.2.9", "a loop")):
        with pytest.raises(InputError, match=words) as caught:
            receiver.send(*events(3), key=key, address=address)
        assert (caught.value.status, caught.value.code) == (403, "blocked")
    sent = [*events(2, "info", "noisy"), *events(3, "info", "cart"), *events(1, None)]
    assert receiver.send(*sent, key="1111", address="198.51.100.1") == 4
    assert receiver.limiter.rule_each(Sender("shop"), ["192.0.2.1", "198.51.100.1"], [1, 1], events(2)) == {
        0: "blocked"
    }
    assert receiver.limiter.rule_each(Sender("shop", "abcd1234ffffffff"), (), [1, 1], events(2)) == {
        0: "blocked", 1: "blocked",
    }  # fmt: skip
    receiver.clock.advance(10)
    receiver.tick()
    hour, rows = receiver.exchange.refused
    assert hour == usage.hour_of(receiver.clock.now_ns())
    assert {(row.kind, row.source, row.why, row.events) for row in rows} == {
        ("key", "abcd1234ffffffff", "blocked", 5), ("address", "192.0.2.9", "blocked", 3),
        ("component", "noisy", "blocked", 2), ("address", "192.0.2.1", "blocked", 1),
    }  # fmt: skip


def test_an_address_over_its_limit_again_and_again_is_not_listened_to() -> None:
    receiver = Receiver(ManualClock(), address_events_per_second=1)
    receiver.given.any_address = True
    receiver.given.known = object()
    receiver.tick()
    assert receiver.send(*events(10), address="a") == 10
    for _ in range(100):
        assert receiver.send(*events(1), address="a") is None
    receiver.clock.advance(11)  # there are tokens again, but nobody looks
    assert receiver.send(*events(1), address="a") is None and 15 <= receiver.refusal.retry_after_s <= 30
    assert receiver.send(*events(1), address="b") == 1
    assert receiver.send(*events(1), app="other", address="a") == 1  # another app's limits are its own
    receiver.clock.advance(20)
    receiver.tick()
    assert receiver.send(*events(1), address="a") == 1


def test_an_address_that_guesses_keys_is_not_told_any_more_which_is_valid_and_is_counted() -> None:
    receiver = Receiver(ManualClock(), address_events_per_second=1)
    receiver.limiter.unknown("a")
    assert receiver.refusals.counts == {}  # nobody limits addresses
    receiver.given.any_address, receiver.given.known = True, object()
    receiver.tick()
    for _ in range(100):
        receiver.limiter.unknown("a")
    with pytest.raises(QuotaExceeded) as caught:
        receiver.limiter.unknown("a")
    assert receiver.send(*events(1), address="a") is None
    assert caught.value.message == receiver.refusal.message and caught.value.retry_after_s == 30
    receiver.limiter.unknown("b")
    assert {name: one.events for name, one in receiver.refusals.counts.items()} == {
        ("", "address", "a", "key"): 100, ("", "address", "a", "blocked"): 1, ("shop", "address", "a", "blocked"): 1,
        ("", "address", "b", "key"): 1,
    }  # fmt: skip
