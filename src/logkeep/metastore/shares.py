"""Links that show a session or an event to whoever has them, for a time. Only a hash of each is kept.

What is shown is read from the store when the link is opened: a share of events that were erased, or that are older than
what is kept, leads to nothing. An erasure takes those of the sessions it names: their names stand here.
"""

import re
import secrets
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from logkeep.clock import NS_PER_S, Clock
from logkeep.errors import InputError
from logkeep.metastore.accounts import sha256_of
from logkeep.metastore.audit import Entry, record
from logkeep.metastore.database import Database, Transaction
from logkeep.metastore.erasures import Erasure
from logkeep.metastore.roles import ROLE_SCOPES
from logkeep.query.named import named_whole
from logkeep.query.parser import parse

MAKER_SCOPE = "edit"  # in the app: whoever makes, lists or ends links needs it
SHARES_MAX = 500  # of one app, in force: a list that people look through
SECRET_CHARS_MAX = 100
_ID = re.compile(r"shr_[0-9a-f]{16}")
_COLUMNS = "share, app, made_ns, expires_ns, body"


class Shared(msgspec.Struct, frozen=True, kw_only=True):
    """What a link shows: one event, or the events of a session with from_ns <= time < to_ns.

    received_ns: none that was received later; 0 in links of before, which show what was received until they were made.
    redact: as api/redaction.py does it, with pseudonyms that `salt` makes. made_by: name of a credential, for
    colleagues. shown_by: a person's own name, for whoever opens it; "" where there is none. maker: id of the person
    who made it, by a sign-in or a token of theirs; "" for others: those end by themselves or by hand alone.
    """

    session: str = ""
    event: str = ""
    from_ns: int
    to_ns: int
    received_ns: int = 0
    redact: bool
    salt: str
    made_by: str
    shown_by: str
    maker: str = ""


class Share(msgspec.Struct, frozen=True):
    """expires_ns: ns UTC; from then on there is no such share. paused: for now its link shows nothing, because whoever
    made it is disabled or has no MAKER_SCOPE in the app."""

    share: str
    app: str
    made_ns: int
    expires_ns: int
    shared: Shared
    paused: bool = False


