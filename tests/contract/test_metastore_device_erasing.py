"""What is erased of devices, rules and issues, on SQLite, MariaDB and PostgreSQL."""

from typing import Any

import pytest
from tests.contract.device_worlds import T0, TABLES, World, crash, pixel

from logkeep.decode.issues import IssueNotice
from logkeep.metastore import devices, issues, remote
from logkeep.metastore.device_erasing import DeviceEraser
from logkeep.metastore.erasures import Erasure
from logkeep.metastore.issue_rows import Wanted as WantedIssues
from logkeep.metastore.remote import Wanted


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
