"""What the metastore promises about devices, remote control and issues, on SQLite, MariaDB and PostgreSQL."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.contract.metastores import KINDS, Shared, shared

from logkeep.clock import NS_PER_DAY, NS_PER_S, ManualClock
from logkeep.decode.devices import KEYS_MAX, Device, DeviceNotice
from logkeep.decode.issues import IssueNotice
from logkeep.errors import BackendUnavailable, InputError, QuotaExceeded
from logkeep.metastore import devices, issues, remote, told_ids
from logkeep.metastore.configuration import NOTHING_SAID, Question
from logkeep.metastore.database import Database, bump
from logkeep.metastore.device_erasing import DeviceEraser
from logkeep.metastore.devices import Devices, Place
from logkeep.metastore.erasures import Erasure
from logkeep.metastore.issue_rows import Issues
from logkeep.metastore.issue_rows import Wanted as WantedIssues
from logkeep.metastore.remote import LASTS_MAX_S, Remote, Wanted
from logkeep.metastore.trimming import Trimming
from logkeep.query.device_parser import parse_device_query

ODD = "o'dd\0 \u202e<b>%_!\U0001f4f1"  # what a careless statement, page or pattern trips over
TABLES = ("devices", "remote_rules", "remote_matches", "issues", "issue_tallies", "issue_occurrences", "told_ids")
T0 = 1_700_000_000 * NS_PER_S


class World:
    """One app's devices, rules and issues, over a database with tables."""

    def __init__(self, database: Database) -> None:
        self.database, self.clock = database, ManualClock()
        self.devices, self.issues = Devices(database), Issues(database, self.clock)
        self.remote = Remote(database, self.clock, refresh_s=1.0)

    def register(self, *records: DeviceNotice, app: str = "shop", received_ns: int | None = None) -> list[Device]:
        now_ns = self.clock.now_ns() if received_ns is None else received_ns
        told = [devices.DeviceReport(app, now_ns, record) for record in records]

        def apply(transaction: Any) -> list[Device]:
            bump(transaction, devices.TOPIC)
            after = devices.register(transaction, told)
            remote.rematch(transaction, after, now_ns)
            return after

        return self.database.write(apply)

    def tell(self, *records: IssueNotice, app: str = "shop", ids: list[str] | None = None) -> list[issues.Occurrence]:
        now_ns = self.clock.now_ns()
        self.told = getattr(self, "told", 0)
        names = ids or [f"{self.told + index:028x}" for index in range(len(records))]
        self.told += len(records)
        told = [
            issues.IssueReport(app, name, now_ns, now_ns, record) for name, record in zip(names, records, strict=True)
        ]

        def apply(transaction: Any) -> list[issues.Occurrence]:
            bump(transaction, devices.TOPIC)
            return issues.apply(transaction, told)

        return self.database.write(apply)

    def find(self, query: str = "", **more: Any) -> list[str]:
        found = self.devices.find("shop", parse_device_query(query), **({"limit": 100} | more))
        return [device.device for device in found.devices]

    def listed(self, **wanted: Any) -> list[str]:
        return [issue.title for issue in self.issues.find("shop", WantedIssues(**wanted)).issues]

    def one(self, title: str = "") -> issues.Issue:
        return next(issue for issue in self.issues.find("shop", WantedIssues(text=title)).issues)

    def settings(self, device: str, **who: str) -> Any:
        found = self.remote.look().of("shop", Question(device, **who), self.clock.now_ns())
        return found.settings