class Shares:
    """Of all apps, shared by all instances. Raises BackendUnavailable."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    def make(
        self, app: str, shared: Shared, *, valid_s: int, entry: Callable[[Share], Entry]
    ) -> tuple[Share, str]:  # fmt: skip
        """The share, durable, and the secret of its link, which nobody can find again.

        entry: what the audit log is told with it. Raises InputError (409): SHARES_MAX of the app are in force.
        """
        secret, now_ns = secrets.token_urlsafe(32), self._clock.now_ns()
        made = Share(f"shr_{secrets.token_hex(8)}", app, now_ns, now_ns + valid_s * NS_PER_S, shared)
        told = [entry(made)]

        def insert(transaction: Transaction) -> None:
            if transaction.rows("SELECT 1 FROM shares WHERE share = :share", share=made.share):
                return  # done by a try whose answer was lost
            in_force = "SELECT COUNT(*) FROM shares WHERE app = :app AND expires_ns > :now"
            count = transaction.rows(in_force, app=app, now=now_ns)[0][0]
            if count >= SHARES_MAX:
                raise InputError(
                    f"{count:,} links show something of this app, and {SHARES_MAX:,} are the most; end some",
                    code="conflict",
                    status=409,
                )
            transaction.change(
                "INSERT INTO shares (share, sha256, app, made_ns, expires_ns, body) "
                "VALUES (:share, :sha256, :app, :made, :expires, :body)",
                share=made.share, sha256=sha256_of(secret), app=app, made=now_ns, expires=made.expires_ns,
                body=msgspec.json.encode(shared),
            )  # fmt: skip
            record(transaction, told)

        self._database.write(insert)
        return made, secret

    def of_app(self, app: str) -> list[Share]:
        """Those in force, newest first; paused ones too."""
        sql = f"SELECT {_COLUMNS} FROM shares WHERE app = :app AND expires_ns > :now"  # noqa: S608
        now_ns = self._clock.now_ns()

        def look(transaction: Transaction) -> list[Share]:
            shares = list(map(_read, transaction.rows(sql, app=app, now=now_ns)))
            makers = {share.shared.maker for share in shares}
            showing = {maker for maker in makers if _may_show(transaction, app, maker)}
            return [msgspec.structs.replace(share, paused=share.shared.maker not in showing) for share in shares]

        found = self._database.read(look)
        return sorted(found, key=lambda share: (-share.made_ns, share.share))

    def opened_by(self, secret: str) -> Share | None:
        """What the link with this secret shows; None where it never was one, has expired, or was ended.

        None too for as long as whoever made it is disabled or has no MAKER_SCOPE in the app, and for ever once they
        have left the team. Looked up by its hash: the time it takes tells nothing of a secret that is nearly right.
        """
        if not 0 < len(secret) <= SECRET_CHARS_MAX:
            return None
        sql = f"SELECT {_COLUMNS} FROM shares WHERE sha256 = :sha256 AND expires_ns > :now"  # noqa: S608
        sha256, now_ns = sha256_of(secret), self._clock.now_ns()

        def look(transaction: Transaction) -> Share | None:
            rows = transaction.rows(sql, sha256=sha256, now=now_ns)
            share = _read(rows[0]) if rows else None
            return share if share is not None and _may_show(transaction, share.app, share.shared.maker) else None

        return self._database.read(look)

    def is_kept(self, secret: str) -> bool:
        """Whether this is the secret of a link in force, paused or not: whoever has it does not guess."""
        sql = "SELECT 1 FROM shares WHERE sha256 = :sha256 AND expires_ns > :now"
        sha256, now_ns = sha256_of(secret[:SECRET_CHARS_MAX]), self._clock.now_ns()
        return bool(self._database.read(lambda transaction: transaction.rows(sql, sha256=sha256, now=now_ns)))

    def revoke(self, app: str, share: str, *, entry: Entry) -> None:
        """Its link shows nothing any more. Raises InputError (404): there is none in force."""
        now_ns = self._clock.now_ns()

        def delete(transaction: Transaction) -> bool:
            sql = "DELETE FROM shares WHERE app = :app AND share = :share AND expires_ns > :now"
            found = transaction.change(sql, app=app, share=share, now=now_ns) > 0
            record(transaction, [entry] if found else [])
            return found

        if not _ID.fullmatch(share) or not self._database.write(delete):
            raise InputError(
                f"there is no link {share[:80]!r} in force; it has ended already", code="not_found", status=404
            )


def drop_expired(transaction: Transaction, now_ns: int) -> None:
    transaction.change("DELETE FROM shares WHERE expires_ns <= :now", now=now_ns)


def end_of_maker(transaction: Transaction, team: str, person: str) -> int:
    """Links of this person on apps of the team are gone; how many."""
    sql = f"SELECT {_COLUMNS} FROM shares WHERE app IN (SELECT name FROM apps WHERE team = :team)"  # noqa: S608
    gone = [share for share in map(_read, transaction.rows(sql, team=team)) if share.shared.maker == person]
    transaction.change_many("DELETE FROM shares WHERE share = :share", [{"share": one.share} for one in gone])
    return len(gone)


def _may_show(transaction: Transaction, app: str, maker: str) -> bool:
    """Whether `maker` may make one of this app now: who is disabled, or only reads there, may not."""
    if not maker:
        return True
    sql = (
        "SELECT COALESCE(r.role, m.role) FROM people p JOIN memberships m ON m.person = p.id "
        "JOIN apps a ON a.team = m.team LEFT JOIN app_roles r ON r.app = a.name AND r.person = p.id "
        "WHERE p.id = :maker AND p.disabled_ns = 0 AND a.name = :app"
    )
    roles = transaction.rows(sql, maker=maker, app=app)
    return any(MAKER_SCOPE in ROLE_SCOPES[str(role)] for (role,) in roles)


class ShareEraser:
    """A row of what an erasure covers beside the store. Raises BackendUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def remove(self, job: Erasure, *, dry: bool) -> dict[str, int]:
        """How many links are on the sessions that are named; gone unless `dry`. Again: no harm."""
        sessions = named_whole(parse(job.query)).get("session", set())

        def gone(transaction: Transaction) -> int:
            rows = transaction.rows(f"SELECT {_COLUMNS} FROM shares WHERE app = :app", app=job.app)  # noqa: S608
            found = [share for share in map(_read, rows) if share.shared.session in sessions]
            if found and not dry:
                sql = "DELETE FROM shares WHERE share = :share"
                transaction.change_many(sql, [{"share": one.share} for one in found])
            return len(found)

        if not sessions:
            return {"shares": 0}
        count = self._database.read(gone) if dry else self._database.write(gone)
        if count and not dry:
            self._database.scrub()
        return {"shares": count}


def _read(row: Sequence[Any]) -> Share:
    share, app, made_ns, expires_ns, body = row
    return Share(
        str(share), str(app), int(made_ns), int(expires_ns), msgspec.json.decode(bytes(body), type=Shared)
    )  # fmt: skip
