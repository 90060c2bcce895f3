"""Whose address a request comes from, and who is not listened to for a while."""

import pytest

from logkeep.clock import ManualClock
from logkeep.errors import InputError
from logkeep.receiver.addresses import ADDRESSES_MAX, FORWARDED_KNOWN_MAX, Proxies, ShortBlocks, canonical, networks
from logkeep.settings import LimitSettings

TRUSTED = Proxies(networks("127.0.0.1, 10.0.0.0/8,::1,2001:db8:1::/48", "intake.trusted_proxies"))


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.9", "198.51.100.7", "203.0.113.9"),  # whoever is not trusted may write what he likes
        ("127.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("127.0.0.1", "192.0.2.1, 198.51.100.7", "198.51.100.7"),  # the left one was sent by the client itself
        ("10.1.2.3", "192.0.2.1, 198.51.100.7, 10.9.9.9,127.0.0.1", "198.51.100.7"),
        ("127.0.0.1", "127.0.0.1", "127.0.0.1"),
        ("127.0.0.1", "", "127.0.0.1"),
        ("127.0.0.1", "garbage", "127.0.0.1"),
        ("127.0.0.1", "192.0.2.1, <script>, 10.0.0.1", "10.0.0.1"),
        ("127.0.0.1", "198.51.100.7:4711", "198.51.100.7"),
        ("127.0.0.1", "[2001:db8:9:8:7::1]:4711", "2001:db8:9:8::/64"),
        ("::ffff:127.0.0.1", "::ffff:198.51.100.7", "198.51.100.7"),
        ("2001:db8:1::5", "fe80::1%eth0", "fe80::/64"),
        ("2001:db8:9:8:7::1", "", "2001:db8:9:8::/64"),
        ("127.0.0.1", "1.2.3.4, " * 10_000, "127.0.0.1"),
        ("127.0.0.1", "10.0.0.1, " * 300 + "10.0.0.1", "10.0.0.1"),
        ("", "198.51.100.7", ""),
    ],
)
def test_the_client_is_the_last_address_that_no_trusted_proxy_has(peer: str, forwarded: str, client: str) -> None:
    assert TRUSTED.client(peer, forwarded.encode()) == client
    assert TRUSTED.client(peer, forwarded.encode()) == client


def test_a_million_forged_addresses_are_not_remembered() -> None:
    proxies = Proxies(())
    for number in range(3 * FORWARDED_KNOWN_MAX):
        assert proxies.client("203.0.113.9", b"10.0.%d.%d" % divmod(number, 256)) == "203.0.113.9"
    assert len(proxies._known) <= FORWARDED_KNOWN_MAX


def test_what_is_no_network_is_refused_with_the_name_of_its_setting() -> None:
    with pytest.raises(InputError, match=r"intake\.trusted_proxies"):
        networks("10.0.0.0/8, nginx.example", "intake.trusted_proxies")
    assert networks(" ", "x") == ()


@pytest.mark.parametrize("text", ["", "x", "1.2.3", "999.1.1.1", "::g", "[", "1.2.3.4:5:6", "\0"])
def test_what_is_no_address_counts_for_nobody(text: str) -> None:
    assert canonical(text) is None


def test_an_address_that_goes_on_being_refused_is_blocked_for_a_while_and_longer_each_time() -> None:
    clock = ManualClock()
    blocks = ShortBlocks(LimitSettings(block_refusals=3, block_s=10), clock)
    assert [blocks.refused("shop", "a") for _ in range(3)] == [False, False, True]
    assert (blocks.any, blocks.left_s("shop", "a"), blocks.left_s("shop", "b")) == (True, 10, 0.0)
    clock.advance(10)
    assert blocks.left_s("shop", "a") <= 0
    assert [blocks.refused("shop", "a") for _ in range(3)][-1] and blocks.left_s("shop", "a") == 20
    clock.advance(20 + 11)
    assert blocks.refused("shop", "a") is False  # slowly refused is not flooding
    for _ in range(10):
        clock.advance(9)
        for _ in range(3):
            blocks.refused("shop", "a")
    assert blocks.left_s("shop", "a") == 160
    clock.advance(2000)
    blocks.forget()
    assert blocks.any is False and len(blocks._records) == 0


def test_a_clock_that_is_set_lets_nobody_out_and_keeps_nobody_in() -> None:
    clock = ManualClock()
    blocks = ShortBlocks(LimitSettings(block_refusals=1, block_s=10), clock)
    blocks.refused("shop", "a")
    clock.jump(-86_400)
    assert blocks.left_s("shop", "a") == 10
    clock.jump(10 * 86_400)
    assert blocks.left_s("shop", "a") == 10


def test_a_million_addresses_take_bounded_memory() -> None:
    clock = ManualClock()
    blocks = ShortBlocks(LimitSettings(block_refusals=2, block_s=10), clock)
    for number in range(3 * ADDRESSES_MAX):
        blocks.refused("shop", f"a{number}")
    assert len(blocks._records) == ADDRESSES_MAX == len(blocks.untold(10 * ADDRESSES_MAX))


def test_an_app_closes_its_own_door_and_guessed_keys_close_every_door() -> None:
    blocks = ShortBlocks(LimitSettings(block_refusals=1, block_s=10), ManualClock())
    blocks.refused("shop", "a")
    assert [blocks.left_s(app, "a") for app in ("shop", "other", "")] == [10, 0.0, 0.0]
    blocks.refused("", "b")
    assert [blocks.left_s(app, "b") for app in ("shop", "other", "")] == [10, 10, 10]


def test_refusals_of_all_receivers_count_together() -> None:
    here, there = (ShortBlocks(LimitSettings(block_refusals=4, block_s=10), ManualClock()) for _ in range(2))
    name = ("shop", "a")
    for each in (here, there, here, there):
        each.refused(*name)
    assert here.untold(10) == [(name, 2)] == there.untold(10) and here.untold(10) == []
    assert (here.heard(name, 2), there.heard(name, 4), there.heard(name, 4)) == (False, True, False)
    assert (here.left_s(*name), there.left_s(*name)) == (0.0, 10)
    assert here.heard(("shop", "b"), 9) is False  # it was never here
