"""The store: batches of events in, rows out, one partition a day."""

from collections.abc import Sequence
from typing import Literal, Protocol, TypeAlias

import msgspec

from logkeep.clock import NS_PER_S
from logkeep.event import Event
from logkeep.patterns.template import KeptPattern
from logkeep.query.ast import Query
from logkeep.query.stages import SortKey, Statement
from logkeep.query.table import Table
from logkeep.store.erasing import Erasing
from logkeep.store.reading import Reading

ROWS_MAX = 500_000  # events of one batch; about 350 MB of NDJSON and as much in the engine while it is written
FACET_CHARS_MAX = 256  # of a facet's value: longer texts are no names, and a thousand of them no answer
COMPONENTS_NS = 3600 * NS_PER_S  # back from the last event of whoever is listed: an hour is read in milliseconds
COMPONENTS_MAX = 32
REMEMBER_S = 24 * 3600  # how long ids are known that no stored event shows: of batches, and of events without a time

ActivityOf = Literal["session", "device", "user"]


class Batch(msgspec.Struct, frozen=True):
    """Events to write as one. `token` names this very batch: the same token again changes nothing."""

    token: str
    events: Sequence[Event]


class SearchRequest(msgspec.Struct, frozen=True):
    """from_ns <= time < to_ns. cursor: as `Page.next` gave it for the same request, else None.

    sort: the order before `order`; then there is one page only. context: each match comes with so many neighbours, see
    query/pipes.py; matches have a member `"match":true` then, and `limit` and `cursor` are of the matches.
    """

    app: str
    query: Query
    from_ns: int
    to_ns: int
    order: Literal["asc", "desc"] = "desc"
    limit: int = 100
    cursor: str | None = None
    sort: tuple[SortKey, ...] = ()
    context: int = 0


class StatsRequest(msgspec.Struct, frozen=True):
    """statement: with a stage that makes a table. from_ns <= time < to_ns. passed_ns: up to where time has passed."""

    app: str
    statement: Statement
    from_ns: int
    to_ns: int
    passed_ns: int


class Page(msgspec.Struct, frozen=True):
    """`events`: a JSON array, as the API sends it. `count`: the matches in it, their neighbours left out.

    `next`: the cursor of the page after this, None at the end.
    """

    events: bytes
    count: int
    next: str | None


class ArrivedRequest(msgspec.Struct, frozen=True):
    """What was stored after < arrival <= until (`Event.arrival`)."""

    app: str
    query: Query
    after: int
    until: int
    limit: int


class Arrived(msgspec.Struct, frozen=True):
    """event: JSON, as the API sends it. pattern: id of its message's template, "" without."""

    arrival: int
    event: bytes
    pattern: str = ""


class DayCount(msgspec.Struct, frozen=True):
    """day: `YYYY-MM-DD`, UTC."""

    day: str
    app: str
    events: int
    bytes_on_disk: int


class Bucket(msgspec.Struct, frozen=True):
    start_ns: int
    group: str
    count: int


class FieldCount(msgspec.Struct, frozen=True):
    value: str
    count: int


class IndexUse(msgspec.Struct, frozen=True):
    """name: of an index, or `primary key`. condition: what it looks for. granules: of the store's blocks of rows, those
    that are left to read after it.
    """

    name: str
    condition: str
    granules: int


class Explanation(msgspec.Struct, frozen=True):
    """sql: in the store's own words, with the names of parameters whose values are in `parameters`. Of a search the
    condition, and the order where it asks for one; of tables, patterns and lists all that is counted.
    """

    sql: str
    parameters: dict[str, str]
    indexes: list[IndexUse]


class FieldFacet(msgspec.Struct, frozen=True):
    """values: the most frequent, by count, then text; texts cut after FACET_CHARS_MAX characters are counted as cut.

    other: events with another value. absent: events without the field, or with an empty one.
    """

    field: str
    values: list[FieldCount]
    other: int
    absent: int


class Facets(msgspec.Struct, frozen=True):
    """events: how many match, exact. sample_rate: the share of them that was counted; below 1 all counts of the
    fields are estimates from these, and values that are rare may be missing."""

    events: int
    sample_rate: float
    fields: list[FieldFacet]


