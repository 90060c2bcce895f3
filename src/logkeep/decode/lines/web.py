"""Access logs of web servers: Common Log Format, and Combined with referrer and user agent (nginx's default).

What follows the known fields (nginx's `$request_time`, `"$http_x_forwarded_for"`, …) is kept as the attribute `extra`.
"""

import re

from logkeep.clock import NS_PER_S
from logkeep.decode.lines.record import LogLine, Parse, Scalar, status_level
from logkeep.decode.lines.times import MONTHS, Calendar, Minutes, offset_ns

_QUOTED = r'"([^"\\]*(?:\\.[^"\\]*)*)"'
_LINE = (
    r"(\S+) (\S+) ([^\[]{1,256}) \[(\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d):(\d\d) ([+-]\d{4})\] "
    rf"{_QUOTED} (\d{{3}}) (\d{{1,18}}|-)(?: {_QUOTED} {_QUOTED})?(?: (.*))?"
)
_ESCAPES = re.compile(r'(?:\\x[0-9a-fA-F]{2})+|\\["\\]')


def parser(calendar: Calendar) -> Parse:
    """Reads one line; value is the request line with its status, level follows the status."""
    match = re.compile(_LINE, re.DOTALL).fullmatch
    minutes = Minutes(lambda text: _minute_ns(text, calendar))

    def parse(text: str) -> LogLine | None:
        found = match(text)
        if found is None:
            return None
        client, identity, user, minute, second, zone, request, status, size, referrer, agent, extra = found.groups()
        try:
            time_ns = minutes[minute] - offset_ns(zone) + int(second) * NS_PER_S
        except ValueError:
            return None
        if "\\" in text:
            request, referrer, agent = _plain(request), _plain(referrer), _plain(agent)
        attributes: dict[str, Scalar] = {"client": client, "status": int(status)}
        _add_request(attributes, request)
        if size != "-":
            attributes["bytes"] = int(size)
        for name, value in (("identity", identity), ("referrer", referrer), ("user_agent", agent), ("extra", extra)):
            if value and value != "-":
                attributes[name] = value
        line = LogLine(f"{request} {status}", time_ns, status_level(int(status)), "", attributes)
        if user != "-":
            line.user = user
        return line

    return parse


def _minute_ns(text: str, calendar: Calendar) -> int:
    """Of `10/Oct/2000:13:55`, as if it were UTC: the line names its own offset."""
    if text[3:6] not in MONTHS:
        raise ValueError(f"no month is called {text[3:6]}")
    utc = Calendar(not_after_ns=calendar.not_after_ns)
    return utc.minute_ns(int(text[7:11]), MONTHS[text[3:6]], int(text[:2]), int(text[12:14]), int(text[15:17]))


def _add_request(attributes: dict[str, Scalar], request: str) -> None:
    """Method, path and protocol; a request line that is none (a port scan's bytes) stands in the value only."""
    parts = request.split(" ")
    if len(parts) == 3:
        attributes["method"], attributes["path"], attributes["protocol"] = parts


def _plain(text: str | None) -> str:
    r"""`\xC3\xA9` and `\"` as the characters they stand for."""
    if not text or "\\" not in text:
        return text or ""
    return _ESCAPES.sub(_unescaped, text)


def _unescaped(found: re.Match[str]) -> str:
    run = found[0]
    if run[1] != "x":
        return run[1]
    return bytes.fromhex(run.replace("\\x", "")).decode("utf-8", "replace")
