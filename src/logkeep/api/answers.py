"""The shapes of the API's answers, for the OpenAPI document and for clients; sent as they stand here."""

from typing import Annotated, Any, Literal

import msgspec
from litestar import Response
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import QueryParameter
from msgspec import Meta

from logkeep.api.errors import ErrorAnswer
from logkeep.store.port import FieldCount

Time = Annotated[str, Meta(description="RFC 3339, UTC", examples=["2026-08-01T10:00:00.123456789Z"])]


class EventAnswer(msgspec.Struct, omit_defaults=True):
    """One event. Fields that were not sent are absent or empty."""

    id: Annotated[str, Meta(description="the sender's, or made when it was received; unique in the app")]
    session: str
    key: str
    value: Annotated[Any, Meta(description="in the JSON type it was sent in", examples=["timed out", 17.5, {"a": 1}])]
    time: Time
    received: Time
    level: Annotated[str, Meta(description="trace < debug < info < warn < error < fatal")] = ""
    user: str = ""
    device: str = ""
    component: str = ""
    app: str = ""
    update: Annotated[bool, Meta(description="it replaced what this key had before")] = False
    match: Annotated[bool, Meta(description="with `| context n`: it is a match, not a neighbour of one")] = False
    attributes: Annotated[dict[str, Any], Meta(description="text to text, number or bool")] = {}


class Cost(msgspec.Struct, kw_only=True):
    """What the answer cost. Within the limits of the settings `api.query_…`; with one reached, it is a partial one."""

    took_ms: Annotated[float, Meta(description="milliseconds, waiting in line among them", examples=[8.4])]
    rows_read: Annotated[int, Meta(description="rows the store read")]
    bytes_read: Annotated[int, Meta(description="bytes the store read, as they are in memory")]
    partial: Annotated[
        Literal["time", "rows", "bytes", "memory"] | None,
        Meta(description="the limit that ended it early; what is answered is right, and not all. null: all of it"),
    ]
    reached: Annotated[
        str | None,
        Meta(description="how far a partial answer goes: the range was read from its newest (or first) end to here"),
    ]


class SearchAnswer(Cost):
    """One page of what matches."""

    events: list[EventAnswer]
    next: Annotated[
        str | None,
        Meta(description="pass it as `cursor`, with the same query and order, for the next page; null at the end"),
    ]


class LaneAnswer(msgspec.Struct):
    """What one component did in a session. component: "" for events that name none."""

    component: str
    events: int
    errors: int
    first: Time
    last: Time


class GapAnswer(msgspec.Struct, rename={"from_": "from"}):
    """A silence between two neighbours: over a minute, and of ten steps or more over five times their median."""

    after: Annotated[str, Meta(description="id of the last event before it")]
    before: Annotated[str, Meta(description="id of the first event after it")]
    from_: Time
    to: Time
    seconds: float


class SessionPlaceAnswer(msgspec.Struct):
    """start: its first event that names the user or device."""

    session: str
    start: Time


class SessionNeighbours(msgspec.Struct):
    """Of the session's `user` and `device`; null where there is none."""

    user: SessionPlaceAnswer | None
    device: SessionPlaceAnswer | None


class SessionAnswer(Cost):
    """A session, oldest event first, updates applied. lanes and gaps: of the events given here."""

    session: str
    user: Annotated[str | None, Meta(description="the last one an event named, else what `POST /v1/sessions` told")]
    device: Annotated[str | None, Meta(description="the same")]
    attributes: Annotated[dict[str, Any], Meta(description="of the session, as `POST /v1/sessions` told them")]
    first: Time
    last: Time
    truncated: Annotated[bool, Meta(description="there are more events: search for `session=…` to page through all")]
    seconds: Annotated[float, Meta(description="from `first` to `last`")]
    version: Annotated[str | None, Meta(description="of the program, where an attribute such as `app_version` has it")]
    lanes: Annotated[list[LaneAnswer], Meta(description="by component, in order of their first events")]
    gaps: list[GapAnswer]
    previous: Annotated[
        SessionNeighbours | None,
        Meta(description="the session that began just before this one; null without `neighbours=1`"),
    ]
    next: Annotated[
        SessionNeighbours | None,
        Meta(description="the session that began just after this one; null without `neighbours=1`"),
    ]
    events: list[EventAnswer]


