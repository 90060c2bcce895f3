"""Lines of Java and Python loggers: log4j, logback, Spring Boot, Hadoop, HDFS, Spark, and Python's logging.

Each layout is a pattern of its own; the one that matched last is tried first, since a file keeps to one.
"""

import re

from logkeep.clock import NS_PER_S
from logkeep.decode.lines.record import LEVEL_WORDS, LogLine, Parse, Scalar
from logkeep.decode.lines.times import Calendar, Minutes, fraction_ns, iso_minutes, offset_ns

_ISO = (
    r"(?P<minute>\d{4}[-/]\d\d[-/]\d\d[ T]\d\d:\d\d):(?P<second>\d\d)"
    r"(?:[.,](?P<fraction>\d{1,9}))?(?P<zone>Z|[+-]\d\d:?\d\d)?"
)
_LEVEL = r"(?P<level>[A-Za-z]{4,13})"
_LOGGER = r"(?P<logger>[\w.$/<>#@-]{1,256})"
_THREAD = r"\[(?P<thread>[^\]]{0,256})\]"
_REST = r"(?P<message>.*)"

_LAYOUTS = (
    # Hadoop: 2015-10-18 18:01:47,978 INFO [main] org.apache.Some: text
    rf"{_ISO} +{_LEVEL} +{_THREAD} +{_LOGGER}(?::| -) ?{_REST}",
    # HDFS: 081109 203615 148 INFO dfs.DataNode$PacketResponder: text
    rf"(?P<compact>\d{{6}} \d{{4}})(?P<second>\d\d) (?P<thread>\d+) {_LEVEL} {_LOGGER}: ?{_REST}",
    # Spark: 17/06/09 20:10:40 INFO executor.Backend: text
    rf"(?P<short>\d\d/\d\d/\d\d \d\d:\d\d):(?P<second>\d\d) {_LEVEL} {_LOGGER}: ?{_REST}",
    # Spring Boot: 2024-01-01T12:00:00.123+01:00  INFO 1234 --- [app] [main] c.e.Some : text
    rf"{_ISO} +{_LEVEL} (?P<pid>\d+) --- (?:\[[^\]]{{0,256}}\] )?{_THREAD} {_LOGGER} +: ?{_REST}",
    # logback: 2024-01-01 12:00:00.123 [main] INFO  c.e.Some - text
    rf"{_ISO} +{_THREAD} +{_LEVEL} +{_LOGGER} +-+ ?{_REST}",
    # Python's logging as its documentation shows it: 2024-01-01 12:00:00,123 - some.name - INFO - text
    rf"{_ISO} +- {_LOGGER} - {_LEVEL} - ?{_REST}",
    # log4j without a thread: 2015-10-18 18:01:47,978 INFO org.apache.Some: text
    rf"{_ISO} +\[?{_LEVEL}\]? +{_LOGGER}(?::| -) {_REST}",
    # only time and level: 2024-01-01 12:00:00,123 INFO text · 2024-01-01 12:00:00 [INFO] text
    rf"{_ISO} +\[?{_LEVEL}\]?:? +{_REST}",
    # Python's basicConfig: INFO:some.name:text
    rf"(?P<level>[A-Z]{{4,8}}):{_LOGGER}:{_REST}",
)


def parser(calendar: Calendar) -> Parse:
    """Reads one line; component is the logger, attributes are logger, thread and pid where the layout has them."""
    layouts = [re.compile(layout, re.DOTALL).fullmatch for layout in _LAYOUTS]
    minutes = _Times(calendar)

    def parse(text: str) -> LogLine | None:
        for place, match in enumerate(layouts):
            found = match(text)
            if found is not None:
                line = _line(found, minutes)
                if line is not None:
                    if place:
                        layouts.insert(0, layouts.pop(place))
                    return line
        return None

    return parse


class _Times:
    """The three ways a minute is written here."""

    def __init__(self, calendar: Calendar) -> None:
        self.iso = iso_minutes(calendar)
        self.iso_utc = iso_minutes(Calendar(not_after_ns=calendar.not_after_ns))
        self.compact = Minutes(
            lambda t: calendar.minute_ns(2000 + int(t[:2]), int(t[2:4]), int(t[4:6]), int(t[7:9]), int(t[9:11]))
        )
        self.short = Minutes(
            lambda t: calendar.minute_ns(2000 + int(t[:2]), int(t[3:5]), int(t[6:8]), int(t[9:11]), int(t[12:14]))
        )


def _line(found: re.Match[str], minutes: _Times) -> LogLine | None:
    """None when the word where the level stands is none, or the date does not exist."""
    parts = found.groupdict()
    level = LEVEL_WORDS.get(parts["level"])
    if level is None:
        return None
    try:
        time_ns = _time_ns(parts, minutes)
    except ValueError:
        return None
    logger = parts.get("logger") or ""
    attributes: dict[str, Scalar] = {}
    if logger:
        attributes["logger"] = logger
    if thread := parts.get("thread"):
        attributes["thread"] = thread
    if pid := parts.get("pid"):
        attributes["pid"] = int(pid)
    return LogLine(parts["message"], time_ns, level, logger, attributes)


def _time_ns(parts: dict[str, str], minutes: _Times) -> int | None:
    if (minute := parts.get("minute")) is not None:
        zone = parts["zone"]
        start = minutes.iso[minute] if zone is None else minutes.iso_utc[minute] - offset_ns(zone)
        return start + int(parts["second"]) * NS_PER_S + fraction_ns(parts["fraction"])
    if (minute := parts.get("compact")) is not None:
        return minutes.compact[minute] + int(parts["second"]) * NS_PER_S
    if (minute := parts.get("short")) is not None:
        return minutes.short[minute] + int(parts["second"]) * NS_PER_S
    return None
