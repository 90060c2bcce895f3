"""`/api/v1/tail`: events as server-sent events from the moment they are stored, and those a reader missed meanwhile.

The `id:` of an event is its place in the order of arrival. A reader that comes back with it as `Last-Event-ID` first
gets from the store what came after, then the live events, none twice and none left out silently: where something is
left out stands `event: dropped` with how many and why. Comments keep quiet connections open, and an `id:` without data
moves the reader's place on, so that coming back does not mean looking through what did not match.
"""

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated, Any

import msgspec
from litestar import Request, get
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import QueryParameter

from logkeep.api.answers import EventAnswer, QueryText, documented
from logkeep.api.backend import Context
from logkeep.api.errors import ErrorDetail
from logkeep.api.lasting import LOOK_S, Admission
from logkeep.api.search import GivenContext, GivenCredential
from logkeep.api.streams import Parts, StreamAnswer
from logkeep.api.tail_buffers import Buffer, Reason, notice
from logkeep.api.tails import Tail, event_frame
from logkeep.clock import NS_PER_DAY
from logkeep.errors import BackendUnavailable, InputError, LogkeepError
from logkeep.query.ast import Equals, Query
from logkeep.query.parser import parse
from logkeep.store.port import Arrived, ArrivedRequest
from logkeep.store.reading import LimitReached

PAGE_EVENTS = 250  # of a replay: as many events of the largest size are 64 MB
RETRY_MS = 1000  # how soon a browser comes back
ARRIVAL_MAX = (1 << 63) - 1
LAST_ID_CHARS_MAX = 1024
FOLLOW_S = 5.0  # for the first look into the store at an app that nobody tailed

_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}  # the second keeps nginx from holding events back


@get(
    "/api/v1/tail",
    summary="Live tail",
    tags=["reading"],
    responses=documented(EventAnswer, "", 400, 429)
    | {
        200: ResponseSpec(
            EventAnswer,
            description="An endless stream of server-sent events: `id:` a place in the order of arrival, `data:` an "
            "event as here; `event: dropped` tells how many are left out and why",
            media_type="text/event-stream",
            generate_examples=False,
        )
    },
)
async def tail(
    request: Request[Any, Any, Any],
    context: GivenContext,
    credential: GivenCredential,
    text: QueryText = "",
    after: Annotated[
        str | None,
        QueryParameter(description="As `Last-Event-ID`, for who cannot set headers: the `id:` to go on after."),
    ] = None,
) -> StreamAnswer:
    """Events that match as they are stored, in order of arrival; with `Last-Event-ID` those missed meanwhile first."""
    query = parse(text, chars_max=context.settings.api.query_chars_max)
    last_id = request.headers.get("last-event-id") or after or ""
    if len(last_id) > LAST_ID_CHARS_MAX:
        raise InputError(f"a Last-Event-ID of {len(last_id):,} characters is none of ours", code="bad_cursor")
    place = context.tails.enter(credential.app, query)
    admission = Admission(request, context, closely_s=context.settings.tail.keep_alive_s)
    parts = _Stream(admission, context, credential.app, query, place).parts(last_id.strip())
    return StreamAnswer(
        parts,
        media_type="text/event-stream",
        headers=_HEADERS,
        stalled_s=context.settings.api.stalled_s,
        over=admission.until_over,
        on_end=place.close,
    )


class _Id(msgspec.Struct):
    id: str


_decode_id = msgspec.json.Decoder(_Id).decode


