"""Names and values of a structured line → a `LogLine`: which of the usual names mean message, time, level, …"""

from typing import Any

import msgspec

from logkeep.decode.lines.record import LEVEL_LETTERS, LEVEL_WORDS, LogLine, Scalar
from logkeep.decode.lines.times import Calendar, any_time_ns
from logkeep.event import ATTRIBUTES_MAX

# The first of each row that a line has is taken; the others stay attributes. From the defaults of zap, zerolog, logrus,
# slog, pino, bunyan, winston, structlog, python-json-logger, logstash-logback-encoder, ECS, Docker's json-file.
MESSAGE_NAMES = ("value", "msg", "message", "log", "text", "event", "body", "@message", "short_message")
TIME_NAMES = ("time", "timestamp", "@timestamp", "ts", "t", "datetime", "date", "asctime", "eventTime", "@t")
LEVEL_NAMES = ("level", "severity", "lvl", "levelname", "log.level", "loglevel", "@l")
COMPONENT_NAMES = ("component", "service", "service.name", "app", "logger", "logger_name", "name")
SESSION_NAMES = ("session", "session_id", "sessionId", "session.id")
USER_NAMES = ("user", "user_id", "userId", "user.id", "username")
DEVICE_NAMES = ("device", "device_id", "deviceId", "terminal")

# pino and bunyan count levels in tens.
_NUMBERED_LEVELS = {10: "trace", 20: "debug", 30: "info", 40: "warn", 50: "error", 60: "fatal"}
_DEPTH_MAX = 8
_encode = msgspec.json.encode


class LineFields:
    """Maps the fields of one line after the other."""

    def __init__(self, calendar: Calendar) -> None:
        self._calendar = calendar

    def line(self, found: dict[str, Any], *, message: Any, keep_message: bool) -> LogLine:
        """`found` is used up. message: the value when no field is one; keep_message: the fields stay attributes too."""
        line = LogLine(message)
        line.time_ns = self._time(found)
        line.level = _level(found)
        line.session = _name(found, SESSION_NAMES)
        line.user = _name(found, USER_NAMES)
        line.device = _name(found, DEVICE_NAMES)
        line.component = _name(found, COMPONENT_NAMES)
        line.key = _name(found, ("key",))
        for name in MESSAGE_NAMES:
            if name in found:
                line.value = found.pop(name)
                break
        else:
            if keep_message and message is found:
                line.value, found = found, {}
        line.attributes = flat(found)
        return line

    def _time(self, found: dict[str, Any]) -> int | None:
        """A time that cannot be read stays an attribute."""
        for name in TIME_NAMES:
            if name in found:
                time_ns = any_time_ns(found[name], self._calendar)
                if time_ns is not None:
                    del found[name]
                    return time_ns
        return None


def _level(found: dict[str, Any]) -> str:
    for name in LEVEL_NAMES:
        sent = found.get(name)
        if isinstance(sent, str):
            level = LEVEL_WORDS.get(sent) or LEVEL_LETTERS.get(sent) or LEVEL_WORDS.get(sent.strip().lower())
        elif isinstance(sent, int):
            level = _NUMBERED_LEVELS.get(sent)
        else:
            continue
        if level:
            del found[name]
            return level
    return ""


def _name(found: dict[str, Any], names: tuple[str, ...]) -> str:
    for name in names:
        sent = found.get(name)
        if (isinstance(sent, str) and sent) or (isinstance(sent, int) and not isinstance(sent, bool)):
            return str(found.pop(name))
    return ""


def flat(found: dict[str, Any]) -> dict[str, Scalar]:
    """Text, numbers and bools under dotted names; lists and what is too deep as JSON text; nulls are left out.

    What exceeds ATTRIBUTES_MAX names stands together, as JSON text, under `more`: the receiver would drop it.
    """
    flattened: dict[str, Scalar] = {}
    _flatten(found, "", flattened, 1)
    if len(flattened) <= ATTRIBUTES_MAX:
        return flattened
    names = list(flattened)
    more = {name: flattened.pop(name) for name in names[ATTRIBUTES_MAX - 1 :]}
    flattened["more"] = _encode(more).decode()
    return flattened


def _flatten(found: dict[str, Any], prefix: str, into: dict[str, Scalar], depth: int) -> None:
    for name, value in found.items():
        if isinstance(value, str | int | float):
            into[prefix + name] = value
        elif isinstance(value, dict) and depth < _DEPTH_MAX:
            _flatten(value, f"{prefix}{name}.", into, depth + 1)
        elif value is not None:
            into[prefix + name] = _encode(value).decode()
