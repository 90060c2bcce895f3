"""Which session a user or device had, and when; and what is told of a session.

A row of the map says that a user or device was seen in a session, first and last. Rows only ever widen, so any number
of processors may tell what they saw in any order, and again. Names are found by hashes: they may be longer than an
index takes, and hold any character.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Literal

import msgspec

from logkeep.event import Scalar
from logkeep.metastore.database import Transaction, Value

TOPIC = "sessions"
SPANS_MAX = 32  # of one user or device: more sessions than that go on at no time
NAMES_AT_ONCE = 100  # looked for in one statement
SEEN_MAX = 16  # users and devices looked at of one session, those seen last

WhoKind = Literal["user", "device"]


class Span(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A user or device was seen in this session from `from_ns` to `last_ns`, both included."""

    session: str
    from_ns: int
    last_ns: int


class Seen(msgspec.Struct, frozen=True, gc=False):
    """who: as `who_of` names them."""

    who: str
    app: str
    span: Span


def who_of(app: str, kind: WhoKind, name: str) -> str:
    """Of a device the id that it is registered under (`devices.id_of`)."""
    return _hash(kind, app, name)


def sid_of(app: str, session: str) -> str:
    return _hash("session", app, session)


def _hash(kind: str, app: str, name: str) -> str:
    """Of all three with their lengths: what one ends with is never taken for what the next begins with."""
    return blake2b(_kind_and_app(kind, app) + _with_length(name), digest_size=16).hexdigest()


@lru_cache(1_000)
def _kind_and_app(kind: str, app: str) -> bytes:
    return _with_length(kind) + _with_length(app)


def _with_length(text: str) -> bytes:
    data = text.encode("utf-8", "surrogatepass")
    return len(data).to_bytes(4, "little") + data


def widen(transaction: Transaction, seen: Iterable[Seen]) -> None:
    """The map knows of `seen` too, in whatever order it is told."""
    merged: dict[tuple[str, str], Span] = {}
    for one in seen:
        place = (one.who, sid_of(one.app, one.span.session))
        merged[place] = _joined(merged.get(place), one.span)
    known = {
        (str(who), str(sid)): (int(from_ns), int(last_ns))
        for who, sid, from_ns, last_ns in transaction.rows_in(
            "SELECT who, sid, from_ns, last_ns FROM session_map WHERE who IN",
            sorted({who for who, _ in merged}),
        )
    }
    fresh: list[dict[str, Any]] = []
    wider: list[dict[str, Any]] = []
    for (who, sid), span in sorted(merged.items()):
        row = {"who": who, "sid": sid, "first": span.from_ns, "last": span.last_ns}
        found = known.get((who, sid))
        if found is None:
            fresh.append(row | {"session": span.session.encode("utf-8", "surrogatepass")})
        elif span.from_ns < found[0] or span.last_ns > found[1]:
            wider.append(row)
    _insert(transaction, fresh)
    if wider:
        transaction.change_many(
            "UPDATE session_map SET from_ns = CASE WHEN :first < from_ns THEN :first ELSE from_ns END, "
            "last_ns = CASE WHEN :last > last_ns THEN :last ELSE last_ns END WHERE who = :who AND sid = :sid",
            wider,
        )


def _insert(transaction: Transaction, fresh: list[dict[str, Any]]) -> None:
    if fresh:
        transaction.change_many(
            "INSERT INTO session_map (who, sid, session, from_ns, last_ns) "
            "VALUES (:who, :sid, :session, :first, :last)",
            fresh,
        )


def _joined(known: Span | None, span: Span) -> Span:
    if known is None:
        return span
    return Span(span.session, min(known.from_ns, span.from_ns), max(known.last_ns, span.last_ns))


def spans_of(transaction: Transaction, who: Sequence[str]) -> dict[str, list[Span]]:
    """Of each of `who`, where they were seen, the newest SPANS_MAX; [] of those that are not known."""
    found: dict[str, list[Span]] = {one: [] for one in who}
    sql = (
        "SELECT who, session, from_ns, last_ns FROM (SELECT who, session, from_ns, last_ns, "
        "ROW_NUMBER() OVER (PARTITION BY who ORDER BY last_ns DESC) AS place FROM session_map WHERE who IN"
    )
    after = f") AS newest WHERE place <= {SPANS_MAX}"
    for one, session, from_ns, last_ns in transaction.rows_in(sql, list(found), after):
        found[str(one)].append(Span(_text(session), int(from_ns), int(last_ns)))
    return found


def seen_in(transaction: Transaction, sids: Sequence[str]) -> dict[str, list[str]]:
    """Of each of `sids` that is known, who was seen there, last first, SEEN_MAX at most."""
    found: dict[str, list[str]] = {}
    sql = (
        "SELECT sid, who FROM (SELECT sid, who, "
        "ROW_NUMBER() OVER (PARTITION BY sid ORDER BY last_ns DESC, who) AS place FROM session_map WHERE sid IN"
    )
    after = f") AS newest WHERE place <= {SEEN_MAX} ORDER BY sid, place"
    for sid, who in transaction.rows_in(sql, sorted(set(sids)), after):
        found.setdefault(str(sid), []).append(str(who))
    return found


