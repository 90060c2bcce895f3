from typing import Any

import msgspec
import pytest

from logkeep.api.answers import GapAnswer, LaneAnswer
from logkeep.api.timeline import Head, Versions, decode_heads, gap_over_ns, gaps, lanes, version_of
from logkeep.clock import NS_PER_S
from logkeep.store.page import rfc3339

T0 = 1_785_578_400 * NS_PER_S


def head(seconds: float, event_id: str = "e", **fields: Any) -> Head:
    return Head(event_id, rfc3339(T0 + int(seconds * NS_PER_S)), **fields)


def test_lanes_stand_in_the_order_of_their_first_events() -> None:
    heads = [
        head(0, component="web", level="error"),
        head(1),
        head(2, component="api", level="fatal"),
        head(3, component="web", level="warn"),
    ]
    at = [each.time for each in heads]
    assert lanes(heads) == [
        LaneAnswer("web", 2, 1, at[0], at[3]),
        LaneAnswer("", 1, 0, at[1], at[1]),
        LaneAnswer("api", 1, 1, at[2], at[2]),
    ]
    assert lanes([]) == []


def test_a_silence_of_over_a_minute_is_a_gap() -> None:
    heads = [head(0, "a"), head(60, "b"), head(120.5, "c"), head(121, "d")]
    assert gaps(heads) == [GapAnswer("b", "c", heads[1].time, heads[2].time, 60.5)]
    assert gaps([]) == gaps(heads[:1]) == []


@pytest.mark.parametrize(
    ("steps_s", "over_s"),
    [
        ([], 60),
        ([120] * 9, 60),
        ([120] * 10, 600),
        ([1] * 50 + [7200], 60),
        ([20] * 20, 100),
        ([0] * 30, 60),
    ],
)
def test_what_is_long_is_measured_by_the_usual_step_of_a_longer_session(steps_s: list[int], over_s: int) -> None:
    times = [T0]
    for step in steps_s:
        times.append(times[-1] + step * NS_PER_S)
    assert gap_over_ns(times) == over_s * NS_PER_S


@pytest.mark.parametrize(
    ("attributes", "version"),
    [
        ([], None),
        ([{"os": "linux"}, None], None),
        ([{"app_version": "1.2"}, {"os": "linux"}], "1.2"),
        ([{"app_version": "1.2"}, {"app_version": "1.3"}], "1.3"),
        ([{"build": 7, "app.version": "2.0"}], "2.0"),
        ([{"build": 7}], "7"),
        ([{"version": ""}, {"version": None}, {"version": False}], None),
        ([{"release": '{"a":1}'}], '{"a":1}'),
    ],
)
def test_the_version_is_what_the_last_attribute_says(attributes: list[dict[str, Any] | None], version: str) -> None:
    found = [each and msgspec.convert(each, Versions) for each in attributes]
    assert version_of(each or None for each in found) == version


def test_heads_are_read_from_what_a_store_answers() -> None:
    event = {"id": "e", "time": rfc3339(T0 + 5), "value": {"level": 1}, "attributes": {"n": 1}, "component": "web"}
    [found] = decode_heads(msgspec.json.encode([event]))
    assert (found.time_ns, found.component, found.level, found.attributes) == (T0 + 5, "web", "", Versions())
