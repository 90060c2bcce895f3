"""What is done with each kind of notice (decode/notices.py): the row of its name here.

An applier gets the notices of one batch in their order, and changes the metastore in the transaction it is given: that
is done once for each notice, whatever is killed. It works on what it is given in a few statements, asks no one else,
and does not raise for what stands in a notice: what can be wrong with one is told to its sender by its type.
"""

from collections.abc import Sequence

from logkeep.clock import NS_PER_DAY, NS_PER_S
from logkeep.decode.notices import KINDS
from logkeep.metastore import devices, issues, remote, session_map
from logkeep.metastore.applied import Applier, ReceivedNotice
from logkeep.metastore.database import Transaction, bump
from logkeep.metastore.session_map import Seen, Span, who_of
from logkeep.processor.normalise import time_from

PAST_NS, FUTURE_NS = 30 * NS_PER_DAY, 600 * NS_PER_S  # of a sender's time, measured from when it was told


def apply_sessions(transaction: Transaction, notices: Sequence[ReceivedNotice]) -> None:
    bump(transaction, session_map.TOPIC)  # another processor may be told of the same session
    session_map.widen(transaction, [seen for one in notices for seen in seen_in(one)])
    for one in notices:
        notice = one.notice
        session_map.told(
            transaction, one.app, notice.session, time_ns=believed_time(one), user=notice.user or "",
            device=notice.device or "", attributes=notice.attributes or {},
        )  # fmt: skip


def seen_in(one: ReceivedNotice) -> list[Seen]:
    """What the notice of a session says about its user and its device."""
    notice, time_ns = one.notice, believed_time(one)
    span = Span(notice.session, time_ns, time_ns)
    named = (("user", notice.user), ("device", notice.device))
    return [Seen(who_of(one.app, kind, name), one.app, span) for kind, name in named if name]  # type: ignore[arg-type]


def apply_devices(transaction: Transaction, notices: Sequence[ReceivedNotice]) -> None:
    bump(transaction, devices.TOPIC)
    told = [devices.DeviceReport(one.app, one.received_ns, one.notice) for one in notices]
    after = devices.register(transaction, told)
    remote.rematch(transaction, after, max(one.received_ns for one in notices))


def apply_issues(transaction: Transaction, notices: Sequence[ReceivedNotice]) -> None:
    """The issues count, and the devices they came from are asked for all they have."""
    bump(transaction, devices.TOPIC)
    apps = {one.app: one.received_ns for one in notices}  # in the order of arrival: the last of each
    for app, now_ns in apps.items():
        told = [
            issues.IssueReport(app, one.id, one.received_ns, believed_time(one), one.notice)
            for one in notices
            if one.app == app
        ]
        fresh = issues.apply(transaction, told)
        by_session = devices_in(transaction, app, [one.session for one in fresh if not one.device])
        reasons = {one.device or by_session.get(one.session, ""): f"{one.issue}: {one.title}" for one in fresh}
        reasons.pop("", None)
        remote.ask_for_all(transaction, app, reasons, now_ns)


def devices_in(transaction: Transaction, app: str, sessions: Sequence[str]) -> dict[str, str]:
    """The device of each of these sessions that is known: as it was told, else the registered one that was seen there
    last (of others the map has no name)."""
    if not sessions:
        return {}
    told = session_map.known_sessions(transaction, app, sessions)
    found = {session: one.device for session, one in told.items() if one.device}
    missing = {session_map.sid_of(app, session): session for session in sessions if session not in found}
    if not missing:
        return found
    seen = session_map.seen_in(transaction, list(missing))
    registered = devices.known(transaction, sorted({who for whos in seen.values() for who in whos}))
    for sid, whos in seen.items():
        named = [registered[who].device for who in whos if who in registered]
        if named:
            found[missing[sid]] = named[0]
    return found


def believed_time(one: ReceivedNotice) -> int:
    """When it happened; a time that nobody can read or believe is no time."""
    sent = one.notice.time
    time_ns = time_from(sent) if sent is not None else None
    if time_ns is None or not one.received_ns - PAST_NS <= time_ns <= one.received_ns + FUTURE_NS:
        return one.received_ns
    return time_ns


APPLIERS: dict[str, Applier] = {
    "sessions": apply_sessions,
    "devices": apply_devices,
    "issues": apply_issues,
}
assert APPLIERS.keys() == KINDS.keys(), "every kind of notice has an applier"