@pytest.fixture(scope="module", params=KINDS)
def it(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    with shared(request.param, tmp_path_factory.mktemp("metastore") / "data", request) as found:
        found.folder.mkdir(parents=True)
        found.open().upgrade()
        yield found


@pytest.fixture
def world(it: Shared) -> World:
    """An empty database: a new one would take seconds on a server."""
    world = World(it.open())
    world.shared = it  # type: ignore[attr-defined]

    def empty(transaction: Any) -> None:
        for table in TABLES:
            transaction.change(f"DELETE FROM {table}")  # noqa: S608

    world.database.write(empty)
    return world


def at_once(*calls: Callable[[], Any]) -> list[Any]:
    gate, results = threading.Barrier(len(calls)), [None] * len(calls)

    def run(index: int, call: Callable[[], Any]) -> None:
        gate.wait(30)
        try:
            results[index] = call()
        except Exception as error:
            results[index] = error

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results


def pixel(device: str = "d1", **more: Any) -> DeviceNotice:
    return DeviceNotice(**({"device": device, "model": "Pixel 8", "os": "Android", "app_version": "3.1"} | more))


def crash(**more: Any) -> IssueNotice:
    return IssueNotice(**({"session": "s1", "kind": "crash", "title": "boom", "device": "d1", "user": "anna"} | more))


# ── devices ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_device_is_known_by_everything_it_has_told(world: World) -> None:
    world.register(pixel(keys={"plan": "gold", "level": 5, "beta": True}), pixel(user="anna", language="de"))
    world.clock.advance(60)
    world.register(DeviceNotice(device="d1", app_version="3.2", keys={"plan": None, "level": 6.5}))
    assert world.devices.named("shop", ["d1", "d2"]) == {
        "d1": Device(
            app="shop", device="d1", first_ns=T0, last_ns=T0 + 60 * NS_PER_S, user="anna", model="Pixel 8",
            os="Android", app_version="3.2", language="de", keys={"level": 6.5, "beta": True},
        )
    }  # fmt: skip


def test_what_comes_late_does_not_replace_what_is_newer(world: World) -> None:
    """Two receivers had it, and the older one's partition was behind. A device's own clock is not asked."""
    world.register(pixel(app_version="3.2", keys={"plan": "gold"}), received_ns=T0 + 10)
    world.register(pixel(app_version="3.1", name="Anna's", keys={"plan": "free", "beta": True}), received_ns=T0)
    (device,) = world.devices.named("shop", ["d1"]).values()
    assert (device.app_version, device.name) == ("3.2", "Anna's")
    assert device.keys == {"plan": "gold", "beta": True}
    assert (device.first_ns, device.last_ns) == (T0, T0 + 10)


def test_custom_keys_are_bounded_and_those_that_were_first_stay(world: World) -> None:
    for start in range(0, 2 * KEYS_MAX, 16):
        world.register(pixel(keys={f"k{index}": index for index in range(start, start + 16)}))
    (device,) = world.devices.named("shop", ["d1"]).values()
    assert device.keys == {f"k{index}": index for index in range(KEYS_MAX)}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["old", "d1", ODD]),
        ("name:anna*", ["d1"]),
        ("name=anna", []),
        ("model:pixel*", ["d1"]),
        ("model=Galaxy", [ODD]),
        ("os:android app_version:3.1", ["d1"]),
        ("app_version:3*", ["d1"]),
        ("language:de or os_version:17", ["old", "d1"]),
        ("keys.plan=gold", ["d1"]),
        ("keys.level>4 keys.level<6", ["d1"]),
        ("keys.beta:true", ["d1"]),
        ("keys.plan:*", ["d1", ODD]),
        ("-os:ios", ["d1", ODD]),
        ("user:anna", ["d1"]),
        ("device:d1", ["d1"]),
        ("name:100%*", [ODD]),
        ("name:_", []),
        ("phone", ["d1"]),
        ("enabled:false", ["old"]),
    ],
)
def test_devices_are_found_by_whatever_they_told_latest_first(it_world: World, query: str, found: list[str]) -> None:
    enabled = {"old": False}.get
    assert it_world.find(query, enabled=lambda device: enabled(device.device, True)) == found


