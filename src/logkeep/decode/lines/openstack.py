"""Lines of OpenStack's services (oslo.log), with the name of their file before them or not.

2017-05-16 00:00:00.008 25746 INFO nova.osapi_compute.wsgi.server [req-3810… user project - - -] text
"""

import re

from logkeep.clock import NS_PER_S
from logkeep.decode.lines.record import LEVEL_WORDS, LogLine, Parse, Scalar, number_or_text
from logkeep.decode.lines.times import Calendar, fraction_ns, iso_minutes

_LINE = (
    r"(?:(\S{1,256}) )?(\d{4}-\d\d-\d\d \d\d:\d\d):(\d\d)\.(\d{3,6}) (\d{1,18}) ([A-Z]{4,8}) ([\w.]{1,256}) "
    r"\[([^\]]{0,512})\] ?(.*)"
)
_INSTANCE = re.compile(r"\[instance: ([0-9a-f-]{36})\]").search
# nova's API: 10.11.10.1 "GET /v2/… HTTP/1.1" status: 200 len: 1893 time: 0.2477829
_CALL = re.compile(
    r'(\S{1,256}) "([A-Z]{1,16}) (\S+) HTTP/[\d.]+" status: (\d{3}) len: (\d{1,18}) time: ([\d.]{1,20})'
).match


def parser(calendar: Calendar) -> Parse:
    """Reads one line; component is the logger, user the caller's id; attributes: request, project, instance, …"""
    match = re.compile(_LINE, re.DOTALL).fullmatch
    minutes = iso_minutes(calendar)

    def parse(text: str) -> LogLine | None:
        found = match(text)
        if found is None:
            return None
        source, minute, second, fraction, pid, word, logger, context, message = found.groups()
        level = LEVEL_WORDS.get(word)
        if level is None:
            return None
        try:
            time_ns = minutes[minute] + int(second) * NS_PER_S + fraction_ns(fraction)
        except ValueError:
            return None
        attributes: dict[str, Scalar] = {"logger": logger, "pid": int(pid)}
        if source:
            attributes["source"] = source
        line = LogLine(message, time_ns, level, logger, attributes)
        _add_context(line, context)
        _add_details(attributes, message)
        return line

    return parse


def _add_context(line: LogLine, context: str) -> None:
    """The request context: request, user, project."""
    request, user, project = (*context.split(), "-", "-", "-")[:3]
    if request.startswith("req-"):
        line.attributes["request"] = request
    if user != "-":
        line.user = user
    if project != "-":
        line.attributes["project"] = project


def _add_details(attributes: dict[str, Scalar], message: str) -> None:
    if message.startswith("[instance: ") and (instance := _INSTANCE(message)) is not None:
        attributes["instance"] = instance[1]
    elif (call := _CALL(message)) is not None:
        client, method, path, status, size, seconds = call.groups()
        attributes |= {"client": client, "method": method, "path": path, "status": int(status), "bytes": int(size)}
        attributes["seconds"] = number_or_text(seconds)
