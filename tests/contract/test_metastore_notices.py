"""What processors keep in the metastore, on SQLite and on real MariaDB and PostgreSQL servers."""

from tests.contract.metastores import Shared

from logkeep.clock import SystemClock
from logkeep.event import Event
from logkeep.masking.rules import DEFAULT, Rules
from logkeep.metastore import session_map, statistics, waiting
from logkeep.metastore.applied import Applied
from logkeep.metastore.database import Database
from logkeep.metastore.devices import id_of
from logkeep.metastore.distinct import count_of, hash_of, joined
from logkeep.metastore.masking import Kept, MaskingRules
from logkeep.metastore.session_map import Seen, Span, who_of
from logkeep.metastore.statistics import Counts, Place

ODD = "ü\x00\U0001f600" + "x" * 500  # longer than an index takes, with what PostgreSQL does not keep in a text


def test_what_is_applied_once_is_applied_once(begun: Shared) -> None:
    done: list[set[str]] = []
    one, other = Applied(begun.open(), "topic"), Applied(begun.open(), "topic")
    one.begin_at({"a": 3, "b": 0})
    other.begin_at({"a": 99})
    for applied, ends in ((one, {"a": 5}), (other, {"a": 5, "b": 2}), (one, {"a": 4}), (other, {"a": 9, "c": 1})):
        applied.once(ends, lambda transaction, fresh: done.append(fresh))
    assert done == [{"a"}, {"b"}, {"a", "c"}]
    assert one.places() == {"a": 9, "b": 2, "c": 1} and Applied(begun.open(), "topi").places() == {}
    one.rewind({"a": 1})
    assert other.places()["a"] == 1


def test_spans_widen_in_any_order_and_are_forgotten(begun: Shared) -> None:
    database, who = begun.open(), who_of("shop", "user", ODD)
    for first, last in ((50, 60), (10, 20), (55, 56)):
        seen = [Seen(who, "shop", Span(ODD, first, last)), Seen(who, "shop", Span("other", 1, 1))]
        database.write(lambda transaction, seen=seen: session_map.widen(transaction, seen))  # type: ignore[misc]

    def spans(database: Database) -> list[Span]:
        return sorted(
            database.read(lambda transaction: session_map.spans_of(transaction, [who, "nobody"]))[who],
            key=lambda span: span.from_ns,
        )

    assert spans(database) == [Span("other", 1, 1), Span(ODD, 10, 60)]
    database.write(lambda transaction: session_map.forget_before(transaction, 2, 0))
    assert spans(database) == [Span(ODD, 10, 60)]
    for plan in ("free", "paid"):
        database.write(
            lambda transaction, plan=plan: session_map.told(  # type: ignore[misc]
                transaction, "shop", ODD, time_ns=7, user=ODD, device="", attributes={"plan": plan, plan: 1}
            )
        )
    known = database.read(lambda transaction: session_map.known_session(transaction, "shop", ODD))
    assert known is not None and (known.user, known.attributes) == (ODD, {"plan": "paid", "free": 1, "paid": 1})
    names = {"user": {ODD}}
    for dry, left in ((True, 1), (False, 0)):
        rows = database.write(
            lambda transaction, dry=dry: session_map.forget_named(transaction, "shop", names, 0, 1 << 62, dry=dry)  # type: ignore[misc]
        )
        assert (rows, len(spans(database))) == (2, left)


def test_what_was_told_of_a_session_is_forgotten_with_its_user_or_device_after_the_map_forgot(begun: Shared) -> None:
    database = begun.open()

    def tell(session: str, time_ns: int, app: str = "shop", user: str = "", device: str = "") -> None:
        seen = [Seen(who_of(app, "user", user), app, Span(session, time_ns, time_ns))]
        database.write(lambda transaction: session_map.widen(transaction, seen))
        database.write(
            lambda transaction: session_map.told(
                transaction, app, session, time_ns=time_ns, user=user, device=device, attributes={}
            )
        )

    def left(app: str = "shop") -> list[str]:
        return sorted(
            database.read(lambda transaction: session_map.known_sessions(transaction, app, ["a", "b", "c", "d", "e"]))
        )

    tell("a", 10, user=ODD)
    tell("b", 20, user="ben", device=ODD)
    tell("c", 30, user="ben", device="other")
    tell("d", 500, user=ODD)
    tell("e", 10, "other", user=ODD)
    database.write(lambda transaction: session_map.forget_before(transaction, 1_000, 0))
    many = {f"nobody{number}" for number in range(session_map.NAMES_AT_ONCE)}
    for names, count, rest in (
        ({"user": {"nobody"}}, 0, ["a", "b", "c", "d"]),
        ({"user": {ODD} | many, "device": {ODD}}, 2, ["c", "d"]),
    ):
        for dry in (True, False):
            rows = database.write(
                lambda transaction, dry=dry, names=names: session_map.forget_named(  # type: ignore[misc]
                    transaction, "shop", names, 0, 100, dry=dry
                )
            )
            assert rows == count
        assert left() == rest and left("other") == ["e"]


