"""What was stored and refused, by day: `/api/v1/statistics`. From the metastore: a year costs no read of the store."""

from datetime import UTC, datetime
from typing import Annotated, Literal

import msgspec
from litestar import Response, get
from litestar.params import QueryParameter

from logkeep.api.answers import FromTime, ToTime, documented, json_answer
from logkeep.api.search import GivenContext, GivenCredential
from logkeep.api.times import parse_time
from logkeep.clock import NS_PER_DAY, NS_PER_S
from logkeep.errors import InputError
from logkeep.metastore.distinct import count_of
from logkeep.metastore.statistics import ROWS_MAX, Counts, Grain, StatisticsRow

DAYS_DEFAULT, DAYS_MAX = 30, 400
ANSWER_ROWS_MAX = 20_000
By = tuple[bool, bool]  # component, key

_BY: dict[str, By] = {
    "": (False, False),
    "component": (True, False),
    "key": (False, True),
    "component,key": (True, True),
}


class StatisticsEntry(msgspec.Struct, frozen=True):
    """day: UTC; the first of the range where the interval is `all`. component, key: "" where not asked by them.

    bytes: of values. errors: of level error and fatal. users, sessions, devices: different ones; exact up to 240, then
    3 % off. rejects: by what the refused events name; `(unknown)` where that is not known, `(other)` beyond bounds.
    """

    day: str
    component: str
    key: str
    events: int
    bytes: int
    errors: int
    rejects: int
    users: int
    sessions: int
    devices: int


class StatisticsAnswer(msgspec.Struct, frozen=True):
    """from, to: whole days, UTC; from <= day < to. next: always null, an answer is whole."""

    from_: str = msgspec.field(name="from")
    to: str
    statistics: list[StatisticsEntry]
    next: None = None


@get(
    "/api/v1/statistics",
    summary="Statistics",
    tags=["operating"],
    responses=documented(StatisticsAnswer, "Counts by day, the newest first", 400),
)
async def statistics(
    context: GivenContext,
    credential: GivenCredential,
    from_: FromTime = None,
    to: ToTime = None,
    by: Annotated[str, QueryParameter(description="`component`, `key`, both with a comma, or nothing.")] = "",
    interval: Annotated[Literal["day", "all"], QueryParameter(description="`all`: the range as one.")] = "day",
) -> Response[bytes]:
    """Events, their bytes, errors, rejects, and how many users, sessions and devices there were, of whole days.

    Some five seconds behind what is stored. Days are those of the events' times, of rejects when they were received.
    """
    names = ",".join(sorted(filter(None, (name.strip() for name in by.split(",")))))
    if names not in _BY:
        raise InputError(f"by={by[:40]!r} is not possible; write component, key, or component,key", code="bad_field")
    first, after = _days(from_, to, context.clock.now_ns())
    component, key = _BY[names]
    grain: Grain = 2 if key else 1 if component else 0

    def found() -> bytes:
        rows = context.backend.statistics(credential.app, grain, first, after)
        entries = _entries(rows, first, (component, key), whole=interval == "all")
        if len(rows) > ROWS_MAX or len(entries) > ANSWER_ROWS_MAX:
            raise InputError(
                f"more than {min(len(rows), len(entries)):,} rows; take a shorter range, or not by key",
                code="query_too_expensive",
            )
        return msgspec.json.encode(StatisticsAnswer(_text(first), _text(after), entries))

    return json_answer(await context.checks.run(found))


def _days(from_: str | None, to: str | None, now_ns: int) -> tuple[int, int]:
    """The whole days that the range touches, first <= day < after. Raises InputError."""
    after = -(-parse_time(to, now_ns) // NS_PER_DAY) if to else now_ns // NS_PER_DAY + 1
    first = parse_time(from_, now_ns) // NS_PER_DAY if from_ else after - DAYS_DEFAULT
    if not first < after <= first + DAYS_MAX:
        raise InputError(f"from and to are 1 to {DAYS_MAX} days apart; these are {after - first}", code="bad_range")
    return first, after


def _entries(rows: list[StatisticsRow], first: int, by: By, *, whole: bool) -> list[StatisticsEntry]:
    groups: dict[tuple[int, str, str], Counts] = {}
    for row in rows:
        place = row.place
        at = (first if whole else place.day, place.component if by[0] else "", place.key if by[1] else "")
        if (counts := groups.get(at)) is None:
            groups[at] = row.counts
        else:
            counts.add(row.counts)
    ordered = sorted(groups.items(), key=lambda item: (-item[0][0], -item[1].events, item[0]))
    return [_entry(*at, counts) for at, counts in ordered]


def _entry(day: int, component: str, key: str, counts: Counts) -> StatisticsEntry:
    distinct = (count_of(sketch) for sketch in (counts.users, counts.sessions, counts.devices))
    return StatisticsEntry(
        _text(day), component, key, counts.events, counts.value_bytes, counts.errors, counts.rejects, *distinct
    )


def _text(day: int) -> str:
    return f"{datetime.fromtimestamp(day * NS_PER_DAY // NS_PER_S, UTC):%Y-%m-%d}"