class FacetAnswer(msgspec.Struct):
    """values: the most frequent first, then by text; texts of attributes and values are cut after 256 characters."""

    values: list[FieldCount]
    other: Annotated[int, Meta(description="events with another value")]
    absent: Annotated[int, Meta(description="events without the field, or with an empty one")]


class FacetsAnswer(Cost, rename={"from_": "from"}):
    """Top values of fields."""

    from_: Time
    to: Time
    events: Annotated[int, Meta(description="how many match; exact")]
    sampled: Annotated[bool, Meta(description="a share of them was counted: all counts of `facets` are estimates")]
    sample_rate: Annotated[float, Meta(description="that share; 1 when all were counted", examples=[1.0, 0.125])]
    facets: Annotated[dict[str, FacetAnswer], Meta(description="by field, in the order asked for")]


class ActivityLinks(msgspec.Struct):
    """Pages for people."""

    session: str | None
    device: str | None
    user: str | None


class ActivityAnswer(msgspec.Struct):
    """What is told of one session, device or user: of the events that match, in the range.

    A session whose events name no user or device has those that `POST /v1/sessions` told.
    """

    session: Annotated[str | None, Meta(description="null in lists of devices and users")]
    device: Annotated[str | None, Meta(description="the last one named; in a list of devices the device itself")]
    user: Annotated[str | None, Meta(description="the last one named; in a list of users the user itself")]
    events: Annotated[int, Meta(description="as readers see them: without what an update replaced")]
    errors: Annotated[int, Meta(description="of these with level error or fatal")]
    first: Annotated[str, Meta(description="RFC 3339, UTC; of replaced events too")]
    last: Annotated[str, Meta(description="RFC 3339, UTC; of replaced events too")]
    sessions: Annotated[int, Meta(description="how many; 1 in a list of sessions")]
    components: Annotated[list[str], Meta(description="of the hour up to `last`, at most 32")]
    links: ActivityLinks


class SessionsAnswer(Cost):
    """A page, latest activity first."""

    sessions: list[ActivityAnswer]
    next: Annotated[str | None, Meta(description="pass it as `cursor` with the same parameters; null at the end")]


class UsersAnswer(Cost):
    """A page, latest activity first."""

    users: list[ActivityAnswer]
    next: str | None


class HistogramBucket(msgspec.Struct):
    start: Time
    total: int
    counts: Annotated[dict[str, int], Meta(description='by group; "" is events without it', examples=[{"error": 3}])]


class HistogramAnswer(Cost, rename={"from_": "from"}):
    """Counts per bucket of time, empty buckets among them."""

    from_: Time
    to: Time
    by: str | None
    buckets: list[HistogramBucket]


class PatternAnswer(msgspec.Struct):
    """Messages that differ only where the template has `<*>`."""

    template: Annotated[str, Meta(examples=["user <*> signed in from <*>"])]
    ids: Annotated[list[str], Meta(description="what the events have as `pattern`; stays the same for ever")]
    query: Annotated[str, Meta(description="finds its events", examples=["pattern=41f0c0e7a35b19d2"])]
    count: int
    trend: Annotated[list[int], Meta(description="events in equal parts of the range, in order")]
    before: Annotated[
        int | None, Meta(description="events in the range of the same length before; null when that is not kept")
    ]
    new: Annotated[bool, Meta(description="its first event ever is in the range")]
    levels: Annotated[dict[str, int], Meta(description='events by level; "" is without one', examples=[{"error": 3}])]
    first_seen: Annotated[str, Meta(description="time of its first event, RFC 3339; of the first within the days kept")]
    last_seen: Annotated[str, Meta(description="time of its last event in the range, RFC 3339")]
    example: Annotated[EventAnswer, Meta(description="its last event in the range")]


class PatternsAnswer(Cost, rename={"from_": "from"}):
    """Patterns by the number of their events. patterns: how many there are, shown or not."""

    from_: Time
    to: Time
    patterns: list[PatternAnswer]
    total: Annotated[int, Meta(description="patterns that match, those beyond `limit` too")]
    events: Annotated[int, Meta(description="text events that match")]
    ungrouped: Annotated[int, Meta(description="those of them without a pattern: too many new ones came at once")]


