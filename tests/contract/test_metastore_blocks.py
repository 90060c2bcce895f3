"""Blocks, and who was refused, on SQLite and on real MariaDB and PostgreSQL servers."""

import pytest
from tests.contract.metastores import Shared

from logkeep.clock import ManualClock, SystemClock
from logkeep.errors import InputError, QuotaExceeded
from logkeep.metastore import blocks as blocks_module
from logkeep.metastore.audit import CONSOLE, Audit, Entry, Wanted
from logkeep.metastore.blocks import Blocks
from logkeep.metastore.refusals import KEPT_HOURS, Refusals, Row

S = 1_000_000_000


def test_a_block_is_seen_by_all_and_ends_by_itself(begun: Shared) -> None:
    clock = ManualClock()
    here, there = (Blocks(begun.open(), clock, refresh_s=60) for _ in range(2))
    until_ns = clock.now_ns() + 60 * S
    made = here.put("shöp", "address", "192.0.2.7/24", reason="a loop ☃", by="anna", expires_ns=until_ns)
    here.put("shöp", "component", "debug agent", reason="noise", by="anna", expires_ns=0)
    here.put("shöp", "key", "ABCDEF0123456789", reason="leaked", by="bert", expires_ns=0)
    there._watched.look()
    blocked = there.apps["shöp"]
    assert (made.value, made.block[:4], there.list("shöp")[-1]) == ("192.0.2.0/24", "blk_", made)
    asked = ("192.0.2.200", "192.0.3.1", "2001:db8::/64", "")
    assert [blocked.of_address(address) for address in asked] == ["a loop ☃", None, None, None]
    assert [blocked.of_key(key) for key in ("abcdef0123456789", "abcdef01", "bbcdef01", "")] == [
        "leaked", "leaked", None, None,
    ]  # fmt: skip
    assert blocked.components == {"debug agent": "noise"} and "Shöp" not in there.apps
    before = there.known
    there._watched.look()
    assert there.known is before
    clock.advance(61)
    there._watched.look()
    assert there.apps["shöp"].of_address("192.0.2.200") is None and there.list("shöp")[-1] == made
    assert [there.remove(app, made.block) for app in ("other", "shöp", "shöp")] == [False, True, False]


@pytest.mark.parametrize("value, kept", [("::ffff:10.5.5.5", "10.5.5.5/32"), ("::ffff:10.5.5.0/120", "10.5.5.0/24")])
def test_an_ipv4_address_written_as_ipv6_blocks_that_address(begun: Shared, value: str, kept: str) -> None:
    blocks = Blocks(begun.open(), SystemClock(), refresh_s=60)
    assert blocks.put("shop", "address", value, reason="a scan", by="anna", expires_ns=0).value == kept
    assert [blocks.apps["shop"].of_address(address) for address in ("10.5.5.5", "10.5.6.5")] == ["a scan", None]
    wide = blocks.put("shop", "address", "::/0", reason="all", by="anna", expires_ns=0)
    assert (wide.value, blocks.apps["shop"].of_address("10.5.6.5")) == ("::/0", None)


def test_every_component_that_an_event_may_have_can_be_blocked(begun: Shared) -> None:
    blocks = Blocks(begun.open(), SystemClock(), refresh_s=60)
    for name in ("x" * 512, "é" * 256, "a\0b"):
        blocks.put("shop", "component", name, reason="noise", by="anna", expires_ns=0)
    blocks._watched.look()
    assert set(blocks.apps["shop"].components) == {"x" * 512, "é" * 256, "a\ufffdb"}
    for name in ("", "x" * 513, "é" * 257):
        with pytest.raises(InputError, match="1 to 512 bytes"):
            blocks.put("shop", "component", name, reason="noise", by="anna", expires_ns=0)