class _Stream:
    """What one reader is sent."""

    def __init__(self, admission: Admission, context: Context, app: str, query: Query, place: Tail) -> None:
        self._admission, self._context, self._app, self._query, self._place = admission, context, app, query, place
        self._feed = context.backend.feed
        self._keep_alive_s = context.settings.tail.keep_alive_s
        self._sent = 0  # the place of which the reader knows

    async def parts(self, last_id: str) -> Parts:
        try:
            await self._follow()
            if last_id:
                yield b": logkeep tail\nretry: %d\n\n" % RETRY_MS
                async for part in self._missed(last_id):
                    yield part
                buffer = self._place.attach()
                # What was told during the replay; none of it has an arrival that the overlap does not reach.
                async for part in self._replayed(self._sent, buffer.after, self._sent):
                    yield part
            else:
                buffer = self._place.attach()
                self._sent = buffer.after
                yield b": logkeep tail\nretry: %d\nid: %d\n\n" % (RETRY_MS, self._sent)
            async for part in self._live(buffer):
                yield part
        except LogkeepError as error:
            yield b"event: error\ndata: %b\n\n" % msgspec.json.encode(ErrorDetail(error.code, error.message))

    # ── while the reader was away ─────────────────────────────────────────────────────────────────────────────────

    async def _follow(self) -> None:
        """Everything from here on is told to this process. Raises BackendUnavailable."""
        if not self._feed.is_followed(self._app):
            look = partial(self._feed.is_followed, self._app, FOLLOW_S)
            if not await self._context.checks.run(look):
                raise BackendUnavailable("the store does not answer; try again")

    async def _missed(self, last_id: str) -> Parts:
        until = self._context.tails.position(self._app)
        after, reason = await self._place_of(last_id, until)
        if reason is not None:
            yield notice(reason, None)
        # What was not visible yet when the reader was told its place lies up to the overlap before that.
        told = until if reason == "unknown_position" else 0
        async for part in self._replayed(after, until, told):
            yield part

    async def _place_of(self, last_id: str, until: int) -> tuple[int, Reason | None]:
        """Where to go on, and why not where the reader wanted."""
        if last_id.isascii() and last_id.isdecimal() and len(last_id) <= 19:
            after = int(last_id)
        else:
            found = await self._read(ArrivedRequest(self._app, Equals("id", last_id), -1, ARRIVAL_MAX, 1))
            after = found[0].arrival if found else ARRIVAL_MAX
        if after > until + self._feed.overlap_ns:  # another instance may have looked a moment later
            return until, "unknown_position"
        after = min(after, until)
        days = self._context.retention_days(self._app)
        oldest = self._context.clock.now_ns() // NS_PER_DAY * NS_PER_DAY - (days - 1) * NS_PER_DAY
        return (oldest, "expired") if after < oldest else (after, None)

    async def _replayed(self, after: int, until: int, told: int) -> Parts:
        """What has its place in told < place <= until and was stored in after < arrival, or the overlap before.

        The newest `tail.replay_events_max` of it.
        """
        limit = self._context.settings.tail.replay_events_max
        begin = max(0, after - self._feed.overlap_ns)
        if begin < until and told < until:
            try:
                async with self._context.tails.replays:
                    skipped, begin = await self._newest(ArrivedRequest(self._app, self._query, begin, until, limit))
                if skipped:
                    self._context.telemetry["tail_dropped"].labels("replay_limit").inc(skipped)
                    yield notice("replay_limit", skipped)
                async for part in self._pages(begin, until, told, after):
                    yield part
            except LimitReached:  # coming back again would cost as much again
                yield notice("replay_limit", None)
        if self._sent < until:
            self._sent = until
            yield b"id: %d\n\n" % until

    async def _pages(self, after: int, until: int, told: int, known: int) -> AsyncIterator[bytes]:
        """known: the place the reader has; frames of what lies before it do not take it back."""
        border: set[bytes] = set()  # what was seen at the last page's last arrival: two processors may give the same
        while after < until:
            async with self._context.tails.replays:
                page = await self._read(ArrivedRequest(self._app, self._query, after, until, PAGE_EVENTS))
            fresh = [each for each in page if each.event not in border]
            await self._admission.look()
            if wanted := [each for each in fresh if told < self._place_in_feed(each) <= until]:
                self._context.telemetry["tail_events"].inc(len(wanted))
                yield b"".join(event_frame(max(each.arrival, known), each.event) for each in wanted)
            if len(page) < PAGE_EVENTS:
                return
            last = page[-1].arrival
            border = {each.event for each in page if each.arrival == last}
            after = last - 1 if fresh else last

    def _place_in_feed(self, found: Arrived) -> int:
        if not self._feed.overlap_ns:
            return found.arrival
        return self._feed.place(self._app, found.arrival, _decode_id(found.event).id)

    async def _newest(self, request: ArrivedRequest) -> tuple[int, int]:
        return await self._context.read(lambda reading: self._context.backend.store.newest_arrived(reading, request))

    async def _read(self, request: ArrivedRequest) -> list[Arrived]:
        return await self._context.read(lambda reading: self._context.backend.store.arrived(reading, request))

    # ── live ──────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _live(self, buffer: Buffer) -> AsyncIterator[bytes]:
        wait_s, quiet_s = min(LOOK_S, self._keep_alive_s), 0.0
        while True:
            data: bytes | None
            try:
                async with asyncio.timeout(wait_s):
                    data = await buffer.take()
            except TimeoutError:
                quiet_s += wait_s
                data = self._keep_alive(buffer) if quiet_s >= self._keep_alive_s else None
            else:
                if not data:
                    return
            await self._admission.look()  # before it is sent: who may read it no more does not get it
            if data is not None:
                quiet_s = 0.0
                yield data

    def _keep_alive(self, buffer: Buffer) -> bytes:
        if not buffer.is_empty or self._place.seen <= self._sent:
            return b": keep-alive\n\n"
        self._sent = self._place.seen
        return b": keep-alive\nid: %d\n\n" % self._sent
