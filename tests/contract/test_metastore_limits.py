"""Limits of apps in the metastore, on SQLite and on real MariaDB and PostgreSQL servers."""

from pathlib import Path

import msgspec
import pytest
from tests.contract.metastores import Shared, shared

from logkeep.clock import ManualClock, SystemClock
from logkeep.disk import SystemDisk
from logkeep.errors import InputError
from logkeep.metastore.blocks import Blocks
from logkeep.metastore.limits import AppLimits, ComponentLimits, InForce, Kept, Limits
from logkeep.metastore.refusals import Refusals, Row
from logkeep.metastore.start import prepare
from logkeep.settings import LimitSettings

DEFAULTS = LimitSettings(events_per_day=1000, events_per_second=5.0, address_events_per_second=2.0)


def limits_of(it: Shared) -> AppLimits:
    return AppLimits(it.open(), DEFAULTS, SystemClock(), refresh_s=60, retention_days=15)


def test_what_an_owner_sets_counts_over_the_settings_and_is_seen_by_all(it: Shared) -> None:
    it.prepare()
    here, there = limits_of(it).open(), limits_of(it).open()
    assert (here.of("shöp"), here.retention_days("shöp")) == (Kept(Limits()), 15)
    set_ = Limits(
        events_per_day=0, bytes_per_day=7, address_events_per_second=0.5, retention_days=3,
        components={"cart ☃": ComponentLimits(events_per_day=9, bytes_per_day=99)},
    )  # fmt: skip
    kept = here.put("shöp", set_, by="anna")
    assert (kept.limits, kept.version, kept.changed_by) == (set_, 1, "anna")
    assert here.of("shöp") == kept
    before = there.known
    there._watched.look()
    assert there.known is not before and there.of("shöp") == kept
    assert there.in_force("shöp") == InForce(
        events_per_day=0, bytes_per_day=7, events_per_second=5.0, burst_events=50, key_events_per_second=0.0,
        address_events_per_second=0.5, component_events_per_second=0.0, components=set_.components,
    )  # fmt: skip
    assert [there.retention_days(app) for app in ("shöp", "Shöp", "shöp ", "other")] == [3, 15, 15, 15]
    before = there.known
    there._watched.look()
    assert there.known is before
    for limits in (here, there):
        limits.close()


def test_of_two_who_change_them_at_once_the_second_is_told(it: Shared) -> None:
    it.prepare()
    here, there = limits_of(it), limits_of(it)
    assert here.put("shop", Limits(events_per_day=1), by="anna", version=0).version == 1
    with pytest.raises(InputError) as caught:
        there.put("shop", Limits(events_per_day=2), by="bert", version=0)
    assert (caught.value.status, caught.value.code) == (409, "changed_meanwhile")
    assert there.put("shop", Limits(events_per_day=3), by="bert", version=1).version == 2
    assert there.put("shop", Limits(), by="bert").version == 3
    with pytest.raises(InputError):
        here.put("shop", Limits(components={"": ComponentLimits()}), by="anna")


def test_a_rate_that_is_as_good_as_none_is_refused(it: Shared) -> None:
    it.prepare()
    limits = limits_of(it)
    for given in (
        Limits(events_per_second=5e-324), Limits(address_events_per_second=9e-6),
        Limits(components={"cart": ComponentLimits(events_per_second=1e-320)}),
    ):  # fmt: skip
        with pytest.raises(InputError, match=r"events_per_second is .*; it is 0 \(no limit\) or 0.00001 "):
            limits.put("shop", given, by="anna")
    assert limits.put("shop", Limits(key_events_per_second=1e-5), by="anna").version == 1


def test_without_a_database_the_settings_count_until_it_is_there(empty: Shared) -> None:
    limits = AppLimits(empty.open(), DEFAULTS, ManualClock(), refresh_s=60, retention_days=15).open()  # without tables
    assert (limits.in_force("shop").events_per_day, limits.retention_days("shop")) == (1000, 15)
    empty.prepare()
    limits._watched.look()
    limits.put("shop", Limits(events_per_day=2), by="anna")
    assert limits.in_force("shop").events_per_day == 2
    limits.close()


def test_limits_that_cannot_be_read_do_not_hide_those_of_others(it: Shared) -> None:
    it.prepare()
    limits = limits_of(it)
    limits.put("odd", Limits(events_per_day=1), by="anna")
    limits.put("shop", Limits(events_per_day=2), by="anna")
    it.open().write(
        lambda transaction: transaction.change("UPDATE limits SET body = :body WHERE app = 'odd'", body=b'{"new":1}')
    )
    other = limits_of(it)
    other._watched.look()
    assert [other.in_force(app).events_per_day for app in ("odd", "shop")] == [1000, 2]


def test_limits_blocks_and_refusals_move_with_everything_else(it: Shared, tmp_path: Path) -> None:
    with shared("sqlite", tmp_path / "before", None) as before:  # type: ignore[arg-type]
        before.prepare()
        limits_of(before).put("shop", Limits(events_per_day=7), by="anna")
        blocks = Blocks(before.open(), SystemClock(), refresh_s=60)
        block = blocks.put("shop", "component", "noisy", reason="a loop", by="anna", expires_ns=0)
        Refusals(before.open()).write("w", 5, [Row("shop", "component", "noisy", "blocked", 3, 9)])
        prepare(it.open(), it.folder, SystemDisk(), SystemClock(), before=before.open())
    moved = limits_of(it).open()
    assert moved.in_force("shop").events_per_day == 7
    assert Blocks(it.open(), SystemClock(), refresh_s=60).list("shop") == [block]
    assert [row.events for row in Refusals(it.open()).top("shop", 5, 10)] == [3]
    moved.close()


def test_amounts_are_bounded() -> None:
    for odd in (b'{"events_per_day":-1}', b'{"events_per_day":1e30}', b'{"retention_days":0}', b'{"other":1}'):
        with pytest.raises(msgspec.ValidationError):
            msgspec.json.decode(odd, type=Limits)
