import json
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from logkeep.clock import NS_PER_DAY, NS_PER_S
from logkeep.event import LEVELS, WireEvent
from logkeep.loadgen.events import BLOCK_EVENTS_MAX, FORMS, EventMaker, Numbering, write_ndjson

END_NS = 1_790_000_000 * NS_PER_S


def made(seed: int = 7, events: int = 4 * BLOCK_EVENTS_MAX, **options: object) -> list[str]:
    maker = EventMaker(seed, end_ns=END_NS, **{"days": 1, "events": events, **options})  # type: ignore[arg-type]
    return [line for _ in range(0, events, BLOCK_EVENTS_MAX) for line in maker.lines(BLOCK_EVENTS_MAX)]


def decoded(lines: list[str]) -> list[WireEvent]:
    return [msgspec.json.decode(line, type=WireEvent) for line in lines]


def test_the_same_seed_makes_the_same_events_and_another_seed_others() -> None:
    assert made(7, 512) == made(7, 512)
    assert not set(made(7, 512)) & set(made(8, 512))


def test_every_event_is_one_the_service_accepts() -> None:
    events = decoded(made(with_ids=True))

    assert all(event.session and event.key and bytes(event.value) for event in events)
    assert {event.level for event in events} <= set(LEVELS)
    assert len({event.id for event in events}) == len(events)


def test_the_mixture_is_that_of_a_system_with_many_components() -> None:
    lines = made(events=16 * BLOCK_EVENTS_MAX)
    events = [json.loads(line) for line in lines]
    sessions = Counter(event["session"] for event in events)
    kinds = {type(event["value"]) for event in events}
    levels = Counter(event["level"] for event in events)

    assert len({event["component"] for event in events}) == 19
    assert kinds == {str, int, float, dict, bool}
    assert 450 < sum(map(len, lines)) / len(lines) < 600
    assert 0.03 < levels["error"] / len(events) < 0.15
    assert max(sessions.values()) > 5
    assert any("\n\tat " in event["value"] for event in events if isinstance(event["value"], str))
    assert any("user" not in event for event in events)


def test_a_session_has_one_user_and_one_device() -> None:
    owners: dict[str | None, set[tuple[str | None, str | None]]] = {}
    for event in decoded(made()):
        owners.setdefault(event.session, set()).add((event.user, event.device))

    assert {len(found) for found in owners.values()} == {1}


def test_messages_change_after_all_forms_have_been_used() -> None:
    maker = EventMaker(7, days=1, end_ns=END_NS)
    values = [
        json.dumps(json.loads(line)["attributes"].get("pod"))
        for _ in range(8 * FORMS // BLOCK_EVENTS_MAX)
        for line in maker.lines(BLOCK_EVENTS_MAX)
    ]
    assert len(set(values)) > FORMS


def test_times_are_spread_over_the_days_and_end_before_the_end() -> None:
    times = [json.loads(line)["time"] for line in made(days=5)]

    assert min(times) >= _day(END_NS - 5 * NS_PER_DAY)
    assert max(times) <= _day(END_NS)
    assert len({time[:10] for time in times}) in (5, 6)


def _day(time_ns: int) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(time_ns / NS_PER_S, UTC).isoformat()


def test_numbered_events_count_from_1_for_each_client_without_a_gap() -> None:
    events = decoded(made(numbering=Numbering("KEY", "run")))
    numbers: dict[tuple[str | None, str | None], list[int | None]] = {}
    for event in events:
        numbers.setdefault((event.component, event.client), []).append(event.seq)

    assert {event.app for event in events} == {"KEY"}
    assert all(client == f"load-run-{component}" for component, client in numbers)
    assert all(found == list(range(1, len(found) + 1)) for found in numbers.values())


def test_a_file_holds_as_many_lines_as_asked_and_tells_its_bytes(tmp_path: Path) -> None:
    events = 2 * BLOCK_EVENTS_MAX + 3
    written = write_ndjson(tmp_path / "events.ndjson", events, 7, 2, end_ns=END_NS)
    data = (tmp_path / "events.ndjson").read_bytes()

    assert [len(data), data.count(b"\n"), data[-1:]] == [written, events, b"\n"]
    assert len(decoded(data.decode().splitlines())) == events


@pytest.mark.parametrize("events", [0, BLOCK_EVENTS_MAX + 1])
def test_a_block_is_bounded(events: int) -> None:
    with pytest.raises(AssertionError):
        EventMaker(1).lines(events)
