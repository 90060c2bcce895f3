"""Devices and issues that are told: known once, counted once, and an issue is an event of its session."""

from pathlib import Path
from typing import Any

from tests.unit.processor.test_erasure import confirm, done, run_until_done
from tests.unit.processor.test_worker import APP, NOW_NS, Bench, Crash, Dying, Fuse, event

from logkeep.clock import NS_PER_DAY, NS_PER_S, ManualClock
from logkeep.metastore.configuration import Question
from logkeep.metastore.devices import Devices
from logkeep.metastore.issue_rows import Issues, Wanted
from logkeep.metastore.issues import Issue, Occurrence
from logkeep.metastore.remote import Remote
from logkeep.processor.ledger import AppLedger, NoticeLedger
from logkeep.settings import LimitSettings

STACK = 'Traceback (most recent call last):\n  File "cart.py", line 3, in pay\nValueError: no amount'


def tell(bench: Bench, *notices: dict[str, Any], kind: str = "issues", **header: Any) -> None:
    bench.send(list(notices), kind=kind, **header)


def crash(**more: Any) -> dict[str, Any]:
    return {"session": "s", "kind": "crash", "stack": STACK, "device": "d", "user": "u", "app_version": "3.1"} | more


def issues(bench: Bench) -> list[Issue]:
    return Issues(bench.database, ManualClock(NOW_NS)).find(APP, Wanted()).issues


def occurrences(bench: Bench) -> list[Occurrence]:
    found = Issues(bench.database, ManualClock(NOW_NS))
    return [one for issue in issues(bench) for _, one in found.occurrences(APP, issue.issue, limit=99)]


