"""Which datagrams pass the limits of the app they name, and what is told of the others."""

import json
from typing import Any

import pytest
from tests.limiting import Receiver

from logkeep.clock import ManualClock
from logkeep.decode.frame import FrameHeader
from logkeep.metastore.blocks import Blocked
from logkeep.metastore.limits import ComponentLimits
from logkeep.receiver.batch_ids import BatchIds
from logkeep.receiver.sender_limits import Sender
from logkeep.receiver.udp_limits import DatagramLimits

KEYS = {"k-shop": Sender("shop", "1"), "k-other": Sender("other", "2")}


def limits(app: str = "", **given: Any) -> DatagramLimits:
    limiter = Receiver(ManualClock(), **given).limiter
    return DatagramLimits(limiter, KEYS.get, app=app, batch_ids=BatchIds(ManualClock()))


def datagram(component: str = "cart", key: str = "k-shop", **members: Any) -> bytes:
    return json.dumps({"app": key, "component": component, "session": "s", "key": "k", "value": 1} | members).encode()


def dropped(told: list[FrameHeader]) -> dict[str, int]:
    assert all(header.count == 0 and header.source == "udp" and header.received_ns == 7 for header in told)
    return {header.app: header.rejected["over_quota"] for header in told}


def test_each_datagram_counts_for_the_app_it_names() -> None:
    found = limits(events_per_second=10, burst_events=100)
    sent = [datagram(value=n) for n in range(150)] + [datagram(key="k-other", value=n) for n in range(50)]
    kept, told = found.admitted(sent, (), 7)
    assert dropped(told) == {"shop": 50}
    assert kept == [one for one in sent if one in kept] and len(kept) == 150 and kept[-50:] == sent[-50:]
    assert (len(told[0].samples), told[0].samples[0].reason) == (5, "over_quota")


def test_nothing_is_read_where_nothing_is_limited() -> None:
    receiver = Receiver(ManualClock())
    receiver.given.apps = {}
    receiver.given.known = object()
    receiver.tick()
    found = DatagramLimits(receiver.limiter, lambda key: 1 / 0, app="", batch_ids=BatchIds(ManualClock()))  # type: ignore[arg-type,return-value]
    sent = [b"\xff", datagram()]
    assert found.admitted(sent, (), 7) == (sent, [])


def test_what_cannot_be_read_is_left_to_the_processor() -> None:
    found = limits(events_per_second=1, burst_events=1)
    odd = [b"\xff{", b"", b"[1]", b"{", b'{"app":5}', datagram(key="nobody"), b"{}" * 3]
    kept, told = found.admitted(odd, (), 7)
    assert (kept, told) == (odd, [])


def test_members_of_odd_types_do_not_pass_the_limit() -> None:
    found = limits(events_per_second=1, burst_events=3)
    sent = [datagram(level=5, component={"a": 1}) for _ in range(10)]
    kept, told = found.admitted(sent, (), 7)
    assert (len(kept), dropped(told)) == (3, {"shop": 7})


@pytest.mark.parametrize("odd", [{}, {"level": 5}, {"level": {}}, {"level": "\ud800"}, {"value": "\udfff"}])
def test_a_datagram_with_an_odd_member_is_still_of_its_component(odd: dict[str, Any]) -> None:
    receiver = Receiver(ManualClock(), components={"evil": ComponentLimits(events_per_second=0.1)})
    receiver.blocks.set("shop", Blocked((), (), {"worse": "no"}))
    receiver.tick()
    found = DatagramLimits(receiver.limiter, KEYS.get, app="", batch_ids=BatchIds(ManualClock()))
    assert len(found.admitted([datagram("evil")], (), 7)[0]) == 1
    assert found.admitted([datagram("evil", **odd), datagram("worse", **odd)], (), 7)[0] == []


def test_the_lines_of_a_datagram_are_counted_each() -> None:
    found = limits(events_per_second=1, burst_events=3)
    kept, told = found.admitted([b"\n".join([datagram()] * 5) + b"\n\n", datagram(key="k-other")], (), 7)
    assert (len(kept), dropped(told)) == (4, {"shop": 2})


def test_a_default_app_has_all_datagrams() -> None:
    found = limits(app="shop", components={"noisy": ComponentLimits(events_per_second=0.1)})
    kept, told = found.admitted([datagram("noisy", key="x")] * 3 + [datagram("cart", key="")], (), 7)
    assert (len(kept), dropped(told)) == (2, {"shop": 2})


def test_one_address_does_not_take_what_belongs_to_others() -> None:
    found = limits(address_events_per_second=1)  # ten at once
    here, there, far = b"\x7f\0\0\1", b"\x7f\0\0\2", b"\x20\x01\x0d\xb8" + b"\0" * 12
    sources = [here] * 50 + [there] * 5 + [far[:-1] + bytes([n]) for n in range(20)]
    kept, told = found.admitted([datagram(value=n) for n in range(75)], sources, 7)
    assert (len(kept), dropped(told)) == (25, {"shop": 50})
    counts = found._limiter.refusals.counts
    assert {name[2]: one.events for name, one in counts.items()} == {"127.0.0.1": 40, "2001:db8::/64": 10}
