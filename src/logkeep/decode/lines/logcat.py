"""Lines of Android's logcat: the formats threadtime, time and brief, with or without a year, zone and uid.

03-17 16:13:38.811  1702  2395 D WindowManager: text
03-17 16:13:38.811 D/WindowManager( 1702): text
D/WindowManager( 1702): text
"""

import re

from logkeep.clock import NS_PER_S
from logkeep.decode.lines.record import LEVEL_LETTERS, LogLine, Parse, Scalar
from logkeep.decode.lines.times import Calendar, Minutes, fraction_ns, iso_minutes, offset_ns

_TIME = r"(?:(\d{4})-)?(\d\d-\d\d \d\d:\d\d):(\d\d)\.(\d{3,9})(?: ([+-]\d{4}))?"
_THREADTIME = rf"{_TIME} +(?:(?:u\w{{1,16}}|\d+) +(?=\d+ +\d+ ))?(\d+) +(\d+) ([VDIWEFA]) (.{{0,256}}?)\s*: ?(.*)"
_BRIEF = rf"(?:{_TIME} +)?([VDIWEFA])/(.{{0,256}}?)\s*\( *(\d+)\): ?(.*)"


def parser(calendar: Calendar) -> Parse:
    """Reads one line; component is the tag, attributes are tag, pid and tid. `---------` separators are no records."""
    threadtime = re.compile(_THREADTIME, re.DOTALL).fullmatch
    brief = re.compile(_BRIEF, re.DOTALL).fullmatch
    times = _Times(calendar)

    def parse(text: str) -> LogLine | None:
        try:
            if (found := threadtime(text)) is not None:
                year, minute, second, fraction, zone, pid, tid, letter, tag, message = found.groups()
                time_ns = times.ns(year, minute, second, fraction, zone)
                attributes: dict[str, Scalar] = {"tag": tag, "pid": int(pid), "tid": int(tid)}
                return LogLine(message, time_ns, LEVEL_LETTERS[letter], tag, attributes)
            if (found := brief(text)) is not None:
                year, minute, second, fraction, zone, letter, tag, pid, message = found.groups()
                known = times.ns(year, minute, second, fraction, zone) if minute is not None else None
                return LogLine(message, known, LEVEL_LETTERS[letter], tag, {"tag": tag, "pid": int(pid)})
        except ValueError:  # a date there is not
            pass
        return None

    return parse


class _Times:
    def __init__(self, calendar: Calendar) -> None:
        self._without_year = Minutes(
            lambda t: calendar.minute_without_year_ns(int(t[:2]), int(t[3:5]), int(t[6:8]), int(t[9:11]))
        )
        self._local = iso_minutes(calendar)
        self._utc = iso_minutes(Calendar(not_after_ns=calendar.not_after_ns))

    def ns(self, year: str | None, minute: str, second: str, fraction: str, zone: str | None) -> int:
        rest_ns = int(second) * NS_PER_S + fraction_ns(fraction)
        if year is None:
            return self._without_year[minute] + rest_ns
        if zone is None:
            return self._local[f"{year}-{minute}"] + rest_ns
        return self._utc[f"{year}-{minute}"] - offset_ns(zone) + rest_ns
