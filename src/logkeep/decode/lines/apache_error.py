"""Apache's error log, versions 2.2 and 2.4.

[Sun Dec 04 04:47:44 2005] [error] mod_jk child workerEnv in error state 6
[Fri Sep 09 10:42:29.902022 2011] [core:error] [pid 35708:tid 4328636416] [client 72.15.99.187:1234] AH00128: text
"""

import re

from logkeep.clock import NS_PER_S
from logkeep.decode.lines.record import LEVEL_WORDS, LogLine, Parse, Scalar
from logkeep.decode.lines.times import MONTHS, Calendar, Minutes, fraction_ns

_LINE = (
    r"\[[A-Z][a-z]{2} ([A-Z][a-z]{2} [ \d]\d \d\d:\d\d):(\d\d)(?:\.(\d{1,9}))? (\d{4})\] "
    r"\[(?:([\w-]{0,64}):)?([a-z]{4,8}\d?)\] "
    r"(?:\[pid (\d{1,18})(?::tid (\d{1,19}))?\] )?(?:\[client ([^\]\s]{1,64})\] )?(.*)"
)


def parser(calendar: Calendar) -> Parse:
    """Reads one line; attributes are module, pid, tid and client where the line has them."""
    match = re.compile(_LINE, re.DOTALL).fullmatch
    minutes = Minutes(lambda text: _minute_ns(text, calendar))

    def parse(text: str) -> LogLine | None:
        found = match(text)
        if found is None:
            return None
        minute, second, fraction, year, module, word, pid, tid, client, message = found.groups()
        level = LEVEL_WORDS.get(word) or ("trace" if word.startswith("trace") else None)
        if level is None:
            return None
        try:
            time_ns = minutes[f"{year} {minute}"] + int(second) * NS_PER_S + fraction_ns(fraction)
        except ValueError:
            return None
        attributes: dict[str, Scalar] = {}
        if module:
            attributes["module"] = module
        if pid:
            attributes["pid"] = int(pid)
        if tid:
            attributes["tid"] = int(tid)
        if client:
            attributes["client"] = client
        return LogLine(message, time_ns, level, "", attributes)

    return parse


def _minute_ns(text: str, calendar: Calendar) -> int:
    """Of `2005 Dec 04 04:47`."""
    year, month, day, clock = text.split()
    if month not in MONTHS:
        raise ValueError(f"no month is called {month}")
    return calendar.minute_ns(int(year), MONTHS[month], int(day), int(clock[:2]), int(clock[3:5]))
