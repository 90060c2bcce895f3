"""The event of an issue: what was told stands in its session, among what happened before and after."""

import msgspec

from logkeep.decode.issues import IssueNotice
from logkeep.event import Event, WireEvent
from logkeep.metastore.applied import ReceivedNotice
from logkeep.metastore.issues import IssueReport, as_event, occurrence_of
from logkeep.processor.normalise import TimeLimits, normalise


def event_of(told: ReceivedNotice, limits: TimeLimits, corrected: dict[str, int]) -> Event:
    """key: the kind. Its id is the occurrence's, so that what is told twice under one id is stored once."""
    notice: IssueNotice = told.notice
    occurrence, _, _ = occurrence_of(IssueReport(told.app, told.id, told.received_ns, told.received_ns, notice))
    seen = as_event(occurrence)
    wire = WireEvent(
        session=seen.session,
        key=seen.key,
        value=msgspec.Raw(msgspec.json.encode(seen.value)),
        time=notice.time,
        user=notice.user,
        device=notice.device,
        component=notice.component,
        level=seen.level,
        attributes=seen.attributes,
        id=occurrence.id if notice.id is not None else None,
    )
    return normalise(wire, told.app, told.id, told.received_ns, limits, corrected)