def test_blocks_of_a_team_and_of_all_count_for_their_apps(begun: Shared) -> None:
    """Also for apps that are made later."""
    accounts = begun.accounts()
    directory = begun.directory(accounts)
    directory.teams.create(CONSOLE, name="two", title_="Two")
    directory.apps.create(CONSOLE, team="two", name="shop", title_="")
    blocks = Blocks(begun.open(), SystemClock(), refresh_s=60)
    entry = Entry(by=CONSOLE, what="block.made", made_ns=1, team="two")
    team = blocks.put(
        "", "address", "192.0.2.1", reason="of two", by="anna", expires_ns=0, team="two", entries=[entry]
    )  # fmt: skip
    everyone = blocks.put("", "component", "noisy", reason="of all", by="bert", expires_ns=0)
    own = blocks.put("shop", "component", "own", reason="of one", by="anna", expires_ns=0, team="two")
    assert [one.scope for one in (team, everyone, own)] == ["team", "installation", "app"]
    directory.apps.create(CONSOLE, team="two", name="later", title_="")
    blocks._watched.look()

    def seen(app: str) -> tuple[str | None, dict[str, str]]:
        return blocks.apps[app].of_address("192.0.2.1"), blocks.apps[app].components

    assert seen("shop") == ("of two", {"own": "of one", "noisy": "of all"})
    assert (seen("later"), seen("default")) == (("of two", {"noisy": "of all"}), (None, {"noisy": "of all"}))
    assert [blocks.list(app) for app in ("shop", "later", "default")] == [
        [own, everyone, team], [everyone, team], [everyone],
    ]  # fmt: skip
    assert blocks.named("default", team.block) is None and blocks.named("later", team.block) == team
    assert [blocks.remove(app, team.block) for app in ("default", "later")] == [False, True]
    wanted = Wanted(teams=("two",), what="block.made")
    assert [row.who for row in Audit(begun.open(), SystemClock()).list(wanted)] == ["console"]


def test_what_is_blocked_is_an_address_a_hash_or_a_name(begun: Shared) -> None:
    blocks = Blocks(begun.open(), SystemClock(), refresh_s=60)
    odd = (
        ("address", "shop.example"),
        ("address", ""),
        ("key", "lkw_secret"),
        ("key", "abc"),
        ("component", ""),
    )
    for kind, value in odd:
        with pytest.raises(InputError):
            blocks.put("shop", kind, value, reason="x", by="x", expires_ns=0)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="cannot hold NUL"):
        blocks.put("shop", "component", "a", reason="x\0", by="x", expires_ns=0)
    assert blocks.put("shop", "address", "2001:db8::1/32", reason="x", by="x", expires_ns=0).value == "2001:db8::/32"


def test_blocks_of_an_app_are_bounded(begun: Shared, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks_module, "BLOCKS_MAX", 2)
    blocks = Blocks(begun.open(), SystemClock(), refresh_s=60)
    for name in ("a", "b"):
        blocks.put("shop", "component", name, reason="x", by="x", expires_ns=0)
    with pytest.raises(QuotaExceeded):
        blocks.put("shop", "component", "c", reason="x", by="x", expires_ns=0)
    blocks.put("other", "component", "c", reason="x", by="x", expires_ns=0)


def test_who_was_refused_is_the_sum_of_what_receivers_counted(begun: Shared) -> None:
    here, there = Refusals(begun.open()), Refusals(begun.open())

    def row(source: str, events: int, app: str = "shop") -> Row:
        return Row(app, "component", source, "second", events, events * S)

    here.write("w1", 100, [row("cart", 5), row("pay", 1), row("x", 9, "other")])
    there.write("w2", 100, [row("cart", 7)])
    here.write("w1", 100, [row("cart", 6), row("pay", 2), row("x", 9, "other")])  # in place of what was
    here.write("w1", 101, [row("pay", 1), row("\0 ☃" * 50, 1)])
    odd = ("\ufffd ☃" * 50, 1, S)
    assert [(r.source[:4], r.events) for r in there.top("shop", 100, 10)] == [("cart", 13), ("pay", 3), (odd[0][:4], 1)]
    assert [(r.source, r.events, r.last_ns) for r in there.top("shop", 101, 1)] in ([("pay", 1, S)], [odd])
    here.write("w3", 102, [Row("", "address", "192.0.2.1", "key", 7, S)])  # without a valid key
    assert [(r.source, r.events) for r in there.top("shop", 102, 9, nobodys=True)] == [("192.0.2.1", 7)]
    assert there.top("shop", 102, 9) == []
    here.forget(101 + KEPT_HOURS)
    assert {r.source[:3] for r in there.top("shop", 0, 10)} == {"pay", odd[0][:3]}
    here.write("w1", 101, [])
    assert there.top("shop", 0, 10) == []