def _text(data: Any) -> str:
    return bytes(data).decode("utf-8", "surrogatepass")


def forget_before(transaction: Transaction, map_ns: int, sessions_ns: int) -> None:
    """What was seen last before `map_ns` is out of the map, what was told of sessions before `sessions_ns` gone."""
    transaction.change("DELETE FROM session_map WHERE last_ns < :before", before=map_ns)
    transaction.change("DELETE FROM sessions WHERE last_ns < :before", before=sessions_ns)


def forget_named(
    transaction: Transaction, app: str, names: Mapping[str, Iterable[str]], from_ns: int, to_ns: int, *, dry: bool
) -> int:
    """How many rows tell of these `session`, `user` and `device` in the range, or of sessions these had; unless `dry`
    they are gone, and what was told of such sessions with them: it may outlive the map."""
    whos = sorted(who_of(app, kind, name) for kind in ("user", "device") for name in names.get(kind, ()))
    sids = {sid_of(app, session) for session in names.get("session", ())}
    within: dict[str, Value] = {"first": from_ns, "until": to_ns}
    overlaps = "AND last_ns >= :first AND from_ns < :until"
    found = transaction.rows_in("SELECT sid FROM session_map WHERE who IN", whos, overlaps, **within)
    sids |= {str(sid) for (sid,) in found} | _told_of(transaction, app, names, overlaps, within)
    wanted = sorted(sids)
    rows = transaction.rows_in("SELECT who, sid FROM session_map WHERE sid IN", wanted)
    told_rows = transaction.rows_in("SELECT sid FROM sessions WHERE sid IN", wanted)
    if not dry:
        gone = [{"sid": sid} for sid in wanted]
        if gone:
            transaction.change_many("DELETE FROM session_map WHERE sid = :sid", gone)
            transaction.change_many("DELETE FROM sessions WHERE sid = :sid", gone)
    return len(rows) + len(told_rows)


def _told_of(
    transaction: Transaction, app: str, names: Mapping[str, Iterable[str]], overlaps: str, within: Mapping[str, Value]
) -> set[str]:
    """Sessions of which was told that they are of these users and devices. An erasure is rare: it reads the app's."""
    found: set[str] = set()
    for kind, column in (("user", "user_id"), ("device", "device")):
        wanted = sorted(name.encode("utf-8", "surrogatepass") for name in names.get(kind, ()))
        for start in range(0, len(wanted), NAMES_AT_ONCE):
            given = {f"name{index}": name for index, name in enumerate(wanted[start : start + NAMES_AT_ONCE])}
            places = ", ".join(f":{name}" for name in given)
            sql = f"SELECT sid FROM sessions WHERE app = :app AND {column} IN ({places}) {overlaps}"  # noqa: S608
            found |= {str(sid) for (sid,) in transaction.rows(sql, app=app, **given, **within)}
    return found


# ── what is told of a session ─────────────────────────────────────────────────────────────────────────────────────────


class KnownSession(msgspec.Struct, frozen=True):
    """user, device: the last that were told; "" for none. Times ns UTC."""

    session: str
    user: str
    device: str
    attributes: dict[str, Scalar]
    from_ns: int
    last_ns: int


def told(transaction: Transaction, app: str, session: str, *, time_ns: int, user: str, device: str,
         attributes: Mapping[str, Scalar]) -> None:  # fmt: skip
    """What was told last counts; attributes that were told before and are not named now stay."""
    sid, known = sid_of(app, session), known_session(transaction, app, session)
    row: dict[str, Any] = {
        "sid": sid,
        "user": (user or (known.user if known else "")).encode("utf-8", "surrogatepass"),
        "device": (device or (known.device if known else "")).encode("utf-8", "surrogatepass"),
        "attributes": msgspec.json.encode({**(known.attributes if known else {}), **attributes}),
        "first": min(time_ns, known.from_ns) if known else time_ns,
        "last": max(time_ns, known.last_ns) if known else time_ns,
    }
    if known is not None:
        transaction.change(
            "UPDATE sessions SET user_id = :user, device = :device, attributes = :attributes, from_ns = :first, "
            "last_ns = :last WHERE sid = :sid",
            **row,
        )
        return
    transaction.change(
        "INSERT INTO sessions (sid, app, session, user_id, device, attributes, from_ns, last_ns) "
        "VALUES (:sid, :app, :session, :user, :device, :attributes, :first, :last)",
        app=app, session=session.encode("utf-8", "surrogatepass"), **row,
    )  # fmt: skip


def known_session(transaction: Transaction, app: str, session: str) -> KnownSession | None:
    return known_sessions(transaction, app, [session]).get(session)


def known_sessions(transaction: Transaction, app: str, sessions: Iterable[str]) -> dict[str, KnownSession]:
    """Those of `sessions` that something was told of, by name."""
    sql = "SELECT session, user_id, device, attributes, from_ns, last_ns FROM sessions WHERE sid IN"
    found = [
        KnownSession(
            _text(name), _text(user), _text(device), msgspec.json.decode(bytes(attributes)), int(from_ns), int(last_ns)
        )
        for name, user, device, attributes, from_ns, last_ns in transaction.rows_in(
            sql, sorted({sid_of(app, session) for session in sessions})
        )
    ]
    return {one.session: one for one in found}
