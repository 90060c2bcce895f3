"""Times as people and programs write them in requests: RFC 3339, epoch milliseconds, or relative to now.

    2026-08-01T10:00:00.123Z · 2026-08-01T12:00:00+02:00 · 2026-08-01 · 1785578400123 · now · now-1d · -15m · -1h30m

RFC 3339 wants an offset; without one UTC is meant. A `+` that a form decoded into a blank is understood.
"""

import re
from datetime import UTC, datetime

import msgspec

from logkeep.clock import NS_PER_DAY, NS_PER_MS, NS_PER_S
from logkeep.errors import InputError

TIME_NS_MAX = (1 << 63) - 1  # 2262-04-11: what 64 bits of nanoseconds reach
TIME_CHARS_MAX = 64

_UNIT_NS = {
    "ms": NS_PER_MS, "s": NS_PER_S, "m": 60 * NS_PER_S, "h": 3600 * NS_PER_S, "d": NS_PER_DAY, "w": 7 * NS_PER_DAY,
}  # fmt: skip
_EPOCH_MS = re.compile(r"\d{1,15}", re.ASCII)
_RELATIVE = re.compile(r"(?:now)?\s*([+-])((?:\d{1,9}(?:ms|[smhdw]))+)", re.ASCII)
_STEP = re.compile(r"(\d+)(ms|[smhdw])", re.ASCII)
_RFC_3339 = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})"
    r"(?:[Tt ](\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d+))?)?(?:([Zz])|([+ -])(\d{2}):?(\d{2}))?)?",
    re.ASCII,
)


class TimeRange(msgspec.Struct, frozen=True):
    """from_ns <= time < to_ns, ns UTC."""

    from_ns: int
    to_ns: int


def parse_time(text: str, now_ns: int) -> int:
    """The moment `text` names, ns UTC, within 0 … TIME_NS_MAX. Raises InputError (code "bad_time")."""
    text = text.strip()
    if len(text) <= TIME_CHARS_MAX:
        if text == "now":
            return now_ns
        if _EPOCH_MS.fullmatch(text):
            return _within(int(text) * NS_PER_MS, text)
        if match := _RELATIVE.fullmatch(text):
            return _relative(now_ns, match[1], match[2])
        if match := _RFC_3339.fullmatch(text):
            return _within(_absolute(match, text), text)
    raise InputError(
        f"the time {text[:TIME_CHARS_MAX]!r} is none; write RFC 3339 (2026-08-01T10:00:00Z), epoch milliseconds, or "
        "relative to now (-15m, -1h30m, now-1d)",
        code="bad_time",
    )


def parse_range(
    from_text: str | None, to_text: str | None, *, now_ns: int, retention_days: int, future_s: float
) -> TimeRange:
    """The range a request asks for; by default everything kept, up to as far ahead as a sender's clock may be.

    Raises InputError for a time that is none, or for a range without any moment in it.
    """
    today_ns = now_ns - now_ns % NS_PER_DAY
    from_ns = parse_time(from_text, now_ns) if from_text else max(0, today_ns - retention_days * NS_PER_DAY)
    to_ns = parse_time(to_text, now_ns) if to_text else now_ns + int(future_s * NS_PER_S)
    if from_ns >= to_ns:
        raise InputError(
            f"from {format_time(from_ns)} is not before to {format_time(to_ns)}; swap them or widen the range",
            code="bad_range",
        )
    return TimeRange(from_ns, to_ns)


def format_time(time_ns: int) -> str:
    """RFC 3339 in UTC with milliseconds (cut, not rounded): `2026-08-01T10:00:00.123Z`."""
    seconds, rest_ns = divmod(time_ns, NS_PER_S)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest_ns // NS_PER_MS:03}Z"


def _relative(now_ns: int, sign: str, steps: str) -> int:
    """Beyond either end of time is that end: `-9999w` means "from the beginning"."""
    span_ns = sum(int(count) * _UNIT_NS[unit] for count, unit in _STEP.findall(steps))
    return min(TIME_NS_MAX, max(0, now_ns + (span_ns if sign == "+" else -span_ns)))


def _absolute(match: re.Match[str], text: str) -> int:
    year, month, day, hour, minute, second, fraction, _, sign, offset_hours, offset_minutes = match.groups()
    leap = second == "60"  # a leap second is the first moment of the next minute here
    try:
        moment = datetime(
            int(year),
            int(month),
            int(day),
            int(hour or 0),
            int(minute or 0),
            59 if leap else int(second or 0),
            tzinfo=UTC,
        )
    except ValueError as error:
        raise InputError(f"the time {text!r} is none: {error}", code="bad_time") from error
    since_epoch = moment - datetime(1970, 1, 1, tzinfo=UTC)
    seconds = since_epoch.days * 86_400 + since_epoch.seconds + leap
    if sign is not None:
        if int(offset_hours) > 23 or int(offset_minutes) > 59:
            raise InputError(f"the time {text!r} has an offset over 23:59", code="bad_time")
        offset_s = int(offset_hours) * 3600 + int(offset_minutes) * 60
        seconds += offset_s if sign == "-" else -offset_s
    return seconds * NS_PER_S + int((fraction or "0")[:9].ljust(9, "0"))


def _within(time_ns: int, text: str) -> int:
    if not 0 <= time_ns <= TIME_NS_MAX:
        raise InputError(f"the time {text!r} is outside 1970 to 2262; epoch times are in milliseconds", code="bad_time")
    return time_ns