class StatsColumn(msgspec.Struct):
    name: Annotated[str, Meta(description="as it is written in the query", examples=["p95(value)"])]
    kind: Annotated[
        Literal["text", "number", "time", "json"],
        Meta(description="text; number, null where there is none; time, RFC 3339; json, any value"),
    ]


class StatsAnswer(Cost):
    """What the stages of a query make, as a table."""

    columns: list[StatsColumn]
    rows: Annotated[list[list[Any]], Meta(description="each as long as `columns`", examples=[[["error", 17]]])]
    truncated: Annotated[bool, Meta(description="there are more rows; `| limit n` gives up to 10,000")]


class CompletionItem(msgspec.Struct):
    """text: what to put in. kind: what it is; of a value, `count` says how many events of late had it."""

    text: str
    kind: Literal["keyword", "field", "attribute", "value"]
    count: int | None = None


class CompleteAnswer(Cost):
    """What may replace the characters from `start` to before `end` of the query, the likeliest first."""

    start: Annotated[int, Meta(description="characters from 0")]
    end: int
    items: list[CompletionItem]


class RejectedAnswer(msgspec.Struct):
    """Samples of what was not stored, newest first, with the reason."""

    rejected: list[dict[str, Any]]


class UdpLossAnswer(msgspec.Struct):
    """Numbered datagrams that came and that are missing, per component and client."""

    senders: list[dict[str, Any]]


class HealthAnswer(msgspec.Struct, omit_defaults=True):
    """degraded: what is wrong and yet hinders no read, in words."""

    status: str
    degraded: list[str] = []


class Neighbours(msgspec.Struct):
    """Both in order of time."""

    before: list[EventAnswer]
    after: list[EventAnswer]


class EventContext(msgspec.Struct):
    """component: null when the event names none."""

    session: Neighbours
    component: Neighbours | None


class EventWithContextAnswer(EventAnswer, omit_defaults=True):
    """context: there when it was asked for. The rest is what the answer cost, as in `SearchAnswer`."""

    took_ms: float = 0.0
    rows_read: int = 0
    bytes_read: int = 0
    partial: Literal["time", "rows", "bytes", "memory"] | None = None
    reached: str | None = None
    context: EventContext | None = None


def documented(answer: Any, description: str, *failures: int) -> dict[int, ResponseSpec]:
    """The `responses` of a handler: its success, what every route may answer, and `failures`."""
    words = {
        400: "A parameter cannot be read; `column` tells where in the query",
        401: "No valid token",
        403: "The token may not read this: a write key, or another app",
        404: "There is none",
        409: "Somebody else has changed it meanwhile",
        412: "Somebody else has changed it meanwhile: its `ETag` is not that of `If-Match` any more",
        429: "As many as one app may have; `Retry-After` says when to try again",
        503: "Too busy or not ready; `Retry-After` says when to try again",
    }
    return {200: ResponseSpec(answer, description=description, generate_examples=False)} | {
        status: ResponseSpec(ErrorAnswer, description=words[status], generate_examples=False)
        for status in sorted({400, 401, 403, 503, *failures})
    }


def json_answer(content: bytes, status: int = 200) -> Response[bytes]:
    """`content`, JSON text already, as it is."""
    return Response(content, status_code=status, media_type="application/json")


def html_answer(content: bytes, status: int = 200) -> Response[bytes]:
    return Response(content, status_code=status, media_type="text/html")


QueryText = Annotated[
    str,
    QueryParameter(
        name="query",
        description='What to find, as in `level>=warn component:checkout "timed out"`; empty finds everything.',
    ),
]
FromTime = Annotated[
    str | None,
    QueryParameter(
        name="from",
        description="Begin of the range, in it: RFC 3339, epoch ms or relative (`-15m`, `now-1d`). Default: all kept.",
    ),
]
ToTime = Annotated[
    str | None,
    QueryParameter(name="to", description="End of the range, not in it. Default: now and 10 minutes of clock skew."),
]
