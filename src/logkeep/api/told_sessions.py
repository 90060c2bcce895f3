"""Whose a session is when its events do not say: what `POST /v1/sessions` told of it."""

from collections.abc import Sequence

import msgspec

from logkeep.api.backend import Context
from logkeep.errors import BackendUnavailable
from logkeep.metastore.session_map import KnownSession
from logkeep.store.port import Activity


def told_sessions(context: Context, app: str, names: Sequence[str]) -> dict[str, KnownSession]:
    """By name; none too while the metastore is away: the events are there all the same. Blocks."""
    try:
        return context.backend.told_sessions(app, names)
    except BackendUnavailable:
        return {}


def with_told(context: Context, app: str, rows: list[Activity]) -> list[Activity]:
    """Rows of sessions; those whose events name no user or no device have the ones that were told. Blocks."""
    lacking = [row.name for row in rows if not (row.user and row.device)]
    known = told_sessions(context, app, lacking) if lacking else {}
    return [_with(row, known[row.name]) if row.name in known else row for row in rows]


def _with(row: Activity, known: KnownSession) -> Activity:
    return msgspec.structs.replace(row, user=row.user or known.user, device=row.device or known.device)