class ActivityRequest(msgspec.Struct, frozen=True):
    """from_ns <= time < to_ns. cursor: as `ActivityPage.next` gave it for the same request, else None."""

    app: str
    of: ActivityOf
    query: Query
    from_ns: int
    to_ns: int
    limit: int = 100
    cursor: str | None = None


class Activity(msgspec.Struct, frozen=True):
    """What a session, device or user did in the range, told of the events that match.

    events, errors: what readers see. first_ns, last_ns, user, device, sessions, components: of what an update has
    superseded since, too, for that was activity as well. user, device: the last one named, "" without any.
    sessions: how many. components: named within COMPONENTS_NS up to its last event, up to 32, in order.
    """

    name: str
    events: int
    errors: int
    first_ns: int
    last_ns: int
    user: str
    device: str
    sessions: int
    components: list[str]


class ActivityPage(msgspec.Struct, frozen=True):
    """rows: the latest activity first, then by name. next: the cursor of the page after this, None at the end."""

    rows: list[Activity]
    next: str | None


class SessionPlace(msgspec.Struct, frozen=True):
    """A session among those of a user or device. start_ns: its first event that names them."""

    session: str
    start_ns: int


class PatternRequest(msgspec.Struct, frozen=True):
    """from_ns <= time < to_ns. before: whether the range as long before it is counted too."""

    app: str
    query: Query
    from_ns: int
    to_ns: int
    buckets: int = 24
    limit: int = 100
    before: bool = False

    @property
    def start_ns(self) -> int:
        """Of all that is counted."""
        return max(0, self.from_ns - (self.to_ns - self.from_ns)) if self.before else self.from_ns


class PatternCount(msgspec.Struct, frozen=True):
    """Events whose messages have this template.

    ids: what they carry as `pattern`, one or more; sorted. count: in the range; counts: by equal parts of it; before:
    in the range before, None when not asked for. levels: by level, those that occur. first_ns: of the first event
    ever, last_ns: of the last in the range, both ns UTC. example: that last one, as JSON.
    """

    template: str
    ids: list[str]
    count: int
    before: int | None
    counts: list[int]
    levels: dict[str, int]
    first_ns: int
    last_ns: int
    example: bytes


class Patterns(msgspec.Struct, frozen=True):
    """rows: the most frequent first. patterns, events: in all, of matching text events; ungrouped: without pattern."""

    rows: list[PatternCount]
    patterns: int
    events: int
    ungrouped: int


Explained: TypeAlias = SearchRequest | StatsRequest | ActivityRequest | PatternRequest


def filter_of(request: Explained) -> Query:
    """Which events a request is about."""
    return request.statement.filter if isinstance(request, StatsRequest) else request.query


