"""One request and the limits: what of its events goes on, and how the rest is told."""

from collections.abc import Iterable, Mapping, Sequence

from logkeep.decode.frame import NAMED_MAX, SAMPLE_BYTES_MAX, SAMPLES_MAX, RejectedSample
from logkeep.decode.marks import Mark, marks_of, sizes_of, without
from logkeep.decode.named import Named, count_named, named_in
from logkeep.decode.native import Rejected
from logkeep.errors import InputError
from logkeep.event import RejectReason
from logkeep.receiver.commit import Exchange
from logkeep.receiver.limiter import Cut, Limiter
from logkeep.receiver.reading import PLAIN_INLINE_BYTES_MAX
from logkeep.receiver.replays import Replays
from logkeep.receiver.sender_limits import Sender
from logkeep.receiver.shares import LeftOut

LEFT_OUT_BEFORE = LeftOut("over_quota", "limits or a block kept it out when this request was taken first")
TAKEN_IN_PART = (
    "part of this request was taken before and part refused by limits; which is not known any more: send what you "
    "miss of it under another Idempotency-Key"
)


def ruled(exchange: Exchange, limiter: Limiter, sender: Sender, address: str) -> Cut | None:
    """What is to be left out of it; its notices are looked at as events are. Raises QuotaExceeded, InputError: nothing
    of it is taken.

    What was read before its app had limits passes: its body may be compressed, or would take long to be looked at here.
    `exchange.limits` has what may be sent after it, also where it is refused.
    """
    body, form, marks = exchange.body, exchange.form, exchange.marks
    exchange.marks = None
    seen: list[Sequence[Mark]] = []

    def look() -> Sequence[Mark]:
        if not seen:
            seen.append(marks or marks_of(body, form, exchange.kind))
        return seen[0]

    refused = True
    try:
        if not exchange.count or exchange.encoding != "plain" or (marks is None and len(body) > PLAIN_INLINE_BYTES_MAX):
            cut = None
        else:
            cut = limiter.rule(sender, address, exchange.count, len(body), look, lambda: sizes_of(body, form))
        refused = cut is not None
        return cut
    finally:
        exchange.limits = limiter.headers(sender, address, seen[0] if seen else (), fresh=refused)


def cut_before(exchange: Exchange, replays: Replays) -> Cut | None:
    """What was left out of it when it was taken first, so that it is answered so again. Raises InputError (409): some
    of it was, but which is not known."""
    gone = replays.left_out(exchange.batch_id)
    if gone is None or (gone and (exchange.encoding != "plain" or max(gone) >= exchange.count)):
        raise InputError(TAKEN_IN_PART, code="taken_in_part", status=409)
    return Cut(dict.fromkeys(sorted(gone), LEFT_OUT_BEFORE)) if gone else None


def leave_out(exchange: Exchange, cut: Cut) -> None:
    """`exchange` has what may pass, the rest is among its rejected. Takes a second where the body is of its largest."""
    kept, gone = without(exchange.body, exchange.form, cut.left_out)
    told = [cut.left_out[index] for index in sorted(cut.left_out)]
    rejected = [Rejected(index, *one) for index, one in zip(_as_sent(exchange, cut), told, strict=True)]
    exchange.rejected = sorted([*exchange.rejected, *rejected], key=lambda one: one.index)
    shown = list(zip(told, gone, strict=True))[: SAMPLES_MAX - len(exchange.samples)]
    samples = [sample(one.reason, one.words, text) for one, text in shown]
    exchange.samples = (*exchange.samples, *samples)
    exchange.named = named_of(((one.reason, text) for one, text in zip(told, gone, strict=True)), exchange.named)
    exchange.body, exchange.form, exchange.encoding = kept, "ndjson", "plain"
    exchange.count -= len(cut.left_out)
    exchange.issues = tuple(one for index, one in enumerate(exchange.issues) if index not in cut.left_out)


def sample(reason: RejectReason, message: str, event: bytes) -> RejectedSample:
    return RejectedSample(reason, message, event[:SAMPLE_BYTES_MAX].decode("utf-8", "replace"))


def named_of(left_out: Iterable[tuple[RejectReason, bytes]], known: Mapping[Named, int] = {}) -> dict[Named, int]:
    """What is refused, by the component and key that it names, added to `known`: all but what is over a quota."""
    named = dict(known)
    for reason, event in left_out:
        if reason != "over_quota":
            count_named(named, named_in(event), names_max=NAMED_MAX)
    return named


def _as_sent(exchange: Exchange, cut: Cut) -> list[int]:
    """The indexes of what is left out, in the body as it was sent: of `exchange.body` the bad ones are gone already."""
    if not exchange.rejected:
        return sorted(cut.left_out)
    bad = {one.index for one in exchange.rejected}
    good = [index for index in range(exchange.count + len(bad)) if index not in bad]
    return [good[index] for index in sorted(cut.left_out)]
