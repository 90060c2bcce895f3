"""What every parser of log lines returns, and the small readers they share."""

from collections.abc import Callable
from typing import Any, Literal, TypeAlias

import msgspec

from logkeep.event import LEVEL_ALIASES, LEVELS

Scalar: TypeAlias = str | int | float | bool


class LogLine(msgspec.Struct, gc=False):
    """One record of a log file.

    value: the message (JSON lines may bring any JSON value). time_ns: ns UTC, None when the line tells none. level:
    one of LEVELS or "". component: the program, logger or tag the line names, else "". session, key, user, device: ""
    unless the line names them. attributes: what else was read.
    """

    value: Any
    time_ns: int | None = None
    level: str = ""
    component: str = ""
    attributes: dict[str, Scalar] = {}
    session: str = ""
    key: str = ""
    user: str = ""
    device: str = ""


# None: the text starts no record of this format.
Parse: TypeAlias = Callable[[str], LogLine | None]

# What a line that starts no record is: "bad" always; "indented": part of the record before when it starts with white
# space, else bad; "any": always part of the record before (stack traces start with the name of the exception).
Continuation = Literal["bad", "indented", "any"]

# Level words as they stand in lines, in the cases seen there. Single letters are left to the formats that use them.
LEVEL_WORDS: dict[str, str] = {
    spelled: level
    for word, level in {**{level: level for level in LEVELS}, **LEVEL_ALIASES, "severe": "error"}.items()
    if len(word) > 2
    for spelled in (word, word.upper(), word.capitalize())
}
LEVEL_LETTERS = {
    "V": "trace", "T": "trace", "D": "debug", "I": "info", "W": "warn", "E": "error", "F": "fatal", "A": "fatal",
}  # fmt: skip

# Severities of syslog (RFC 5424, table 2).
SYSLOG_LEVELS = ("fatal", "fatal", "fatal", "error", "warn", "info", "info", "debug")


def status_level(status: int) -> str:
    """The level of an HTTP answer: ours to mend, the client's to mend, fine."""
    return "error" if status >= 500 else "warn" if status >= 400 else "info"


def number_or_text(text: str) -> Scalar:
    """A number when `text` is written as JSON writes one (so `007` and `1e999` stay text), else the text."""
    if not text or len(text) > 32 or not (text[-1].isdecimal() and text[0] in "-0123456789"):
        return text
    try:
        number = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return text
    return number if isinstance(number, int | float) else text
