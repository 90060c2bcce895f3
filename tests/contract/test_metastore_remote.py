"""What the metastore promises about remote control, on SQLite, MariaDB and PostgreSQL."""

from pathlib import Path
from typing import Any

import pytest
from tests.contract.device_worlds import ODD, T0, World, at_once, pixel
from tests.contract.metastores import shared

from logkeep.clock import NS_PER_S, ManualClock
from logkeep.errors import BackendUnavailable, InputError, QuotaExceeded
from logkeep.metastore import devices, remote
from logkeep.metastore.configuration import NOTHING_SAID, Question
from logkeep.metastore.remote import LASTS_MAX_S, Remote, Wanted


def test_a_rule_holds_for_its_device_until_it_expires(world: World) -> None:
    rule = world.remote.make("shop", Wanted("device", "d1", 60, min_level="trace", why="ticket 17"), "eve@shop")
    assert (rule.until_ns, rule.by, rule.why) == (T0 + 60 * NS_PER_S, "eve@shop", "ticket 17")
    assert world.settings("d1").min_level == "trace"
    assert world.settings("d2") == NOTHING_SAID.settings
    world.clock.advance(59.9)
    assert world.settings("d1").min_level == "trace"
    world.clock.advance(0.1)
    assert world.settings("d1") == NOTHING_SAID.settings
    assert [one.rule for one in world.remote.rules("shop")] == [rule.rule]  # to be seen for some days
    world.clock.advance(8 * 86_400)
    assert world.remote.rules("shop") == []


def test_the_more_particular_rule_decides_each_setting_and_of_two_the_last(world: World) -> None:
    world.register(pixel(user="anna"))
    make = world.remote.make
    make("shop", Wanted("device", "d1", 600, min_level="info"), "eve")
    world.clock.advance(1)
    make("shop", Wanted("query", "os:android", 600, min_level="trace", sample_rate=0.5, enabled=False), "eve")
    make("shop", Wanted("user", "anna", 300, sample_rate=1.0, send_all_now=True), "eve")
    found = world.settings("d1")
    assert (found.min_level, found.sample_rate, found.enabled) == ("info", 1.0, False)
    assert found.send_all_now == (T0 + NS_PER_S) // 1_000_000
    world.clock.advance(1)
    make("shop", Wanted("device", "d1", 600, min_level="debug"), "eve")
    assert world.settings("d1").min_level == "debug"
    assert world.remote.look().of("shop", Question("d1"), world.clock.now_ns()).until_ns == T0 + 301 * NS_PER_S


def test_a_query_matches_the_devices_there_are_and_those_that_come(world: World) -> None:
    world.register(pixel("d1", keys={"plan": "gold"}), pixel("d2"))
    rule = world.remote.make("shop", Wanted("query", "keys.plan=gold", 600, min_level="trace"), "eve")
    assert (rule.matched, rule.more) == (1, False)
    world.register(pixel("d3", keys={"plan": "gold"}), pixel("d1", keys={"plan": "free"}))
    assert [world.settings(name).min_level for name in ("d1", "d2", "d3")] == [None, None, "trace"]
    world.remote.remove("shop", rule.rule)
    assert world.settings("d3") == NOTHING_SAID.settings
    assert world.database.read(lambda transaction: transaction.rows("SELECT rule FROM remote_matches")) == []


def test_a_sender_that_says_all_that_a_query_asks_for_needs_no_list_of_devices(world: World) -> None:
    rule = world.remote.make("shop", Wanted("query", "app_version:3.1* -user:bob", 600, sample_rate=0.1), "eve")
    assert rule.matched == 0
    assert world.settings("never seen", version="3.1.7", user="anna").sample_rate == 0.1
    assert world.settings("never seen", version="3.1.7", user="bob").sample_rate is None
    assert world.settings("never seen", version="3.2", user="anna").sample_rate is None
    assert world.settings("never seen").sample_rate is None


@pytest.mark.parametrize("query", ["app_version:3.1*", "app_version:3.1* user:anna", "-app_version:3.2 device:d*"])
def test_a_device_that_told_its_version_need_not_say_it_again(world: World, query: str) -> None:
    told = [pixel("d1", app_version="3.1.0", user="anna"), pixel("d2", app_version="3.2", user="anna")]
    world.register(*told)
    rule = world.remote.make("shop", Wanted("query", query, 600, enabled=False), "eve")
    assert (rule.matched, rule.more) == (1, False)

    def off(*devices: str, **who: str) -> list[str]:
        return [device for device in devices if world.settings(device, **who).enabled is False]

    assert off("d1", "d2") == ["d1"]
    assert off("d1", "d2", user="anna") == ["d1"]
    assert off("d1", "d2", user="anna", version="3.2") == []  # what it says now counts for more
    assert off("d1", "d2", user="anna", version="3.1.9") == ["d1", "d2"]
    world.register(pixel("d3", app_version="3.1.0", user="anna"), pixel("d1", app_version="3.2"))
    assert off("d1", "d2", "d3") == ["d3"]


def test_who_another_user_says_to_be_is_not_told_what_the_last_one_was(world: World) -> None:
    world.register(pixel("d1", app_version="3.1.0", user="anna"))
    world.remote.make("shop", Wanted("query", "app_version:3.1* user:anna", 600, enabled=False), "eve")
    assert [world.settings("d1", user=user).enabled for user in ("", "anna", "bob")] == [False, False, None]


