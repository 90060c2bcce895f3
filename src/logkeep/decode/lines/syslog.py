"""Lines as syslog daemons write them into files.

RFC 5424      <34>1 2003-10-11T22:14:15.003Z host app 123 ID47 [id k="v"] text   (the priority may be missing)
RFC 3164      <34>Oct 11 22:14:15 host app[123]: text                            (likewise; no year, no zone)
rsyslog       2003-10-11T22:14:15.003123+02:00 host app[123]: text
"""

import re

from logkeep.clock import NS_PER_S
from logkeep.decode.lines.record import SYSLOG_LEVELS, LogLine, Parse, Scalar
from logkeep.decode.lines.times import Calendar, Minutes, fraction_ns, iso_minutes, month_minutes, offset_ns

_ISO = r"(\d{4}-\d\d-\d\dT\d\d:\d\d):(\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)"
_PRIORITY = r"(?:<(\d{1,3})>)?"
_MONTH_DAY = rf"{_PRIORITY}([A-Z][a-z]{{2}} [ \d]?\d \d\d:\d\d):(\d\d) (\S+) (.*)"
_ISO_DAY = rf"{_PRIORITY}{_ISO} (\S+) (.*)"
_RFC_5424 = rf"{_PRIORITY}1 (?:{_ISO}|-) (\S+) (\S+) (\S+) (\S+) (-|\[.*)"
# `sshd(pam_unix)[1993]:`, `kernel:`, `syslogd 1.4.1:`, `-- root[2421]:`
_TAG = r"(?:-- )?([^\s:\[(]{1,128})(?:\(([^)\s]{0,64})\))?(?: [\d.]{1,16})?(?:\[([^\]\s]{0,32})\])?: ?(.*)"
_ELEMENT = r'\[([^\s\]="]{1,64})((?: [^\s\]="]{1,64}="(?:[^"\\]|\\.)*")*)\]'
_PARAMETER = r' ([^\s\]="]{1,64})="((?:[^"\\]|\\.)*)"'


def parser(calendar: Calendar) -> Parse:
    """Reads one line; component is the program, attributes are host, program, pid, module, facility and the like."""
    month_day = re.compile(_MONTH_DAY, re.DOTALL).fullmatch
    iso_day = re.compile(_ISO_DAY, re.DOTALL).fullmatch
    months, minutes = month_minutes(calendar), iso_minutes(Calendar(not_after_ns=calendar.not_after_ns))

    def parse(text: str) -> LogLine | None:
        try:
            if (found := month_day(text)) is not None:
                priority, minute, second, host, rest = found.groups()
                return _tagged(priority, months[minute] + int(second) * NS_PER_S, host, rest)
            if (found := iso_day(text)) is not None:
                priority, minute, second, fraction, zone, host, rest = found.groups()
                return _tagged(priority, _iso_ns(minutes, minute, second, fraction, zone), host, rest)
            return _structured(text, minutes)
        except ValueError:  # a date there is not
            return None

    return parse


def _iso_ns(minutes: Minutes, minute: str, second: str, fraction: str | None, zone: str) -> int:
    return minutes[minute] - offset_ns(zone) + int(second) * NS_PER_S + fraction_ns(fraction)


_tag = re.compile(_TAG, re.DOTALL).fullmatch


def _tagged(priority: str | None, time_ns: int, host: str, rest: str) -> LogLine:
    attributes: dict[str, Scalar] = {"host": host}
    level = _level(priority, attributes)
    found = _tag(rest)
    if found is None:
        return LogLine(rest, time_ns, level, "", attributes)
    program, module, pid, message = found.groups()
    attributes["program"] = program
    if module:
        attributes["module"] = module
    if pid:
        attributes["pid"] = int(pid) if pid.isdecimal() and pid.isascii() else pid
    return LogLine(message, time_ns, level, program, attributes)


def _level(priority: str | None, attributes: dict[str, Scalar]) -> str:
    """The level of a priority; it is no more than 191 (RFC 5424, 6.2.1)."""
    if priority is None or int(priority) > 191:
        return ""
    attributes["facility"] = int(priority) // 8
    return SYSLOG_LEVELS[int(priority) % 8]


_rfc_5424 = re.compile(_RFC_5424, re.DOTALL).fullmatch
_element = re.compile(_ELEMENT).match
_parameters = re.compile(_PARAMETER).findall


def _structured(text: str, minutes: Minutes) -> LogLine | None:
    found = _rfc_5424(text)
    if found is None:
        return None
    priority, minute, second, fraction, zone, host, program, pid, message_id, rest = found.groups()
    attributes: dict[str, Scalar] = {}
    level = _level(priority, attributes)
    for name, value in (("host", host), ("program", program), ("pid", pid), ("message_id", message_id)):
        if value != "-":
            attributes[name] = int(value) if name == "pid" and value.isdecimal() and len(value) < 18 else value
    end = 1 if rest[0] == "-" else _elements(rest, attributes)
    if end == 0 or rest[end : end + 1] not in ("", " "):
        return None
    time_ns = _iso_ns(minutes, minute, second, fraction, zone) if minute is not None else None
    message = rest[end + 1 :].removeprefix("\ufeff")
    return LogLine(message, time_ns, level, "" if program == "-" else program, attributes)


def _elements(text: str, attributes: dict[str, Scalar]) -> int:
    """Puts `sd.ID.NAME` for every parameter into `attributes`; where the structured data ends, 0 if it is none."""
    end = 0
    while (found := _element(text, end)) is not None:
        for name, value in _parameters(found[2]):
            attributes[f"sd.{found[1]}.{name}"] = re.sub(r"\\([\"\\\]])", r"\1", value) if "\\" in value else value
        end = found.end()
    return end
