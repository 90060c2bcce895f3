"""Lines of log files → `LogLine`s, one file a format; pure."""

from collections.abc import Callable, Sequence

import msgspec

from logkeep.decode.lines import apache_error, jsonlines, log4j, logcat, logfmt, openstack, plain, syslog, web
from logkeep.decode.lines.join import RECORD_CHARS_MAX, BadLine, Joiner, Record, TextLine
from logkeep.decode.lines.record import Continuation, LogLine, Parse, Scalar
from logkeep.decode.lines.times import Calendar, iso_text

__all__ = [
    "FORMATS", "RECORD_CHARS_MAX", "BadLine", "Calendar", "Format", "Joiner", "LogLine", "Parse", "Record", "Scalar",
    "TextLine", "guess_format", "iso_text",
]  # fmt: skip

GUESS_LINES = 200
# A format must read this share of the lines it is guessed from; the rest may be stack traces.
_SHARE_MIN = 0.2


class Format(msgspec.Struct, frozen=True):
    """parser: makes the function that reads one line. key: of its events, unless the line or the user names one.

    ignored_prefix: of lines that separate and say nothing; "" when the format has none.
    """

    name: str
    parser: Callable[[Calendar], Parse]
    continuation: Continuation
    key: str = "log"
    description: str = ""
    ignored_prefix: str = ""

    def joiner(self, calendar: Calendar) -> Joiner:
        """Takes the lines of one file."""
        return Joiner(self.parser(calendar), self.continuation, self.ignored_prefix)


# In the order they are tried: the narrow ones first.
FORMATS: dict[str, Format] = {
    format.name: format
    for format in (
        Format("jsonlines", jsonlines.parser, "bad", "log", "one JSON object a line, of any logging library"),
        Format("combined", web.parser, "bad", "request", "access log of nginx or Apache"),
        Format("common", web.parser, "bad", "request", "access log without referrer and user agent"),
        Format("apache-error", apache_error.parser, "any", "log", "error log of Apache"),
        Format("openstack", openstack.parser, "any", "log", "OpenStack's services"),
        Format("logcat", logcat.parser, "indented", "log", "Android: threadtime, time, brief", "---------"),
        Format("syslog", syslog.parser, "indented", "log", "syslog files: RFC 3164, RFC 5424, rsyslog"),
        Format("log4j", log4j.parser, "any", "log", "loggers of Java and Python: log4j, logback, Hadoop, Spark …"),
        Format("logfmt", logfmt.parser, "bad", "log", "key=value pairs"),
        Format("plain", plain.parser, "indented", "log", "any text; indented lines belong to the one before"),
    )
}


def guess_format(lines: Sequence[str], calendar: Calendar) -> str:
    """The name of the format that reads most of `lines` (the first GUESS_LINES count); "plain" when none fits.

    "ndjson" when the lines are Logkeep's own events.
    """
    sample = [line for line in lines[:GUESS_LINES] if line.strip()]
    shares = {name: _share(sample, format, calendar) for name, format in FORMATS.items() if name != "plain"}
    best = max(shares, key=lambda name: shares[name])
    if not sample or shares[best] < _SHARE_MIN:
        return "plain"
    return "ndjson" if best == "jsonlines" and all(_is_event(line) for line in sample) else best


def _share(sample: Sequence[str], format: Format, calendar: Calendar) -> float:
    """The share of lines that `format` reads; 0 when the first one is not among them."""
    parse = format.parser(calendar)
    if not sample or parse(sample[0]) is None:
        return 0.0
    if format.name == "logfmt" and sum(line.count("=") for line in sample) < 2 * len(sample):
        return 0.0  # prose with an equals sign now and then
    return sum(parse(line) is not None for line in sample) / len(sample)


class _Event(msgspec.Struct):
    session: str
    key: str
    value: msgspec.Raw


def _is_event(line: str) -> bool:
    try:
        msgspec.json.decode(line, type=_Event)
    except msgspec.DecodeError:
        return False
    return True