def test_a_rule_for_a_user_follows_the_user(world: World) -> None:
    world.register(pixel("d1", user="anna"), pixel("d2", user="bob"))
    rule = world.remote.make("shop", Wanted("user", "anna", 600, min_level="trace"), "eve")
    assert rule.matched == 1
    assert world.settings("d1").min_level == "trace"  # by what the device told
    assert world.settings("d9", user="anna").min_level == "trace"  # by what the sender says of itself
    assert world.settings("d1", user="bob").min_level is None
    world.register(pixel("d2", user="anna"), pixel("d1", user="bob"))
    assert (world.settings("d1").min_level, world.settings("d2").min_level) == (None, "trace")


def test_a_query_of_more_devices_than_are_kept_says_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "MATCHES_MAX", 3)
    monkeypatch.setattr(devices, "PAGE_ROWS", 2)
    world.register(*(pixel(f"d{index}") for index in range(8)))
    rule = world.remote.make("shop", Wanted("query", "os:android", 600, min_level="trace"), "eve")
    assert (rule.matched, rule.more) == (3, True)
    assert world.remote.named("shop", rule.rule) == rule


def test_devices_that_come_later_do_not_make_a_list_longer_than_it_may_be(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "MATCHES_MAX", 3)
    rule = world.remote.make("shop", Wanted("query", "os:android", 600, min_level="trace"), "eve")
    world.register(*(pixel(f"d{index}") for index in range(2)))
    assert not world.remote.named("shop", rule.rule).more
    world.register(*(pixel(f"d{index}") for index in range(2, 6)))
    assert world.remote.named("shop", rule.rule).more
    assert [world.settings(f"d{index}").min_level for index in range(6)].count("trace") == 3


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        (Wanted("device", "d1", 59, min_level="trace"), "bad_until"),
        (Wanted("device", "d1", LASTS_MAX_S + 1, min_level="trace"), "bad_until"),
        (Wanted("device", "d1", float("nan"), min_level="trace"), "bad_until"),
        (Wanted("device", "d1", 60), "nothing_set"),
        (Wanted("device", "", 60, enabled=True), "bad_target"),
        (Wanted("user", "x" * 513, 60, enabled=True), "bad_target"),
        (Wanted("query", "level:error", 60, enabled=True), "query_syntax"),
        (Wanted("query", "enabled:true", 60, enabled=False), "bad_target"),
        (Wanted("device", "d1", 60, sample_rate=1.5), "bad_sample_rate"),
        (Wanted("device", "d1", 60, sample_rate=float("nan")), "bad_sample_rate"),
        (Wanted("device", "d1", 60, enabled=True, why="x" * 501), "bad_why"),
    ],
)
def test_a_rule_that_cannot_be_is_refused(wanted: Wanted, code: str, tmp_path: Path) -> None:
    with shared("sqlite", tmp_path, None) as found:  # type: ignore[arg-type]
        database = found.open()
        database.upgrade()
        with pytest.raises(InputError) as refused:
            Remote(database, ManualClock(), refresh_s=1.0).make("shop", wanted, "eve")
        assert refused.value.code == code


def test_rules_are_bounded_and_belong_to_their_app(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "RULES_MAX", 3)
    monkeypatch.setattr(remote, "QUERIES_MAX", 1)
    rule = world.remote.make("shop", Wanted("query", "os:x", 60, enabled=True), "eve")
    with pytest.raises(QuotaExceeded):
        world.remote.make("shop", Wanted("query", "os:y", 60, enabled=True), "eve")
    for device in ("d1", "d2"):
        world.remote.make("shop", Wanted("device", device, 60, enabled=True), "eve")
    with pytest.raises(QuotaExceeded):
        world.remote.make("shop", Wanted("device", "d3", 60, enabled=True), "eve")
    world.clock.advance(61)
    world.remote.make("shop", Wanted("device", "d3", 60, enabled=True), "eve")
    for call in (world.remote.named, world.remote.remove):
        for name in (rule.rule, ODD, "x" * 100_000):
            with pytest.raises(InputError) as refused:
                call("other", name)
            assert refused.value.status == 404
    assert world.remote.rules("other") == []


def test_rules_made_while_devices_register_miss_none(world: World) -> None:
    """Whoever is second sees what the first has done."""
    others = [World(world.shared.open()) for _ in range(2)]  # type: ignore[attr-defined]

    def register(start: int) -> None:
        for index in range(start, start + 10):
            others[start // 10].register(pixel(f"d{index}"))

    results = at_once(
        lambda: register(0),
        lambda: register(10),
        *(
            lambda: world.remote.make("shop", Wanted("query", "os:android", 600, enabled=False), "eve")
            for _ in range(3)
        ),
    )
    assert [result for result in results if isinstance(result, Exception)] == []
    rows = world.database.read(lambda transaction: transaction.rows("SELECT rule, id FROM remote_matches"))
    assert len(rows) == 3 * 20


def test_what_is_known_goes_on_while_the_database_is_away(world: World) -> None:
    world.remote.make("shop", Wanted("device", "d1", 3600, min_level="trace"), "eve")
    known = world.remote.configurations()
    assert known is not None

    def away(*args: Any) -> Any:
        raise BackendUnavailable("away")

    world.remote._known._database.read = away  # type: ignore[method-assign]
    with pytest.raises(BackendUnavailable):
        world.remote.look()
    assert world.remote.configurations() is known
    assert known.of("shop", Question("d1"), world.clock.now_ns()).settings.min_level == "trace"


def test_a_device_that_is_forgotten_leaves_no_rule(world: World) -> None:
    world.register(pixel(user="anna"))
    world.remote.make("shop", Wanted("device", "d1", 600, enabled=True), "eve")
    world.remote.make("shop", Wanted("user", "anna", 600, enabled=True), "eve")
    assert world.remote.forget_device("shop", "d1") and not world.remote.forget_device("shop", "d1")
    assert [rule.kind for rule in world.remote.rules("shop")] == ["user"]
    assert world.settings("d1") == NOTHING_SAID.settings
