"""Any text: each line is a record; lines that start with white space belong to the one before."""

from logkeep.decode.lines.record import LogLine, Parse
from logkeep.decode.lines.times import Calendar


def parser(calendar: Calendar) -> Parse:
    """Reads one line that is not empty and not indented."""

    def parse(text: str) -> LogLine | None:
        return None if not text or text[0].isspace() else LogLine(text)

    return parse