def test_who_was_seen_in_a_session_is_found_last_first_and_bounded(begun: Shared) -> None:
    database, names = begun.open(), [f"d{number:02}" for number in range(20)]
    seen = [
        Seen(who_of("shop", "device", name), "shop", Span(ODD, 1, 100 + number)) for number, name in enumerate(names)
    ]
    other = Seen(who_of("shop", "user", ODD), "shop", Span("seen in", 1, 1))
    database.write(lambda transaction: session_map.widen(transaction, [*seen, other]))
    sids = [session_map.sid_of("shop", name) for name in (ODD, "seen in", "nowhere", ODD)]
    found = database.read(lambda transaction: session_map.seen_in(transaction, sids))
    assert found[sids[0]] == [id_of("shop", "device", name) for name in reversed(names)][: session_map.SEEN_MAX]
    assert found[sids[1]] == [other.who] and len(found) == 2


def test_events_wait_and_are_found_by_time_and_by_session(begun: Shared) -> None:
    database = begun.open()
    events = [
        Event("shop", "", ODD, f"v{n}", "text", None, n, n, f"i{n}", device="d" if n % 2 else "", user="u")
        for n in range(6)
    ]
    database.write(lambda transaction: waiting.put(transaction, events, 100))
    assert database.read(waiting.used)[0] == 6
    due = database.read(lambda transaction: waiting.due(transaction, 102, 10))
    assert [row.event for row in due] == events[:3] and [bool(row.device_who) for row in due] == [False, True, False]
    assert database.read(lambda transaction: waiting.with_sessions(transaction, -1, 10)) == []
    seen = [Seen(who_of("shop", "device", "d"), "shop", Span("s", 0, 9))]
    database.write(lambda transaction: session_map.widen(transaction, seen))
    told = database.read(lambda transaction: waiting.with_sessions(transaction, -1, 10))
    assert [row.event.id for row in told] == ["i1", "i3", "i5"]
    database.write(lambda transaction: waiting.remove(transaction, [row.number for row in told]))
    left = database.read(lambda transaction: waiting.of_app(transaction, "shop", -1, 10))
    assert [event.id for _, event in left] == ["i0", "i2", "i4"]


def test_statistics_add_up_and_are_read_and_dropped_by_day(begun: Shared) -> None:
    database = begun.open()
    for name in ("anna", "ben"):
        counts = Counts(1, 1 << 40, 1, 0, joined((), [hash_of(name)]))
        cells = {Place("shop", 20_000, ODD, ODD): counts, Place("shop", 20_001): Counts(rejects=2)}
        database.write(lambda transaction, cells=cells: statistics.add(transaction, cells))  # type: ignore[misc]

    def rows(grain: statistics.Grain) -> list[tuple[int, str, int, int, int, int]]:
        found = database.read(lambda transaction: statistics.read(transaction, "shop", grain, 0, 30_000))
        return [
            (
                r.place.day,
                r.place.key,
                r.counts.events,
                r.counts.value_bytes,
                r.counts.rejects,
                count_of(r.counts.users),
            )
            for r in found
        ]

    assert rows(2) == [(20_000, ODD, 2, 2 << 40, 0, 2), (20_001, "", 0, 0, 4, 0)]
    assert rows(0) == [(20_000, "", 2, 2 << 40, 0, 2), (20_001, "", 0, 0, 4, 0)]
    gone = database.write(
        lambda transaction: statistics.forget_named(transaction, "shop", {"user": ["ben"]}, 0, 30_000, dry=False)
    )
    assert gone == 3 and rows(0)[0][-1] == 1
    database.write(lambda transaction: statistics.drop_before(transaction, 20_001))
    assert [row[0] for row in rows(1)] == [20_001]


def test_masking_rules_are_known_to_other_instances(begun: Shared) -> None:
    one, other = (MaskingRules(begun.open(), SystemClock(), refresh_s=3600) for _ in range(2))
    assert one.stored("shop").rules == other.of("shop") == DEFAULT
    rules = Rules(("card",), ("pin",))
    for wanted in (DEFAULT, rules):
        one.put("shop", wanted)
    assert (one.of("shop"), other.stored("shop"), other.of("mail")) == (rules, Kept(rules, 2), DEFAULT)