def test_a_device_that_is_told_is_known_and_no_event(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    tell(bench, {"device": "d", "model": "Pixel"}, {"device": "d", "os": "Android"}, kind="devices")
    assert bench.drain() == AppLedger(0, 0, notices={"devices": NoticeLedger(2, 2)})
    (device,) = Devices(bench.database).named(APP, ["d"]).values()
    assert (device.model, device.os, device.first_ns) == ("Pixel", "Android", NOW_NS)


def test_an_app_has_so_many_devices_and_the_silent_ones_make_room(tmp_path: Path) -> None:
    bench, limits = Bench(tmp_path), LimitSettings(devices_per_app=10)
    for second in range(10):
        tell(bench, {"device": f"d{second}", "model": "m"}, kind="devices", received_ns=NOW_NS + second)
    bench.drain(bench.processor(limits=limits))
    new = [{"device": name, "os": "x"} for name in ("d0", "e0", "e1")]
    tell(bench, *new, kind="devices", received_ns=NOW_NS + 99)
    ledger = bench.drain(bench.processor(limits=limits))
    assert ledger.notices == {"devices": NoticeLedger(13, 13)}
    names = [f"d{number}" for number in range(10)] + ["e0", "e1"]
    known = Devices(bench.database).named(APP, names)
    assert set(names) - set(known) == {"d1", "d2", "d3"} and known["d0"].model == "m"  # two, and one to spare


def test_secrets_of_a_device_or_an_issue_are_kept_nowhere(tmp_path: Path) -> None:
    bench, secret = Bench(tmp_path), "hunter2hunter2"
    tell(
        bench, {"device": "d", "name": f"password={secret}", "keys": {"token": secret, "plan": "gold"}}, kind="devices"
    )
    tell(
        bench, crash(title=f"pwd={secret}", text=f"Authorization: Bearer {secret}", stack=f"{STACK}\npassword={secret}")
    )
    bench.drain()
    (device,) = Devices(bench.database).named(APP, ["d"]).values()
    assert (device.name, device.keys) == ("password=[masked]", {"token": "[masked]", "plan": "gold"})
    (issue,), (occurrence,) = issues(bench), occurrences(bench)
    kept = str([issue, occurrence, *bench.events()])
    assert secret not in kept and kept.count("[masked]") >= 6
    assert [found["attributes"]["issue"] for found in bench.events()] == [issue.issue]


def test_what_is_no_secret_stays_in_a_notice_whose_masks_are_longer_than_what_they_hide(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    tell(bench, {"device": "d", "name": "pwd=a phone of anna", "keys": {"v": "token=abc;plan=gold"}}, kind="devices")
    tell(bench, crash(title="odd", text="token=a pwd=b and 100 more", stack="E: token=a\n  at last.frame(A.java:9)"))
    bench.drain()
    (device,) = Devices(bench.database).named(APP, ["d"]).values()
    assert (device.name, device.keys) == ("pwd=* phone of anna", {"v": "token=*;plan=gold"})
    (occurrence,) = occurrences(bench)
    assert (occurrence.text, occurrence.stack) == (
        "token=* pwd=* and 100 more",
        "E: token=*\n  at last.frame(A.java:9)",
    )


def test_an_issue_is_counted_and_stands_in_its_session(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.send([event(1)])
    tell(bench, crash(), {"session": "s", "title": "odd", "text": "because"}, crash(kind="feedback", title="nice"))
    ledger = bench.drain()
    assert ledger == AppLedger(4, 4, notices={"issues": NoticeLedger(3, 3)})
    told = {found["key"]: found for found in bench.events() if found["key"] != "k1"}
    assert {key: found["level"] for key, found in told.items()} == {
        "crash": "fatal", "issue": "error", "feedback": "info",
    }  # fmt: skip
    assert told["issue"]["value"] == "odd\n\nbecause"
    assert told["crash"]["value"] == f"ValueError: no amount\n\n{STACK}"
    (found,) = [issue for issue in issues(bench) if issue.kind == "crash"]
    assert told["crash"]["attributes"] == {"issue": found.issue, "where": "pay (cart.py)", "app_version": "3.1"}
    assert {one.id for one in occurrences(bench)} == {found["id"] for found in told.values()}


def test_the_device_of_an_issue_is_asked_for_all_it_has_for_a_day(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    tell(bench, crash(device="d"), crash(device="e"), crash(device="d"))
    bench.drain()
    remote = Remote(bench.database, ManualClock(NOW_NS), refresh_s=1.0)
    (rule, _) = remote.rules(APP)
    assert (rule.by, rule.until_ns) == ("an issue", NOW_NS + NS_PER_DAY)
    for device in ("d", "e"):
        assert remote.look().of(APP, Question(device), NOW_NS).settings.send_all_now == NOW_NS // 1_000_000
    assert remote.look().of(APP, Question("f"), NOW_NS).settings.send_all_now == 0
    later = NOW_NS + 60 * NS_PER_S
    tell(bench, crash(device="d"), received_ns=NOW_NS + NS_PER_S)
    tell(bench, crash(device="d"), received_ns=later - NS_PER_S)
    bench.drain()
    assert remote.look().of(APP, Question("d"), NOW_NS).settings.send_all_now == NOW_NS // 1_000_000
    tell(bench, crash(device="d"), received_ns=later)
    bench.drain()
    assert len(remote.rules(APP)) == 2
    assert remote.look().of(APP, Question("d"), NOW_NS).settings.send_all_now == later // 1_000_000


def asked(bench: Bench, *devices: str) -> list[str]:
    known = Remote(bench.database, ManualClock(NOW_NS), refresh_s=1.0).look()
    return [name for name in devices if known.of(APP, Question(name), NOW_NS).settings.send_all_now]


def test_an_issue_that_names_no_device_asks_the_one_its_session_was_told_with(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    told = [{"session": "s", "device": "d"}, {"session": "t", "user": "u"}]
    tell(bench, *told, kind="sessions")
    tell(bench, crash(device=None), crash(session="t", device=None), crash(session="x", device=None))
    bench.drain()
    assert asked(bench, "d", "") == ["d"]


def test_an_issue_that_names_no_device_asks_the_registered_one_that_was_seen_in_its_session(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    tell(bench, {"device": "d"}, {"device": "e"}, {"device": "f"}, kind="devices")
    times = {"d": 9, "e": 5, "unregistered": 2}
    bench.send([event(n, device=name, time=(NOW_NS - n * NS_PER_S) // 1_000_000) for name, n in times.items()])
    bench.drain()
    tell(bench, crash(session=event(1)["session"], device=None))
    bench.drain()
    assert asked(bench, "d", "e", "f", "unregistered") == ["e"]  # of the one seen last no name is known


def test_an_issue_that_names_no_device_is_of_the_one_that_sent_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    tell(bench, crash(device=None), crash(session="t", device="other"), device="d")
    bench.drain()
    assert asked(bench, "d", "other") == ["d", "other"]
    assert {one.session: one.device for one in occurrences(bench)} == {"s": "d", "t": "other"}
    assert {found["session"]: found["device"] for found in bench.events()} == {"s": "d", "t": "other"}


def test_a_clock_that_is_wrong_is_not_believed(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    tell(bench, crash(time="2099-01-01T00:00:00Z"), crash(time="1970-01-01T00:00:00Z"), crash(time="yesterday"))
    hour_ago = NOW_NS - 3600 * NS_PER_S
    tell(bench, crash(time=hour_ago // 1_000_000))
    bench.drain()
    assert sorted(one.time_ns for one in occurrences(bench)) == [hour_ago // 1_000_000 * 1_000_000, *[NOW_NS] * 3]
    sent = sorted(str(found["attributes"].get("sent_time", "")) for found in bench.events())
    assert sent == ["", "1970-01-01T00:00:00Z", "2099-01-01T00:00:00Z", "yesterday"]


def test_what_is_told_again_under_its_id_is_one_occurrence_and_one_event(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    tell(bench, crash(id="mine"))
    bench.drain()
    tell(bench, crash(id="mine"), crash(id="other"))
    ledger = bench.drain()
    assert (ledger.received, ledger.stored, ledger.rejected) == (3, 2, {"duplicate": 1})
    (issue,) = issues(bench)
    assert (issue.events, len(bench.events())) == (2, 2)


def test_killed_at_every_step_a_crash_is_counted_once_and_stored_once(tmp_path: Path) -> None:
    died = 0
    for step in range(1, 24):
        bench = Bench(tmp_path / str(step))
        bench.send([event(1)])
        tell(bench, crash(), crash(user="v"))
        tell(bench, crash(device="e"), partition="udp-0")
        tell(bench, crash(), batch_id="e" * 24, repeatable=True)
        tell(bench, crash(), batch_id="e" * 24, repeatable=True)
        for _ in range(3):
            fuse = Fuse(step)
            try:
                bench.drain(bench.processor(Dying(bench.queue, fuse), Dying(bench.store, fuse), batch_events_max=2))
                break
            except Crash:
                died += 1
        ledger = bench.drain()
        want = AppLedger(6, 5, {"duplicate": 1}, notices={"issues": NoticeLedger(5, 4, {"duplicate": 1})})
        assert (step, ledger) == (step, want)
        (issue,) = issues(bench)
        assert (step, issue.events, issue.users, issue.devices) == (step, 4, 2, 2)
        assert (step, len(bench.events())) == (step, 5)
    assert died > 10


def test_an_erasure_covers_what_devices_and_issues_told_and_its_receipt_counts_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    tell(bench, {"device": "d", "user": "anna"}, {"device": "e", "user": "bob"}, kind="devices")
    tell(bench, crash(user="anna"), crash(user="bob", device="e"))
    bench.send([event(1, user="anna")])
    name = confirm(bench, "user=anna")
    ledger = run_until_done(bench)
    erased = done(bench, name).erased
    assert erased is not None
    assert (erased.events, erased.devices, erased.occurrences) == (2, 1, 1)
    assert (ledger.stored, ledger.erased) == (1, 2)
    assert [one.user for one in occurrences(bench)] == ["bob"]
    assert list(Devices(bench.database).named(APP, ["d", "e"])) == ["e"]
    assert [found["user"] for found in bench.events()] == ["bob"]
