"""Ids under which senders told issues: what is told again under one of them is not counted again.

An issue keeps the newest of its occurrences only, and a crash loop has pushed one out within seconds, while a sender
that had no answer tells again after minutes or days. So ids are kept by themselves, hashed, for KEPT_DAYS, of each
issue the newest IDS_MAX: one crash loop costs other issues nothing.
"""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from logkeep.clock import NS_PER_DAY
from logkeep.metastore.database import Transaction

IDS_MAX = 20_000  # of an issue
STEP = 1_000  # times an issue happens until its ids are counted again: there may be so many more
KEPT_DAYS = 30  # as far back as a sender's time is believed
FORGOTTEN_AT_ONCE = 1_000


class ToldId(msgspec.Struct, frozen=True):
    """occurrence: the hash of app and id. told_ns: when it was received, ns UTC."""

    occurrence: str
    issue: str
    told_ns: int


def known(transaction: Transaction, occurrences: Sequence[str]) -> set[str]:
    """Those of them that were told before."""
    rows = transaction.rows_in("SELECT occurrence FROM told_ids WHERE occurrence IN", occurrences)
    return {str(occurrence) for (occurrence,) in rows}


def keep(transaction: Transaction, fresh: Iterable[ToldId]) -> None:
    """None of `fresh` is known."""
    transaction.change_many(
        "INSERT INTO told_ids (occurrence, issue, told_ns) VALUES (:occurrence, :issue, :told_ns)",
        [msgspec.structs.asdict(one) for one in fresh],
    )


def make_room(transaction: Transaction, counts: Mapping[str, tuple[int, int]]) -> None:
    """counts: of issues, how often they had happened before and have now. Each keeps its newest IDS_MAX, and those of
    one moment together."""
    for issue in sorted(place for place, (before, now) in counts.items() if before // STEP != now // STEP):
        oldest = transaction.rows(
            "SELECT told_ns FROM told_ids WHERE issue = :issue ORDER BY told_ns DESC LIMIT 1 OFFSET :last",
            issue=issue, last=IDS_MAX - 1,
        )  # fmt: skip
        for (told_ns,) in oldest:
            transaction.change(
                "DELETE FROM told_ids WHERE issue = :issue AND told_ns < :told", issue=issue, told=told_ns
            )


def forget_old(transaction: Transaction, now_ns: int) -> bool:
    """Some that were told more than KEPT_DAYS ago are gone; whether there may be more."""
    rows = transaction.rows(
        "SELECT occurrence FROM told_ids WHERE told_ns < :before ORDER BY told_ns LIMIT :most",
        before=now_ns - KEPT_DAYS * NS_PER_DAY, most=FORGOTTEN_AT_ONCE,
    )  # fmt: skip
    gone = [{"occurrence": str(occurrence)} for (occurrence,) in rows]
    transaction.change_many("DELETE FROM told_ids WHERE occurrence = :occurrence", gone)
    return len(gone) == FORGOTTEN_AT_ONCE
