"""Times as log lines write them → ns since the epoch, UTC.

Neighbouring lines share their minute, so formats look a minute's text up in a `Minutes` and add the seconds: 0.3 µs a
line where datetime.strptime takes 6.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, tzinfo

from logkeep.clock import NS_PER_DAY, NS_PER_S

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MINUTES_MAX = 4096  # remembered minutes; a week in order needs one at a time
_MONTH_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
MONTHS = {name: number + 1 for number, name in enumerate(_MONTH_NAMES)}


class Calendar:
    """How to read times that name no zone or no year.

    zone: of times without one. year: of dates without one; None: the latest year that does not put the date more than
    a day after `not_after_ns` (the file's last change, or now).
    """

    def __init__(self, zone: tzinfo = UTC, *, year: int | None = None, not_after_ns: int) -> None:
        self.zone = zone
        self.year = year
        self.not_after_ns = not_after_ns

    def minute_ns(self, year: int, month: int, day: int, hour: int, minute: int) -> int:
        """ns of the start of that minute. Raises ValueError for a date there is not."""
        moment = datetime(year, month, day, hour, minute, tzinfo=self.zone)
        return int((moment - _EPOCH).total_seconds()) * NS_PER_S

    def minute_without_year_ns(self, month: int, day: int, hour: int, minute: int) -> int:
        if self.year is not None:
            return self.minute_ns(self.year, month, day, hour, minute)
        newest_ns = self.not_after_ns + NS_PER_DAY
        newest_year = (_EPOCH + timedelta(microseconds=newest_ns // 1000)).year
        for year in range(newest_year + 1, newest_year - 9, -1):  # 9 years: 29 February may be 8 years away
            try:
                found_ns = self.minute_ns(year, month, day, hour, minute)
            except ValueError:
                continue
            if found_ns <= newest_ns:
                return found_ns
        raise ValueError(f"no year has the date {month:02}-{day:02}")


class Minutes(dict[str, int]):
    """Text of a minute → ns of its start, read once by `read` (which raises ValueError when it is no time)."""

    def __init__(self, read: Callable[[str], int]) -> None:
        super().__init__()
        self._read = read

    def __missing__(self, text: str) -> int:
        found = self._read(text)
        if len(self) >= _MINUTES_MAX:
            self.clear()
        self[text] = found
        return found


def fraction_ns(digits: str | None) -> int:
    """ns of the digits after the decimal point; those after the ninth are dropped."""
    if not digits:
        return 0
    if len(digits) == 3:
        return int(digits) * 1_000_000
    return int(digits[:9].ljust(9, "0"))


def iso_minutes(calendar: Calendar) -> Minutes:
    """Minutes written `2015-10-18 18:01` (any one character between date and time)."""
    return Minutes(lambda t: calendar.minute_ns(int(t[:4]), int(t[5:7]), int(t[8:10]), int(t[11:13]), int(t[14:16])))


def month_minutes(calendar: Calendar) -> Minutes:
    """Minutes written `Jun  4 15:16`, without a year."""

    def read(text: str) -> int:
        month, day, clock = text.split()
        if month not in MONTHS:
            raise ValueError(f"no month is called {month}")
        return calendar.minute_without_year_ns(MONTHS[month], int(day), int(clock[:2]), int(clock[3:5]))

    return Minutes(read)


def offset_ns(text: str) -> int:
    """ns east of Greenwich of `Z`, `+02:00` or `-0530`."""
    if text in ("Z", "z"):
        return 0
    hours, minutes = int(text[1:3]), int(text[-2:])
    size = (hours * 3600 + minutes * 60) * NS_PER_S
    return -size if text[0] == "-" else size


def any_time_ns(sent: object, calendar: Calendar) -> int | None:
    """ns of an RFC 3339 or ISO 8601 text, or of an epoch in s, ms, µs or ns (told by its size); None when neither."""
    if isinstance(sent, bool):
        return None
    if isinstance(sent, int | float):
        return _epoch_ns(sent)
    if not isinstance(sent, str) or not 8 <= len(sent) <= 40:
        return None
    try:
        if sent[:1].isdecimal() and sent.replace(".", "", 1).isdecimal():
            return _epoch_ns(float(sent) if "." in sent else int(sent))
        moment = datetime.fromisoformat(sent.replace(",", "."))
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=calendar.zone)
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * NS_PER_S + since.microseconds * 1000


def _epoch_ns(number: int | float) -> int | None:
    size = abs(number)
    if not 0 < size < 9e18:  # also NaN and infinity
        return None
    scale = NS_PER_S if size < 1e11 else 1_000_000 if size < 1e14 else 1000 if size < 1e17 else 1
    if isinstance(number, int):
        return number * scale
    return round(number * min(scale, 1_000_000)) * (scale // min(scale, 1_000_000))


def iso_text(time_ns: int) -> str:
    """RFC 3339 in UTC to the microsecond."""
    moment = _EPOCH + timedelta(microseconds=time_ns // 1000)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
