"""Times and ranges as requests write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logkeep.api.times import TIME_NS_MAX, TimeRange, format_time, parse_range, parse_time
from logkeep.clock import NS_PER_DAY, NS_PER_MS, NS_PER_S
from logkeep.errors import InputError
from logkeep.store.page import rfc3339

NOW_NS = 1_785_578_400_123_456_789  # 2026-08-01T10:00:00.123456789Z


@pytest.mark.parametrize(
    ("text", "time_ns"),
    [
        ("now", NOW_NS),
        (" now ", NOW_NS),
        ("now-1d", NOW_NS - NS_PER_DAY),
        ("now+5m", NOW_NS + 300 * NS_PER_S),
        ("-15m", NOW_NS - 900 * NS_PER_S),
        ("-1h30m", NOW_NS - 5400 * NS_PER_S),
        ("-250ms", NOW_NS - 250 * NS_PER_MS),
        ("-2w", NOW_NS - 14 * NS_PER_DAY),
        ("-999999999w", 0),
        ("+999999999w", TIME_NS_MAX),
        ("0", 0),
        ("1785578400123", 1_785_578_400_123 * NS_PER_MS),
        ("2026-08-01T10:00:00Z", 1_785_578_400 * NS_PER_S),
        ("2026-08-01t10:00:00z", 1_785_578_400 * NS_PER_S),
        ("2026-08-01T10:00:00.5Z", 1_785_578_400 * NS_PER_S + 500 * NS_PER_MS),
        ("2026-08-01T10:00:00.1234567899Z", 1_785_578_400 * NS_PER_S + 123_456_789),
        ("2026-08-01T12:00:00+02:00", 1_785_578_400 * NS_PER_S),
        ("2026-08-01T12:00:00 02:00", 1_785_578_400 * NS_PER_S),
        ("2026-08-01T04:30:00-05:30", 1_785_578_400 * NS_PER_S),
        ("2026-08-01T10:00", 1_785_578_400 * NS_PER_S),
        ("2026-08-01", 1_785_542_400 * NS_PER_S),
        ("2026-08-01T09:59:60Z", 1_785_578_400 * NS_PER_S),
    ],
)
def test_a_time_is_read_in_every_form(text: str, time_ns: int) -> None:
    assert parse_time(text, NOW_NS) == time_ns


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "-15", "15m", "-m", "2026-13-01", "2026-02-30T00:00:00Z", "2026-08-01T25:00:00Z", "1969-12-31",
     "9999-01-01", "1e12", "-1h-30m", "now-", "１２３", "2026-08-01T10:00:00+24:00", "9" * 15, "x" * 100_000],
)  # fmt: skip
def test_what_is_no_time_is_refused_in_words(text: str) -> None:
    with pytest.raises(InputError) as refused:
        parse_time(text, NOW_NS)
    assert (refused.value.code, refused.value.status) == ("bad_time", 400)
    assert len(refused.value.message) < 300


@given(st.text())
def test_any_text_is_a_time_or_bad_input(text: str) -> None:
    try:
        assert 0 <= parse_time(text, NOW_NS) <= TIME_NS_MAX
    except InputError as error:
        assert error.code == "bad_time"


@given(st.integers(0, TIME_NS_MAX))
def test_a_time_that_was_written_is_read_back(time_ns: int) -> None:
    assert parse_time(rfc3339(time_ns), NOW_NS) == time_ns
    assert parse_time(format_time(time_ns), NOW_NS) == time_ns - time_ns % NS_PER_MS


@given(
    st.lists(st.tuples(st.integers(0, 9999), st.sampled_from(["ms", "s", "m", "h", "d", "w"])), min_size=1, max_size=4)
)
def test_steps_add_up_and_both_signs_mirror(steps: list[tuple[int, str]]) -> None:
    unit_ns = {"ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9, "d": 86400 * 10**9, "w": 604800 * 10**9}
    span_ns = sum(count * unit_ns[unit] for count, unit in steps)
    text = "".join(f"{count}{unit}" for count, unit in steps)
    assert parse_time("-" + text, NOW_NS) == parse_time("now-" + text, NOW_NS) == max(0, NOW_NS - span_ns)
    assert parse_time("now+" + text, NOW_NS) == min(TIME_NS_MAX, NOW_NS + span_ns)


def test_without_bounds_a_range_is_all_that_is_kept_and_the_allowed_skew() -> None:
    found = parse_range(None, "", now_ns=NOW_NS, retention_days=15, future_s=600)
    midnight_ns = 1_785_542_400 * NS_PER_S
    assert found == TimeRange(midnight_ns - 15 * NS_PER_DAY, NOW_NS + 600 * NS_PER_S)


@pytest.mark.parametrize(("from_", "to"), [("now", "now"), ("-1h", "-2h"), ("2026-08-01", "2026-07-01")])
def test_a_range_without_any_moment_is_refused(from_: str, to: str) -> None:
    with pytest.raises(InputError) as refused:
        parse_range(from_, to, now_ns=NOW_NS, retention_days=15, future_s=600)
    assert refused.value.code == "bad_range"