@pytest.fixture(scope="module", params=KINDS)
def it_world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Three devices of one app, and one of another; for tests that change nothing."""
    with shared(request.param, tmp_path_factory.mktemp("metastore") / "data", request) as found:
        found.folder.mkdir(parents=True)
        database = found.open()
        database.upgrade()
        world = World(database)
        world.register(DeviceNotice(device=ODD, name="100%_!ly", model="Galaxy", keys={"plan": ODD}))
        world.clock.advance(1)
        keys = {"plan": "gold", "level": 5, "beta": True}
        world.register(pixel(name="Anna's phone", user="anna", language="DE", keys=keys))
        world.clock.advance(1)
        world.register(DeviceNotice(device="old", os="iOS", os_version="17"))
        world.register(DeviceNotice(device="d1", name="Anna's of another app", keys=keys), app="other")
        yield world


def test_pages_of_devices_meet_without_a_gap(world: World) -> None:
    world.register(*(pixel(f"d{index}", model=f"M{index % 2}") for index in range(20)))
    world.clock.advance(1)
    world.register(*(pixel(f"e{index}") for index in range(5)))
    names: list[str] = []
    after: Place | None = None
    while True:
        page = world.devices.find("shop", parse_device_query("-model:m1"), limit=4, after=after)
        names += [device.device for device in page.devices]
        if page.next is None:
            break
        after = page.next
    assert sorted(names) == sorted([*(f"d{index}" for index in range(0, 20, 2)), *(f"e{index}" for index in range(5))])
    assert {name[0] for name in names[:5]} == {"e"}


def test_a_page_ends_when_enough_was_looked_at(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "LOOKED_AT_MAX", 7)
    world.register(*(pixel(f"d{index}", language="de" if index == 19 else "en") for index in range(20)))
    looks, after, found = 0, None, []
    while looks < 10:
        page = world.devices.find("shop", parse_device_query("language:de"), limit=5, after=after)
        looks, after, found = looks + 1, page.next, found + page.devices
        if after is None:
            break
    assert [device.device for device in found] == ["d19"] and looks == 3


def test_people_label_a_device_and_forget_it(world: World) -> None:
    world.register(pixel(name="sdk_gphone64"))
    assert world.devices.label("shop", "d1", "Anna's test phone").label == "Anna's test phone"
    world.register(pixel(name="sdk_gphone64_x"))
    assert world.find('name:"anna\'s test phone"') == ["d1"]
    for bad in ("x" * 201, "a\nb"):
        with pytest.raises(InputError):
            world.devices.label("shop", "d1", bad)
    for app, name in (("other", "d1"), ("shop", "unknown")):
        with pytest.raises(InputError) as refused:
            world.devices.label(app, name, "mine")
        assert refused.value.status == 404
    assert not world.devices.forget("other", "d1")
    assert world.devices.forget("shop", "d1") and not world.devices.forget("shop", "d1")
    assert world.find() == []


def test_devices_that_told_nothing_for_long_are_forgotten(world: World) -> None:
    world.register(pixel("old"))
    world.clock.advance(300 * 86_400)
    world.register(pixel("new"))
    world.clock.advance(200 * 86_400)
    world.remote.make("shop", Wanted("device", "new", 60, enabled=True), "eve")
    old = Trimming(world.database, world.clock)
    old.trim()
    assert (world.find(), len(world.remote.rules("shop"))) == (["new"], 1)
    world.clock.advance(8 * 86_400)
    old.trim()
    assert world.database.read(lambda transaction: transaction.rows("SELECT rule FROM remote_rules")) == []


def test_two_that_register_one_device_at_once_make_one(world: World) -> None:
    results = at_once(*(lambda index=index: world.register(pixel(keys={f"k{index}": index})) for index in range(4)))
    assert all(isinstance(result, list) for result in results), results
    (device,) = world.devices.named("shop", ["d1"]).values()
    assert device.keys == {f"k{index}": index for index in range(4)}


# ── remote control ────────────────────────────────────────────────────────────────────────────────────────────────────


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


# ── issues ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_same_crash_is_one_issue_that_counts_its_times_users_and_devices(world: World) -> None:
    world.tell(crash(), crash(user="bob"), crash(device="d2", app_version="3.1"))
    world.clock.advance(86_400)
    world.tell(crash(app_version="3.2", stack="x"), crash(title="another"))
    issue = world.one("boom")
    assert (issue.events, issue.users, issue.devices, issue.status) == (4, 2, 2, "open")
    assert (issue.first_ns, issue.last_ns) == (T0, T0 + NS_PER_DAY)
    assert (issue.first_version, issue.last_version) == ("", "3.2")
    assert [(one.name, one.events) for one in world.issues.tallies("shop", issue.issue, "user", limit=9)] in (
        [("anna", 3), ("bob", 1)],
        [("bob", 1), ("anna", 3)],
    )
    assert world.issues.days([issue.issue], 3) == {issue.issue: [0, 3, 1]}
    versions = world.issues.tallies("shop", issue.issue, "version", limit=9)
    assert {one.name: one.events for one in versions} == {"3.1": 1, "3.2": 1}
    newest = world.issues.occurrences("shop", issue.issue, limit=2)
    assert [one.app_version for _, one in newest] == ["3.2", "3.1"]
    older = world.issues.occurrences("shop", issue.issue, limit=9, before=newest[-1][0])
    assert [one.user for _, one in older] == ["bob", "anna"]


def test_what_is_told_again_is_not_counted_again(world: World) -> None:
    assert len(world.tell(crash(), ids=["a" * 28])) == 1
    assert world.tell(crash(), ids=["a" * 28]) == []
    assert len(world.tell(crash(id="mine"), crash(id="mine"), crash(id="other"))) == 2
    assert world.tell(crash(id="mine")) == []
    assert world.one().events == 3


def test_an_id_told_again_is_not_counted_again_when_its_occurrence_is_not_kept_any_more(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(issues, "OCCURRENCES_MAX", 3)
    world.tell(*(crash(id=f"i{index}") for index in range(5)))  # also of one request
    world.tell(*(crash(id=f"i{index}") for index in range(5, 9)))
    assert world.tell(crash(id="i0"), crash(id="i5"), crash(id="new"), crash(title="another", id="i1"))[0].id == (
        devices.id_of("shop", "occurrence", "new")
    )
    assert (world.one().events, world.listed()) == (10, ["boom"])
    assert [len(world.tell(crash(id="i0"), app=app)) for app in ("other", "shop")] == [1, 0]


def test_ids_that_were_told_are_bounded_by_their_issue_and_by_their_age(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(issues, "OCCURRENCES_MAX", 1)
    monkeypatch.setattr(told_ids, "IDS_MAX", 3)
    monkeypatch.setattr(told_ids, "STEP", 2)
    monkeypatch.setattr(told_ids, "FORGOTTEN_AT_ONCE", 2)
    world.tell(crash(title="rare", id="rare"), crash(title="rare"), crash(title="rare"))
    for index in range(6):
        world.clock.advance(1)
        world.tell(crash(id=f"i{index}"))
    kept = world.database.read(lambda t: t.rows("SELECT issue FROM told_ids"))
    assert len(kept) == 4  # 3 of the crash loop
    assert len(world.tell(crash(title="rare", id="rare"), crash(id="i3"))) == 0
    assert len(world.tell(crash(id="i2"))) == 1
    for age_days, left in ((told_ids.KEPT_DAYS - 1, True), (2, False)):
        world.clock.advance(age_days * 86_400)
        Trimming(world.database, world.clock).trim()
        assert bool(world.database.read(lambda t: t.rows("SELECT issue FROM told_ids"))) is left


def test_two_processors_that_count_one_issue_lose_no_count(world: World) -> None:
    others = [World(world.shared.open()) for _ in range(4)]  # type: ignore[attr-defined]

    def tell(index: int) -> None:
        for count in range(5):
            others[index].tell(crash(user=f"u{index}"), ids=[f"{index}-{count}"])

    results = at_once(*(lambda index=index: tell(index) for index in range(4)))
    assert [result for result in results if result is not None] == []
    issue = world.one()
    assert (issue.events, issue.users, issue.devices) == (20, 4, 1)


def test_feedback_is_never_the_same_and_a_fingerprint_of_one_s_own_decides(world: World) -> None:
    feedback = IssueNotice(session="s", kind="feedback", title="I like it")
    world.tell(feedback, feedback, crash(title="a", fingerprint="x"), crash(title="b", fingerprint="x"))
    assert sorted(world.listed()) == ["I like it", "I like it", "a"]
    assert world.listed(kinds=("crash",)) == ["a"]


def test_occurrences_users_and_issues_are_bounded_and_counts_go_on(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(issues, "OCCURRENCES_MAX", 3)
    monkeypatch.setitem(issues._MAX, "user", 4)
    monkeypatch.setattr(issues, "ISSUES_MAX", 2)
    world.tell(*(crash(user=f"u{index}") for index in range(10)))
    issue = world.one()
    assert (issue.events, issue.users) == (10, 4)
    kept = world.issues.occurrences("shop", issue.issue, limit=99)
    assert [one.user for _, one in kept] == ["u9", "u8", "u7"]
    for title in ("later", "last"):
        world.clock.advance(1)
        world.tell(crash(title=title))
    assert world.listed() == ["last", "later"]
    with pytest.raises(InputError):
        world.issues.issue("shop", issue.issue)
    left = world.database.read(lambda t: t.rows("SELECT DISTINCT issue FROM issue_tallies"))
    assert len(left) == 2


@pytest.mark.parametrize(
    ("resolved_in", "version", "status"),
    [
        ("3.2", "3.1", "resolved"),
        ("3.2", "3.2", "regressed"),
        ("3.2", "3.10", "regressed"),
        ("3.2", "", "resolved"),
        ("", "3.1", "regressed"),
        ("", "", "regressed"),
    ],
)
def test_what_was_resolved_and_comes_back_in_a_newer_version_is_regressed(
    it_world: World, resolved_in: str, version: str, status: str
) -> None:
    title = f"title {resolved_in}|{version}"
    it_world.tell(crash(title=title, app_version="3.0"), app=title)
    issue = it_world.issues.find(title, WantedIssues()).issues[0]
    judge = it_world.issues.judge
    judged = judge(title, issue.issue, revision=1, status="resolved", resolved_in=resolved_in, by="eve")
    assert (judged.status, judged.status_by, judged.revision) == ("resolved", "eve", 2)
    it_world.clock.advance(1)
    it_world.tell(crash(title=title, app_version=version or None), app=title)
    after = it_world.issues.issue(title, issue.issue)
    assert (after.status, after.events) == (status, 2)
    assert after.revision == (3 if status == "regressed" else 2)


def test_what_is_muted_stays_muted_and_what_was_kept_offline_does_not_reopen(world: World) -> None:
    world.tell(crash())
    name = world.one().issue
    world.issues.judge("shop", name, revision=1, status="muted", resolved_in="", by="eve")
    world.tell(crash())
    assert world.one().status == "muted"
    world.clock.advance(10)
    world.issues.judge("shop", name, revision=2, status="resolved", resolved_in="", by="eve")
    late = issues.IssueReport("shop", "late", world.clock.now_ns(), T0, crash())
    world.database.write(lambda transaction: issues.apply(transaction, [late]))
    assert (world.one().status, world.one().events) == ("resolved", 3)


def test_of_two_people_who_judge_at_once_the_second_is_told(world: World) -> None:
    world.tell(crash())
    name = world.one().issue
    others = [World(world.shared.open()) for _ in range(2)]  # type: ignore[attr-defined]
    results = at_once(
        *(
            lambda other=other, status=status: other.issues.judge(
                "shop", name, revision=1, status=status, resolved_in="", by="eve"
            )
            for other, status in zip(others, ("muted", "resolved"), strict=True)
        )
    )
    refused = [result for result in results if isinstance(result, InputError)]
    assert [(one.status, one.code) for one in refused] == [(409, "conflict")]
    assert world.one().revision == 2
    with pytest.raises(InputError):
        world.issues.judge("shop", name, revision=2, status="open", resolved_in="3.2", by="eve")


def test_issues_are_found_by_kind_status_text_version_and_who_they_met_in_any_order(world: World) -> None:
    world.tell(crash(title="50%_off! fails", app_version="3.1", session="s1"))
    world.clock.advance(1)
    world.tell(*(crash(title="Boom", user=f"u{index}", device="d7", session="s7") for index in range(3)))
    world.clock.advance(1)
    world.tell(IssueNotice(session="s9", title="slow", user="u1"), IssueNotice(session="s9", title="slow", user="u1"))
    assert world.listed() == ["slow", "Boom", "50%_off! fails"]
    assert world.listed(order="count") == ["Boom", "slow", "50%_off! fails"]
    assert world.listed(order="users") in (["Boom", "slow", "50%_off! fails"], ["Boom", "50%_off! fails", "slow"])
    assert world.listed(text="%_OFF!") == ["50%_off! fails"]
    assert world.listed(text="b_om") == []
    assert world.listed(version="3.1") == ["50%_off! fails"]
    assert world.listed(user="u1") == ["slow", "Boom"]
    assert world.listed(device="d7") == ["Boom"]
    assert world.listed(session="s9") == ["slow"]
    assert world.listed(kinds=("issue", "feedback"), statuses=("open", "regressed")) == ["slow"]
    assert world.listed(statuses=("muted",)) == []
    pages, after = [], None
    for _ in range(4):
        page = world.issues.find("shop", WantedIssues(order="count", limit=1, after=after))
        pages += [issue.title for issue in page.issues]
        if (after := page.next) is None:
            break
    assert pages == ["Boom", "slow", "50%_off! fails"]


def test_issues_belong_to_their_app(world: World) -> None:
    (occurrence,) = world.tell(crash())
    name = world.one().issue
    assert world.issues.find("other", WantedIssues()).issues == []
    assert world.issues.issue_of("shop", occurrence.id) == name
    assert world.issues.issue_of("other", occurrence.id) is None
    for bad in (name, ODD, "x" * 100_000, ""):
        for call in (
            lambda bad=bad: world.issues.issue("other", bad),
            lambda bad=bad: world.issues.occurrences("other", bad, limit=1),
            lambda bad=bad: world.issues.tallies("other", bad, "user", limit=1),
            lambda bad=bad: world.issues.judge("other", bad, revision=1, status="muted", resolved_in="", by="eve"),
        ):
            with pytest.raises(InputError) as refused:
                call()
            assert refused.value.status == 404
    assert world.one().status == "open"


def test_any_text_is_kept_as_it_was_told(world: World) -> None:
    told = IssueNotice(session=ODD, title=ODD, text=ODD * 100, stack=ODD, device=ODD, user=ODD, app_version=ODD)
    world.tell(told)
    ((_, kept),) = world.issues.occurrences("shop", world.one().issue, limit=9)
    assert (kept.session, kept.text, kept.stack, kept.user) == (ODD, ODD * 100, ODD, ODD)
    assert [one.name for one in world.issues.tallies("shop", kept.issue, "user", limit=9)] == [ODD]
    assert msgspec.json.decode(msgspec.json.encode(world.one()), type=issues.Issue) == world.one()


# ── erasing ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def job(query: str, from_ns: int = 0, to_ns: int = 1 << 62) -> Erasure:
    return Erasure(
        job="era_0123456789abcdef", app="shop", state="confirmed", query=query, from_ns=from_ns, to_ns=to_ns, matches=0,
        asked_by="eve", asked_ns=0, expires_ns=0, confirm_sha256="",
    )  # fmt: skip


def erase(world: World, query: str, **times: int) -> dict[str, int]:
    """What was counted before, and then removed; once more finds nothing."""
    eraser = DeviceEraser(world.database)
    counted = eraser.remove(job(query, **times), dry=True)
    assert eraser.remove(job(query, **times), dry=True) == counted
    assert eraser.remove(job(query, **times), dry=False) == counted
    assert eraser.remove(job(query, **times), dry=False) == {"devices": 0, "occurrences": 0}
    return counted


def everything(world: World) -> str:
    """All that the tables hold."""

    def look(transaction: Any) -> list[Any]:
        return [row for table in TABLES for row in transaction.rows(f"SELECT * FROM {table}")]  # noqa: S608

    return repr([[bytes(v) if isinstance(v, memoryview) else v for v in row] for row in world.database.read(look)])


def test_a_user_is_erased_with_devices_occurrences_names_titles_and_rules(world: World) -> None:
    world.register(pixel("d1", user="anna", name="Anna's phone"), pixel("d2", user="bob"))
    world.remote.make("shop", Wanted("user", "anna", 600, enabled=False), "eve")
    world.remote.make("shop", Wanted("device", "d1", 600, enabled=False, why="anna asked"), "eve")
    world.remote.make("shop", Wanted("device", "d2", 600, enabled=False), "eve")
    world.tell(crash(title="bob 1", user="bob", device="d2", fingerprint="same"))
    world.tell(crash(title="anna 2", text="I am anna", fingerprint="same"), crash(title="anna alone"))
    world.tell(IssueNotice(session="s", kind="feedback", title="anna likes it", user="anna"))
    assert erase(world, "user=anna") == {"devices": 1, "occurrences": 3}
    assert world.listed() == ["bob 1"]
    issue = world.one()
    assert (issue.events, issue.users, issue.devices) == (2, 1, 2)
    assert world.find() == ["d2"] and [rule.target for rule in world.remote.rules("shop")] == ["d2"]
    assert "anna" not in everything(world).lower()


def test_who_is_named_beside_words_is_erased_and_so_is_what_has_the_words(world: World) -> None:
    world.register(pixel("d1", user="anna"), pixel("d2", user="bob"))
    world.remote.make("shop", Wanted("user", "anna", 600, enabled=False), "eve")
    world.tell(crash(title="of anna"), crash(title="bob met anna b", user="bob", device="d2"))
    world.tell(crash(title="of bob", user="bob", device="d2"))
    assert erase(world, 'user=anna or "anna b"') == {"devices": 1, "occurrences": 2}
    assert world.listed() == ["of bob"] and world.find() == ["d2"]
    assert "anna" not in everything(world).lower()


def test_a_device_is_erased_and_those_it_met_stay(world: World) -> None:
    world.register(pixel("d1"), pixel("d2"))
    world.tell(crash(title="t", device="d1"), crash(title="t", device="d2"))
    world.database.write(lambda transaction: remote.ask_for_all(transaction, "shop", {"d1": "t"}, T0))
    assert erase(world, "device=d1 or session=none") == {"devices": 1, "occurrences": 1}
    assert (world.find(), world.one().devices, world.remote.rules("shop")) == (["d2"], 1, [])


def test_a_session_is_erased_and_its_device_stays(world: World) -> None:
    world.register(pixel("d1", user="anna"))
    world.tell(crash(title="mine", session="s1"), crash(title="mine", session="s2"))
    assert erase(world, "session=s1") == {"devices": 0, "occurrences": 1}
    assert world.find() == ["d1"] and world.one().users == 1


def test_any_query_erases_the_occurrences_that_its_events_are(world: World) -> None:
    world.register(pixel("d1"))
    world.tell(crash(title="card number 4711"), crash(title="slow", app_version="3.1"), crash(title="card lost"))
    assert erase(world, "card level:fatal key:crash -4711") == {"devices": 0, "occurrences": 1}
    assert erase(world, "attributes.app_version=3.1") == {"devices": 0, "occurrences": 1}
    assert world.listed() == ["card number 4711"]
    assert erase(world, "") == {"devices": 0, "occurrences": 1}
    assert world.find() == ["d1"]


def test_what_is_outside_of_the_range_or_of_another_app_stays(world: World) -> None:
    world.register(pixel("d1", user="anna"), app="other")
    world.register(pixel("d1", user="anna"))
    world.tell(crash(title="before"))
    world.tell(crash(title="theirs"), app="other")
    world.clock.advance(60)
    world.tell(crash(title="after"))
    assert erase(world, "user=anna", from_ns=T0 + 1) == {"devices": 0, "occurrences": 1}
    assert world.listed() == ["before"] and world.find() == ["d1"]
    assert erase(world, "user=anna") == {"devices": 1, "occurrences": 1}
    assert [one.title for one in world.issues.find("other", WantedIssues()).issues] == ["theirs"]
    assert len(world.devices.named("other", ["d1"])) == 1


def test_what_was_erased_leaves_no_id_and_what_stays_keeps_its_own(world: World) -> None:
    world.tell(crash(id="of anna"), crash(user="bob", id="of bob"), crash(title="hers alone", id="alone"))
    assert erase(world, "user=anna") == {"devices": 0, "occurrences": 2}
    kept = world.database.read(lambda t: t.rows("SELECT occurrence FROM told_ids"))
    assert [str(place) for (place,) in kept] == [devices.id_of("shop", "occurrence", "of bob")]


def test_an_issue_whose_kept_occurrences_are_all_erased_keeps_its_count_alone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(issues, "OCCURRENCES_MAX", 2)
    world.tell(*(crash(title="t", user=user, fingerprint="f") for user in ("bob", "bob", "anna", "anna")))
    assert erase(world, "user=anna") == {"devices": 0, "occurrences": 2}
    assert (world.one().title, world.one().events, world.one().users) == ("erased", 4, 1)
