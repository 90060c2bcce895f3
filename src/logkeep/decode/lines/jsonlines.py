"""JSON lines of any logging library: one object a line, its usual names mapped to an event's."""

import msgspec

from logkeep.decode.lines.fields import LineFields
from logkeep.decode.lines.record import LogLine, Parse
from logkeep.decode.lines.times import Calendar

_decode = msgspec.json.Decoder(dict[str, object]).decode


def parser(calendar: Calendar) -> Parse:
    """Reads one line; an object without a message is itself the value."""
    fields = LineFields(calendar)

    def parse(text: str) -> LogLine | None:
        try:
            found = _decode(text)
        except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
            return None
        return fields.line(found, message=found, keep_message=True) if found else None

    return parse