class Store(Protocol):
    """Readers see every event once, updates applied (an update hides what its key of its session had before).

    All methods are safe from many threads and block; reading goes on while writing. What a user's read may cost comes
    with it as a `Reading`, which then tells what it did cost, and can be cancelled from another thread.
    Raises LimitReached (the read costs more than that), InputError (a cursor that is none; it was cancelled),
    BackendUnavailable.
    """

    def known(self, events: Sequence[Event]) -> set[int]:
        """Indexes of `events` whose sender-given id (`own_id`) is stored already or stands earlier in `events`.

        An id counts within its app. Stored: with the same `time_ns`, which a second try has again; where the sender
        gave no time (`time_ns` is `received_ns`), within the last REMEMBER_S.
        """
        ...

    def write(self, batch: Batch) -> None:
        """All of the batch is durable and found by searches on return. The same token again changes nothing.

        events: 1 to ROWS_MAX, ids distinct in each app. Raises BackendUnavailable (retry the whole batch with the
        same token), InputError (some event can never be stored; nothing tells which: split the batch).
        """
        ...

    def remember(self, keys: Sequence[str], token: str) -> None:
        """`remembered` knows `keys` (1 or more) for REMEMBER_S from now; durable. Again, with any token: no harm."""
        ...

    def remembered(self, keys: Sequence[str]) -> set[str]:
        """Those of `keys` that `remember` was given within REMEMBER_S."""
        ...

    def search(self, reading: Reading, request: SearchRequest) -> Page:
        """One page in order of (time, id). Pages joined give every match once, whatever is written meanwhile."""
        ...

    def explain(self, reading: Reading, request: Explained) -> Explanation:
        """How the request would be read, without reading. Tells nothing of other apps.

        A SearchRequest also stands for what counts its matches: histograms and facets.
        """
        ...

    def session(self, reading: Reading, app: str, session: str, *, limit: int) -> Page:
        """The session's events, oldest first, updates applied; `next` is set when there are more than `limit`."""
        ...

    def event(self, reading: Reading, app: str, event_id: str) -> bytes | None:
        """One event as JSON, None when there is none of that id."""
        ...

    def arrived(self, reading: Reading, request: ArrivedRequest) -> list[Arrived]:
        """The first `limit` matches in order of arrival; those that an update has superseded are among them."""
        ...

    def newest_arrived(self, reading: Reading, request: ArrivedRequest) -> tuple[int, int]:
        """How many matches came before the newest `limit` of the request, and the arrival of the last of those.

        (0, request.after) when there are no more than `limit`: what `arrived` then gives after it is the newest.
        """
        ...

    def histogram(
        self, reading: Reading, app: str, query: Query, from_ns: int, to_ns: int, *, buckets: int, by: str | None
    ) -> list[Bucket]:
        """Counts by time bucket (equal parts of the range) and by the field `by` ("" when None). Empty ones absent.

        by: level, component or key. In order of time, then group.
        """
        ...

    def stats(self, reading: Reading, request: StatsRequest) -> Table:
        """The table that the statement's stages make of what matches, as query/pipes.py says."""
        ...

    def facets(
        self, reading: Reading, app: str, query: Query, from_ns: int, to_ns: int, *, fields: Sequence[str], limit: int
    ) -> Facets:
        """The `limit` most frequent values of each of `fields`, in their order. Samples where too much matches.

        fields: of query/ast.py, attributes too; 1 or more, each once. An empty range has no events.
        """
        ...

    def activity(self, reading: Reading, request: ActivityRequest) -> ActivityPage:
        """Sessions, devices or users by last activity in the range.

        Pages joined name none twice, and all that were there at the first page but those that became active since:
        these stand before the first page now. A page may hold fewer than `limit` and still have a `next`.
        """
        ...

    def session_neighbours(
        self, reading: Reading, app: str, session: str, *, field: Literal["user", "device"], name: str
    ) -> tuple[SessionPlace | None, SessionPlace | None]:
        """The sessions of that user or device that began just before and just after `session`.

        A session begins with its first event that names them; at the same moment the text of its name decides.
        (None, None) when `session` has no event that names them. Superseded events count.
        """
        ...

    def patterns(self, reading: Reading, request: PatternRequest) -> Patterns:
        """What the matching text events say, by template. Patterns that have the same template count as one."""
        ...

    def keep_patterns(self, patterns: Sequence[KeptPattern]) -> None:
        """Durable. Of one id the template and form kept last count, and the earliest `first_ns`.

        patterns: 1 or more, ids distinct in each app. They are forgotten with the day before the one on which they
        were kept last: keep those that new events name once a day.
        """
        ...

    def known_patterns(self, *, patterns_max: int) -> list[KeptPattern]:
        """Of each app the `patterns_max` kept last, in order of app, the latest first."""
        ...

    def days(self) -> list[DayCount]:
        """In order of day and app. events: rows stored, superseded ones too. bytes_on_disk: the app's share by rows."""
        ...

    def drop_day(self, day: str) -> None:
        """Nothing of that day is there any more, in any app. Readers that have begun finish with what they saw."""
        ...

    @property
    def erasing(self) -> Erasing:
        """Removing events for good."""
        ...

    def ready(self) -> bool:
        """Whether a read would be answered now."""
        ...

    def close(self) -> None: ...
