"""Events as CSV: the columns, and the one rule that keeps a spreadsheet from calculating with what a log says. Pure.

Text that begins with `=`, `+`, `-`, `@` (or their full-width forms), tab, carriage return or line feed is a formula to
some spreadsheet (OWASP, "CSV Injection"); it gets an apostrophe in front, and so does text that has such a character
after apostrophes of its own. So the rule can be turned back: where only apostrophes stand before such a character,
take one away. Numbers are no text: `-5` stays `-5` where the value is a number.
"""

import csv
import io
import re
from collections.abc import Iterable, Sequence

import msgspec

COLUMNS = (
    "time", "received", "level", "component", "session", "user", "device", "key", "value", "attributes", "id",
)  # fmt: skip
_is_formula = re.compile("'*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]").match


class _Cells(msgspec.Struct, gc=False):
    """An event of the API, as far as it has columns."""

    id: str = ""
    time: str = ""
    received: str = ""
    session: str = ""
    key: str = ""
    value: msgspec.Raw = msgspec.Raw(b"null")
    level: str | None = None
    user: str | None = None
    device: str | None = None
    component: str | None = None
    attributes: msgspec.Raw = msgspec.Raw(b"")


_decode = msgspec.json.Decoder(list[_Cells]).decode
_text = msgspec.json.Decoder(str).decode


def head() -> str:
    """The first line."""
    return lines_of([COLUMNS])


def lines(events: bytes) -> str:
    """A line an event (more where a text has line breaks). events: a JSON array, as a store's page has it."""
    return lines_of(map(_row, _decode(events)))


def lines_of(rows: Iterable[Sequence[str]]) -> str:
    """RFC 4180: CR LF at the end of each, quotes where they are needed."""
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue()


def safe(text: str | None) -> str:
    """`text` as a cell that no spreadsheet takes for a formula."""
    if not text:
        return ""
    return "'" + text if _is_formula(text) else text


def _row(event: _Cells) -> Sequence[str]:
    value, attributes = bytes(event.value), bytes(event.attributes)
    return (
        event.time,
        event.received,
        event.level or "",
        safe(event.component),
        safe(event.session),
        safe(event.user),
        safe(event.device),
        safe(event.key),
        safe(_text(value)) if value[:1] == b'"' else value.decode(),
        "" if attributes in (b"", b"{}", b"null") else attributes.decode(),
        safe(event.id),
    )
