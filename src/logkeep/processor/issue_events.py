"""The event of an issue: what was told stands in its session, among what happened before and after."""

import msgspec

from logkeep.decode.issues import IssueNotice
from logkeep.event import Event, WireEvent
from logkeep.metastore.applied import Told
from logkeep.metastore.issues import Occurrence, occurrence_of
from logkeep.metastore.issues import Told as ToldIssue
from logkeep.processor.normalise import TimeLimits, normalise

LEVELS = {"issue": "error", "crash": "fatal", "feedback": "info"}
STACK_CHARS_MAX = 32 << 10  # of the stack in the event: an event is searched and shown among others


def event_of(told: Told, limits: TimeLimits, corrected: dict[str, int]) -> Event:
    """key: the kind. Its id is the occurrence's, so that what is told twice under one id is stored once."""
    notice: IssueNotice = told.notice
    occurrence, _, where = occurrence_of(ToldIssue(told.app, told.id, told.received_ns, told.received_ns, notice))
    attributes = {"issue": occurrence.issue, "where": where, "app_version": occurrence.app_version}
    wire = WireEvent(
        session=notice.session,
        key=notice.kind,
        value=msgspec.Raw(msgspec.json.encode(_text(occurrence))),
        time=notice.time,
        user=notice.user,
        device=notice.device,
        component=notice.component,
        level=LEVELS[notice.kind],
        attributes={name: text for name, text in attributes.items() if text},
        id=occurrence.id if notice.id is not None else None,
    )
    return normalise(wire, told.app, told.id, told.received_ns, limits, corrected)


def _text(occurrence: Occurrence) -> str:
    stack = occurrence.stack
    if len(stack) > STACK_CHARS_MAX:
        half = STACK_CHARS_MAX // 2
        stack = f"{stack[:half]}\n…\n{stack[-half:]}"
    parts = [occurrence.title, occurrence.text, stack]
    return "\n\n".join(part for part in dict.fromkeys(parts) if part)
