"""What of a request may pass: by its app, its components, its key and its address.

Everything is looked at in memory, and at all only where something is limited. An app that is well within its limits
costs a look at its buckets; only one that is near them has its events looked at, by component and level (see
counters/buckets.py for who is let in first).

What happens to the rest of a request: where every component of it is over, or a day's limit is in its grace period,
nothing of it is taken and the sender is told when to come again (429): nothing is lost. Otherwise a sender that speaks
for many would hold up those who are within their limits: what is over is left out, counted and told.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from logkeep.clock import NS_PER_S, Clock
from logkeep.counters import usage
from logkeep.counters.buckets import Pool, Shared, Taken
from logkeep.counters.limit import Limit
from logkeep.counters.port import Addition
from logkeep.decode.marks import Mark, component_of
from logkeep.errors import BackendUnavailable, InputError
from logkeep.event import RejectReason
from logkeep.metastore.blocks import Blocked, without_nul
from logkeep.metastore.limits import InForce
from logkeep.receiver.addresses import WINDOW_S, Name, ShortBlocks
from logkeep.receiver.app_limits import SECOND_ACTIVE_S, AppLimit, Marks, Sizes, named_buckets
from logkeep.receiver.component_limits import SECOND_STEP
from logkeep.receiver.count_exchange import CountExchange
from logkeep.receiver.quota_headers import headers_of
from logkeep.receiver.refused import Kind, Refusals
from logkeep.receiver.refused import Why as RefusedWhy
from logkeep.receiver.replays import Replays
from logkeep.receiver.sender_limits import EXCHANGED_SENDERS_MAX, SECONDS_KEY_S, Sender, SenderLimits
from logkeep.receiver.shares import (
    Group,
    LeftOut,
    Share,
    Waiting,
    exceeded,
    grouped,
    lacking,
    left_out,
    mean_sizes,
    over_day_of_app,
    refusal_of,
    refuses_all,
    through,
)
from logkeep.settings import LimitSettings
from logkeep.telemetry import Telemetry, get_logger

APPS_MAX = 10_000
HEADERS_MAX, HEADERS_KEPT_S = 1_000, 0.02  # written once for those that come at once
NOBODY: frozenset[str] = frozenset()
REFUSALS_EVERY_S = 5.0
NO_REASON = "no reason is given"
AGAIN_S = 30.0  # between two tries to read what an app has used
READ_AHEAD_MAX = 1_000  # apps whose use is read before the first request: a second or less

log = get_logger("limits")


class KnownLimits(Protocol):
    """What of metastore/limits.py a limiter looks at."""

    @property
    def known(self) -> object: ...
    @property
    def any(self) -> bool: ...
    @property
    def any_address(self) -> bool: ...
    def in_force(self, app: str) -> InForce: ...


class KnownBlocks(Protocol):
    """What of metastore/blocks.py a limiter looks at."""

    @property
    def known(self) -> object: ...
    @property
    def apps(self) -> Mapping[str, Blocked]: ...


class Nothing:
    """No blocks."""

    known: object = None
    apps: Mapping[str, Blocked] = {}


class Cut(msgspec.Struct, frozen=True):
    """Events that are left out, by index."""

    left_out: dict[int, LeftOut]


class Limiter:
    """For one thread, but for `problem`."""

    def __init__(
        self,
        limits: KnownLimits,
        settings: LimitSettings,
        exchange: CountExchange,
        clock: Clock,
        telemetry: Telemetry,
        refusals: Refusals,
        blocks: KnownBlocks | None = None,
        replays: Replays | None = None,
    ) -> None:
        """replays: None: a request that is sent again is one like others."""
        self.replays = replays
        self._headers: dict[tuple[Sender, str, frozenset[str]], tuple[float, bytes]] = {}
        self._blocks = blocks or Nothing()
        self._known_blocks, self._blocked = self._blocks.known, self._blocks.apps
        self.short = ShortBlocks(settings, clock)
        self._refusals_due_s = self._last_s = 0.0
        self._limits, self._settings, self._exchange, self._clock = limits, settings, exchange, clock
        self.refusals = refusals
        self._apps: dict[str, AppLimit | None] = {}
        self._known = limits.known
        self._senders = SenderLimits(settings)
        self._asked: dict[str, Shared] = {}  # key of an addition → what hears of its total
        self._told: dict[str, Name] = {}  # the same of refused addresses
        self._reading: dict[str, float] = {}  # app → when it was asked what it has used
        rate = settings.total_events_per_second
        self._total: Pool | None = None
        if rate:
            burst = rate * settings.burst_s
            named = Limit("installation", "", "total_events_per_second", rate)
            self._total = Pool(named, rate, burst, self._now_s(), step=burst * SECOND_STEP, active_s=SECOND_ACTIVE_S)
        self._refused = telemetry["intake_events_refused"]
        self._counters: dict[tuple[RefusedWhy, Kind], Any] = {}  # finding a metric by its labels takes 2 us

        self._look()

    @property
    def problem(self) -> str | None:
        return self._exchange.problem

    def begin(self, apps: Iterable[str]) -> None:
        """Before the first request: what these have used of their day is known when they are ruled, of READ_AHEAD_MAX
        of them. It blocks; while the counters are away nothing is known, as of all others, until the first exchange."""
        now_ns, now_s = self._clock.now_ns(), self._now_s()
        limited: list[AppLimit] = []
        for app in apps:
            if len(limited) < READ_AHEAD_MAX and (found := self._made(app)) is not None and not found.known_use:
                limited.append(found)
        try:
            totals = self._exchange.read([key for found in limited for key in found.keys(now_ns)])
        except BackendUnavailable as error:
            log.warning("what apps have used is not known yet", error=error.message)
            return
        for found in limited:
            if any(totals[key] for key in found.keys(now_ns)):  # a full bucket is what all others have anyway
                found.take_over_use(totals, now_ns, now_s)
                self._apps[found.app] = found

    # ── one request ───────────────────────────────────────────────────────────────────────────────────────────────

    def limits(self, app: str) -> bool:
        """Whether anything may be refused to `app`."""
        return self._of(app) is not None or self._total is not None or app in self._blocked or self.short.any

    @property
    def any(self) -> bool:
        """Whether anything may be refused to anybody."""
        return self._any

    def rule(
        self, sender: Sender, address: str, count: int, size: int, marks: Marks, sizes: Sizes | None = None
    ) -> Cut | None:
        """What of `count` events in `size` bytes is left out; None: nothing. Raises QuotaExceeded: all of it.

        address: "" where none is limited. marks: of each event in order, asked for only where they matter; sizes: bytes
        of each, likewise; None: one is as large as the other.
        """
        self.admit(sender, address, count)
        found, blocked = self._of(sender.app), self._blocked.get(sender.app)
        if blocked is not None and blocked.components:
            given = list(marks())
            gone = self._without_components(sender.app, blocked, given)
            if gone:
                each = sizes() if sizes is not None else [size // count] * count
                return self._rule_the_rest(sender, address, each, given, gone)
        if found is None and self._total is None:
            return None
        now_s = self._moment()
        buckets = self._senders.of(found.limits, sender, address, now_s) if found is not None else ()
        for limit, bucket in buckets:
            if not bucket.covers(count):
                self._note_limit(sender.app, limit, count)
                if limit.of == "address":
                    self.unwelcome(sender.app, address)
                raise exceeded(limit.words, bucket.wait_s(count))
        cut = self._share_out(found, sender.app, count, size, marks, sizes, now_s)
        passed = count - (len(cut.left_out) if cut is not None else 0)
        for _, bucket in buckets:
            bucket.take(passed, now_s)
        return cut

    def admit(self, sender: Sender, address: str, count: int = 1) -> None:
        """Raises what refuses all that this sender sends: InputError (403, blocked by people), QuotaExceeded (its
        address goes on being refused)."""
        self._listen(sender.app, address, count)
        blocked = self._blocked.get(sender.app)
        if blocked is None:
            return
        kind, source, reason = "key", sender.key, blocked.of_key(sender.key)
        if reason is None:
            kind, source, reason = "address", address, blocked.of_address(address)
        if reason is not None:
            self._note(sender.app, kind, source, "blocked", count)  # type: ignore[arg-type]
            raise InputError(f"this {kind} is blocked: {reason or NO_REASON}", code="blocked", status=403)

    def unknown(self, address: str) -> None:
        """A request came without a valid key: nobody's, so it is refused by the app "". Raises QuotaExceeded: too many
        came from there, and whether the next key is valid is not told."""
        if address and self.looks_at_addresses:
            self._listen("", address, 1)
            self._note("", "address", address, "key", 1)
            self.unwelcome("", address)

    def _listen(self, app: str, address: str, count: int) -> None:
        if self.short.any and (left_s := self.short.left_s(app, address)) > 0:
            self._note(app, "address", address, "blocked", count)
            often = f"{self._settings.block_refusals} times within {WINDOW_S:g} s"
            raise exceeded(f"this address was refused {often} and is not listened to for a while", left_s)

    def unwelcome(self, app: str, address: str) -> None:
        """This app has refused this address something. Where addresses are limited, many of these close its door to it
        for a while; app "": of a request that names none, and then every app's."""
        if address and self.looks_at_addresses and self.short.refused(app, address):
            self._note(app, "address", address, "blocked", 0)

    def _without_components(self, app: str, blocked: Blocked, marks: Sequence[Mark]) -> dict[int, LeftOut]:
        gone: dict[int, LeftOut] = {}
        counts: dict[str, int] = {}
        for place, mark in enumerate(marks):
            component = component_of(mark)
            reason = blocked.components.get(without_nul(component))
            if reason is not None:
                gone[place] = LeftOut("blocked", f"this component is blocked: {reason or NO_REASON}")
                counts[component] = counts.get(component, 0) + 1
        for component, count in counts.items():
            self._note(app, "component", component, "blocked", count)
        return gone

    def _rule_the_rest(
        self, sender: Sender, address: str, sizes: Sequence[int], given: Sequence[Mark], gone: dict[int, LeftOut]
    ) -> Cut:
        """Of a request with events of blocked components: the others go through the limits one by one."""
        rest = [place for place in range(len(given)) if place not in gone]
        addresses = [address] * len(rest) if address else ()
        more = self._one_by_one(sender, addresses, [sizes[p] for p in rest], [given[p] for p in rest])
        return Cut(gone | {rest[place]: told for place, told in more.items()})

    def rule_each(
        self, sender: Sender, addresses: Sequence[str], sizes: Sequence[int], marks: Sequence[Mark]
    ) -> dict[int, RejectReason]:
        """Of events that are let in one by one: those left out, by their place in `marks`, with the reason.

        addresses: of each event, or none at all. sizes: bytes of each.
        """
        blocked = self._blocked.get(sender.app)
        if blocked is None:
            return {place: told.reason for place, told in self._one_by_one(sender, addresses, sizes, marks).items()}
        gone = self._blocked_of(sender, blocked, addresses, marks)
        rest = [place for place in range(len(marks)) if place not in gone]
        if rest:
            own = [addresses[place] for place in rest] if addresses else ()
            more = self._one_by_one(sender, own, [sizes[place] for place in rest], [marks[place] for place in rest])
            gone |= {rest[place]: told.reason for place, told in more.items()}
        return gone

    def _blocked_of(
        self, sender: Sender, blocked: Blocked, addresses: Sequence[str], marks: Sequence[Mark]
    ) -> dict[int, RejectReason]:
        if blocked.of_key(sender.key) is not None:
            self._note(sender.app, "key", sender.key, "blocked", len(marks))
            return dict.fromkeys(range(len(marks)), "blocked")
        gone = {place: told.reason for place, told in self._without_components(sender.app, blocked, marks).items()}
        if blocked.addresses:
            bad = {address for address in set(addresses) if blocked.of_address(address) is not None}
            for place, address in enumerate(addresses):
                if address in bad and place not in gone:
                    gone[place] = "blocked"
                    self._note(sender.app, "address", address, "blocked", 1)
        return gone

    def _one_by_one(
        self, sender: Sender, addresses: Sequence[str], sizes: Sequence[int], marks: Sequence[Mark]
    ) -> dict[int, LeftOut]:
        found = self._of(sender.app)
        if found is None and self._total is None:
            return {}
        now_s = self._moment()
        places: list[int] = list(range(len(marks)))
        gone: dict[int, LeftOut] = {}
        if found is not None:
            places, refused = self._senders.kept(found.limits, sender, addresses, places, now_s)
            for limit, those in refused:
                self._note_limit(sender.app, limit, len(those))
                gone |= dict.fromkeys(those, LeftOut("over_quota", limit.words))
        given = [marks[place] for place in places]
        if given:
            each = [sizes[place] for place in places]
            cut = self._share_out(
                found, sender.app, len(given), sum(each), lambda: given, lambda: each, now_s, divisible=True
            )
            gone |= {places[index]: told for index, told in cut.left_out.items()} if cut is not None else {}
        return gone

    def _share_out(
        self,
        found: AppLimit | None,
        app: str,
        count: int,
        size: int,
        marks: Marks,
        sizes: Sizes | None,
        now_s: float,
        *,
        divisible: bool = False,
    ) -> Cut | None:
        """divisible: what may pass passes, whatever becomes of the rest."""
        total = self._total
        at_once = total is None or total.comfortable(count, now_s)
        if at_once and (found is None or found.passes_at_once(count, size, marks, now_s)):
            if total is not None:
                total.main.take(count, now_s)
            return None
        given = list(marks())
        groups = grouped(given)
        if sizes is not None and len(groups) > 1 and found is not None and found.weighs:
            weights = mean_sizes(groups, given, sizes())
        else:
            weights = dict.fromkeys(groups, size / max(1, count))
        shares, taken = self._shares(found, app, groups, weights, now_s, divisible)
        short = lacking(shares)
        if not short:
            return None
        wall_s = self._clock.now_ns() / NS_PER_S
        if found is not None and over_day_of_app(short):
            found.note_over(wall_s)
        for (_, component), share in short.items():
            if share.limit is not None:
                kind: Kind = "component" if component else "app"
                self._note(app, kind, component or app, share.limit.why, share.count - share.passes)
        if not divisible and refuses_all(shares, short, found.phase(wall_s) if found is not None else "within"):
            for bucket, amount in taken:
                bucket.give_back(amount)
            raise refusal_of(short)
        return Cut(left_out(given, short))

    def _shares(
        self,
        found: AppLimit | None,
        app: str,
        groups: Mapping[Group, int],
        weights: Mapping[Group, float],
        now_s: float,
        divisible: bool,
    ) -> tuple[dict[Group, Share], Taken]:
        """Of each group how many may pass, and what was taken for them. weights: bytes an event."""
        shares: dict[Group, Share] = {}
        taken: Taken = []
        everybody = sum(groups.values())
        waiting = Waiting(groups)
        for group, count in groups.items():
            level, component = group
            own, everything = (0, 0) if divisible else (waiting.whole[component], everybody)
            gates = [] if found is None else found.gates(component, level, count, weights[group], now_s, own)
            if self._total is not None:
                gates.append(self._total.gate(app, level, now_s, cost=1.0, whole=everything))
            shares[group] = share = through(gates, count, component, waiting)
            for gate in gates if share.passes else ():
                waiting.pay(gate.quota, component, gate.take(share.passes, taken))
        return shares, taken

    def _look(self) -> None:
        self.looks_at_addresses = (
            bool(self._settings.address_events_per_second)
            or self._limits.any_address
            or any(blocked.addresses for blocked in self._blocked.values())
        )
        self._any = self._total is not None or self._limits.any or bool(self._blocked)

    # ── told in every answer ──────────────────────────────────────────────────────────────────────────────────────

    def headers(
        self, sender: Sender, address: str = "", marks: Sequence[Mark] = (), *, fresh: bool = False
    ) -> bytes:  # fmt: skip
        """RateLimit and RateLimit-Policy, a line each, as it was HEADERS_KEPT_S ago at most, or `fresh`. marks: of its
        events, where they were looked at.

        Quotas are in events, or in bytes as `qu` says. r: what may come now; t: seconds until all of it may again.
        """
        found = self._of(sender.app)
        if found is None:
            return b""
        now_s = self._now_s()
        components = frozenset(map(component_of, marks)) if found.components.any else NOBODY
        kept = self._headers.get((sender, address, components))
        if kept is not None and not fresh and 0 <= now_s - kept[0] < HEADERS_KEPT_S:
            return kept[1]
        told = headers_of(found, self._senders.of(found.limits, sender, address, now_s), components, now_s)
        if len(self._headers) >= HEADERS_MAX:
            self._headers.clear()
        self._headers[sender, address, components] = (now_s, told)
        return told

    # ── what was refused ──────────────────────────────────────────────────────────────────────────────────────────

    def _note(self, app: str, kind: Kind, source: str, why: RefusedWhy, events: int) -> None:
        counter = self._counters.get((why, kind))
        if counter is None:
            counter = self._counters[why, kind] = self._refused.labels(why, kind)
        counter.inc(events)
        self.refusals.add(app, kind, source, why, events, self._clock.now_ns())

    def _note_limit(self, app: str, limit: Limit, events: int) -> None:
        """A key or an address is over its own."""
        self._note(app, limit.of, limit.who, limit.why, events)  # type: ignore[arg-type]

    # ── time, and the others ──────────────────────────────────────────────────────────────────────────────────────

    def tick(self) -> None:
        """Twice a second or so: what others let in counts here, and the other way round."""
        now_s, now_ns = self._now_s(), self._clock.now_ns()
        while (news := self._exchange.news()) is not None:
            for key, (total, sent) in news.totals.items():
                if (bucket := self._asked.get(key)) is not None:
                    hear(bucket, total, sent)
                elif (name := self._told.pop(key, None)) is not None and self.short.heard(name, total):
                    self._note(name[0], "address", name[1], "blocked", 0)
            self._take_over_use(news.read, now_ns, now_s)
        if self._limits.known is not self._known or self._blocks.known is not self._known_blocks:
            self._renew()
        self.short.forget()
        self._tell_refusals(now_ns, now_s)
        additions: list[tuple[Shared | None, Addition]] = []
        reads: list[str] = []
        for app, found in self._apps.items():
            if found is None:
                continue
            found.tick(now_ns / NS_PER_S, now_s)
            if found.known_use or now_s - self._reading.get(app, -AGAIN_S) < AGAIN_S:
                additions += found.additions(now_ns) if found.known_use else []
            else:
                self._reading[app] = now_s
                reads += found.keys(now_ns)
        additions += self._senders.additions() + self._total_additions()
        additions += self._refused_addresses()
        self._asked = {one.key: bucket for bucket, one in additions if bucket is not None}
        if additions or reads:
            self._exchange.give([one for _, one in additions], reads)

    def _tell_refusals(self, now_ns: int, now_s: float) -> None:
        refusals, hour = self.refusals, usage.hour_of(now_ns)
        if refusals.changed and (now_s >= self._refusals_due_s or hour != refusals.hour):
            self._exchange.give_refusals(refusals.hour or hour, refusals.rows())
            refusals.changed = False
            self._refusals_due_s = now_s + REFUSALS_EVERY_S
        if hour != refusals.hour:
            refusals.begin(hour) if refusals.hour else setattr(refusals, "hour", hour)

    def _refused_addresses(self) -> list[tuple[Shared | None, Addition]]:
        """What was refused here counts at the other receivers too."""
        told = {f"refused:{one[0]}\0{one[1]}": (one, count) for one, count in self.short.untold(EXCHANGED_SENDERS_MAX)}
        if len(self._told) > 2 * EXCHANGED_SENDERS_MAX:  # the counters are away
            self._told.clear()
        self._told |= {key: name for key, (name, _) in told.items()}
        return [(None, Addition(key, count, WINDOW_S)) for key, (_, count) in told.items()]

    def _total_additions(self) -> list[tuple[Shared | None, Addition]]:
        found: list[tuple[Shared | None, Addition]] = []
        if self._total is not None:
            for app, bucket in named_buckets(self._total):
                found.append((bucket, Addition(f"total{app}", round(bucket.spent), SECONDS_KEY_S)))
                bucket.spent = 0.0
            self._total.forget_idle(self._now_s())
        return found

    def _take_over_use(self, read: Mapping[str, int], now_ns: int, now_s: float) -> None:
        for app, found in self._apps.items() if read else ():
            if found is not None and not found.known_use and usage.keys(app, now_ns)[0] in read:
                found.take_over_use(read, now_ns, now_s)

    def _of(self, app: str) -> AppLimit | None:
        try:
            return self._apps[app]
        except KeyError:
            if len(self._apps) >= APPS_MAX:
                self._apps.clear()
            made = self._apps[app] = self._made(app)
            return made

    def _made(self, app: str) -> AppLimit | None:
        limits = self._limits.in_force(app)
        return AppLimit(app, limits, self._settings, self._now_s()) if limits.any else None

    def _renew(self) -> None:
        """Of apps whose limits have changed the buckets are new, filled by what was used."""
        self._known = self._limits.known
        self._known_blocks, self._blocked = self._blocks.known, self._blocks.apps
        self._look()
        for app, kept in self._apps.items():
            if kept is None or kept.limits != self._limits.in_force(app):
                made = self._apps[app] = self._made(app)  # its use is read with this exchange
                if made is not None and kept is not None:
                    made.inherit(kept, self._now_s())
                self._reading.pop(app, None)

    def _moment(self) -> float:
        """Now, and no two requests at the same time: what one of them found full is so for that one alone."""
        now_s = self._clock.monotonic_ns() / NS_PER_S
        self._last_s = now_s = now_s if now_s > self._last_s else math.nextafter(self._last_s, math.inf)
        return now_s

    def _now_s(self) -> float:
        return self._clock.monotonic_ns() / NS_PER_S


def hear(shared: Shared, total: int, sent: int) -> None:
    """All together have taken `total` within the counter's window, `sent` of it told from here just now."""
    before = shared.total
    shared.total = float(total)
    if before is not None:
        shared.debit(max(0.0, total - sent if total < before else total - before - sent))
