"""The audit log: who did what, where, when. Rows are added and never changed; each holds the hash of the one before.

A row that was changed, taken out or put in between breaks the chain, and `verify` says where. The table audit_begin
has number and hash of the last row that was pruned, so that the oldest ones cannot go unseen either. That somebody cut
off the end, or made a whole chain anew, shows only against a hash that was written down elsewhere: `verify` tells the
last. No row holds a secret.
"""

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from logkeep.clock import NS_PER_DAY, Clock
from logkeep.metastore.database import Database, Transaction, bump

TOPIC = "audit"
PAGE_MAX = 1000
TARGET_CHARS_MAX = 300
TEXT_CHARS_MAX = 65_536  # as long as an address may be: a query is kept whole
PRUNED_AT_ONCE = 10_000
NO_END_NS = 1 << 62
FIRST = "0" * 64  # what the first row has for the hash of the one before
MISSING = "audit.missing"  # told by pruning, which would else cover the traces
_COLUMNS = "number, id, made_ns, team, app, who, who_name, what, target, ip, detail, previous, hash"
_encode = msgspec.json.Encoder(order="sorted").encode


class Actor(msgspec.Struct, frozen=True):
    """Whoever does something. id: of a person or token; "" for nobody known, `console` for the command line."""

    id: str
    name: str
    ip: str = ""


CONSOLE = Actor("console", "logkeep admin")


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was done. what: `noun.verb`. team, app: "" where it concerns none. target: what it was done to."""

    by: Actor
    what: str
    made_ns: int
    team: str = ""
    app: str = ""
    target: str = ""
    detail: Mapping[str, Any] = {}
    id: str = msgspec.field(default_factory=lambda: f"aud_{secrets.token_hex(8)}")


def with_detail(entry: Entry, **more: Any) -> Entry:
    """The same entry, which tells more: what only the transaction knows that changes it."""
    return msgspec.structs.replace(entry, detail={**entry.detail, **more})


class AuditRow(msgspec.Struct, frozen=True):
    """An entry as it is kept. number: from 1, without gaps."""

    number: int
    id: str
    made_ns: int
    team: str
    app: str
    who: str
    who_name: str
    what: str
    target: str
    ip: str
    detail: bytes
    previous: str
    hash: str

    def expected_hash(self) -> str:
        content = msgspec.structs.astuple(self)[:-1]
        texts = [one.decode("utf-8", "backslashreplace") if isinstance(one, bytes) else one for one in content]
        return hashlib.sha256(_encode(texts)).hexdigest()

    def is_changed(self) -> bool:
        """It is not as it was written. What tells only together with its neighbours is for `verify`."""
        return self.hash != self.expected_hash()


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which rows to list, newest first. teams: of these. before: with lower numbers than this one; 0: from the newest.

    members_of: also entries of no team, such as sign-ins, about who is a member of this one now, or by one of them and
    about nobody; "" for none. apps: of these alone, None for all. Texts of "" match all; from 0 to NO_END_NS is every
    time, also one that is none.
    """

    teams: tuple[str, ...]
    members_of: str = ""
    apps: tuple[str, ...] | None = None
    who: str = ""
    what: str = ""
    from_ns: int = 0
    to_ns: int = NO_END_NS
    before: int = 0
    limit: int = 100


class Verified(msgspec.Struct, frozen=True):
    """rows: looked at, all of them. broken: the number of the first row that does not fit, 0 for none; count: how many
    do not. head: the last hash."""

    rows: int
    broken: int
    count: int
    head: str


def record(transaction: Transaction, entries: Sequence[Entry]) -> None:
    """Adds them to the log, as a part of this transaction. Others who add wait from here until it ends."""
    if not entries:
        return
    bump(transaction, TOPIC)
    if transaction.rows("SELECT 1 FROM audit WHERE id = :id", id=entries[0].id):
        return  # this transaction was done before, and its answer was lost
    before, previous = _end(transaction) or _begin(transaction)
    added = []
    for number, entry in enumerate(entries, before + 1):
        row = _row(number, entry, previous)
        previous = row.hash
        added.append(msgspec.structs.asdict(row))
    values = ", ".join(f":{name}" for name in _COLUMNS.split(", "))
    transaction.change_many(f"INSERT INTO audit ({_COLUMNS}) VALUES ({values})", added)  # noqa: S608


def _row(number: int, entry: Entry, previous: str) -> AuditRow:
    row = AuditRow(
        number=number,
        id=entry.id,
        made_ns=entry.made_ns,
        team=entry.team,
        app=entry.app,
        who=entry.by.id,
        who_name=_text(entry.by.name, 254),
        what=entry.what,
        target=_text(entry.target, TARGET_CHARS_MAX),
        ip=_text(entry.by.ip, 64),
        detail=_encode({name: _value(value) for name, value in entry.detail.items()}),
        previous=previous,
        hash="",
    )
    return msgspec.structs.replace(row, hash=row.expected_hash())


def _value(value: Any) -> Any:
    return _text(value, TEXT_CHARS_MAX) if isinstance(value, str) else value


def _text(text: str, chars_max: int) -> str:
    """What every database can keep."""
    clean = text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")
    return clean if len(clean) <= chars_max else clean[: chars_max - 1] + "…"


class Audit:
    """The log. Raises BackendUnavailable."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    def add(self, entries: Sequence[Entry]) -> None:
        """They are kept, durably, in this order."""
        self._database.write(lambda transaction: record(transaction, entries))

    def list(self, wanted: Wanted) -> list[AuditRow]:
        """Newest first."""
        teams = {f"team{index}": team for index, team in enumerate(wanted.teams)}
        parts = [(f"team IN ({', '.join(f':{name}' for name in teams)})", teams)] if teams else []
        if wanted.members_of and wanted.apps is None:
            parts.append((_OF_MEMBERS, {"team": wanted.members_of}))
        if wanted.apps == ():
            return []

        def look(transaction: Transaction) -> list[AuditRow]:
            found = []
            for part, values in parts:  # each by its index, newest first
                sql, more = _select(wanted, part)
                found += [_kept(row) for row in transaction.rows(sql, **values, **more)]
            return sorted(found, key=lambda row: -row.number)[: wanted.limit]

        return self._database.read(look)

    def verify(self) -> Verified:
        """Looks at the whole chain, also behind a row that does not fit."""
        number, previous, rows, broken = 0, FIRST, 0, list[int]()
        while True:
            begin, page = self._after(number)
            if begin[0] > number:
                number, previous = begin
            before = number
            for row in page:
                fits = row.number == number + 1 and row.previous == previous and row.what != MISSING
                if not fits or row.is_changed():
                    broken.append(row.number)
                number, previous, rows = max(number, row.number), row.hash, rows + 1
            if len(page) < PAGE_MAX or number == before:
                return Verified(rows, broken[0] if broken else 0, len(broken), previous if rows else "")

    def prune(self, days: int) -> int:
        """How many rows were older than `days` and are gone now. What is left is a chain still, and where it begins is
        known; rows before them that had gone in another way are told of in the log itself."""
        before_ns, missing = self._clock.now_ns() - days * NS_PER_DAY, self._missing()

        def delete(transaction: Transaction) -> int:
            bump(transaction, TOPIC)
            last = _last_of(transaction, before_ns)
            if last is None:
                return 0
            begin, first = _begin(transaction), transaction.rows(f"{_PLACES} ORDER BY number LIMIT 1")[0]
            if (int(first[0]) - 1, first[1]) != begin:
                told = {"after": begin[0], "before": int(first[0])}
                record(transaction, [msgspec.structs.replace(missing, detail=told)])
            transaction.change("DELETE FROM audit_begin")
            transaction.change(
                "INSERT INTO audit_begin (number, hash) VALUES (:number, :hash)", number=last[0], hash=last[1]
            )
            return transaction.change("DELETE FROM audit WHERE number <= :until", until=last[0])

        return self._database.write(delete)

    def _missing(self) -> Entry:
        return Entry(by=Actor("", "the service"), what=MISSING, made_ns=self._clock.now_ns())

    def _after(self, number: int) -> tuple[tuple[int, str], Sequence[AuditRow]]:
        """Where the log begins, and a page of what is behind this number, both of the same moment."""
        sql = f"SELECT {_COLUMNS} FROM audit WHERE number > :number ORDER BY number LIMIT {PAGE_MAX}"  # noqa: S608
        return self._database.read(
            lambda transaction: (_begin(transaction), [_kept(row) for row in transaction.rows(sql, number=number)])
        )


_PLACES = "SELECT number, previous, hash FROM audit"


def _begin(transaction: Transaction) -> tuple[int, str]:
    """Number and hash of the last row that was pruned; of what stands before the first, when none was."""
    found = transaction.rows("SELECT number, hash FROM audit_begin")
    return (int(found[0][0]), str(found[0][1])) if found else (0, FIRST)


def _end(transaction: Transaction) -> tuple[int, str] | None:
    last = transaction.rows(f"{_PLACES} ORDER BY number DESC LIMIT 1")
    return (int(last[0][0]), str(last[0][2])) if last else None


def _last_of(transaction: Transaction, before_ns: int) -> tuple[int, str] | None:
    """Number and hash of the last row that may go: from the beginning on, without gaps, for clocks may have gone back
    in between."""
    sql = f"SELECT number FROM audit WHERE made_ns < :before ORDER BY number LIMIT {PRUNED_AT_ONCE}"  # noqa: S608
    if not (old := transaction.rows(sql, before=before_ns)):
        return None
    young = transaction.rows("SELECT MIN(number) FROM audit WHERE made_ns >= :before", before=before_ns)[0][0]
    until = min([int(old[-1][0])] + ([int(young) - 1] if young is not None else []))
    last = transaction.rows(f"{_PLACES} WHERE number <= :until ORDER BY number DESC LIMIT 1", until=until)
    return (int(last[0][0]), str(last[0][2])) if last else None


def _kept(row: Sequence[Any]) -> AuditRow:
    """Whatever somebody has put in there: a value of another type than was written is read as one of the right type, so
    that such a row can be shown and found to be changed."""
    number, id, made_ns, *middle, detail, previous, hash = row
    team, app, who, who_name, what, target, ip = map(_kept_text, middle)
    return AuditRow(
        number=_kept_number(number),
        id=_kept_text(id),
        made_ns=_kept_number(made_ns),
        team=team,
        app=app,
        who=who,
        who_name=who_name,
        what=what,
        target=target,
        ip=ip,
        detail=bytes(detail) if isinstance(detail, bytes | memoryview) else str(detail).encode("utf-8", "replace"),
        previous=_kept_text(previous),
        hash=_kept_text(hash),
    )


def _kept_text(value: Any) -> str:
    return bytes(value).decode("utf-8", "backslashreplace") if isinstance(value, bytes | memoryview) else str(value)


def _kept_number(value: Any) -> int:
    return value if isinstance(value, int) else 0


_MEMBERS = "FROM memberships m JOIN people p ON p.id = m.person WHERE m.team = :team"
# What is done to a person is of those alone, whoever did it: an owner of the installation is a member here perhaps, and
# those they disable are not. Of who tried to sign in nothing but the address is known.
_OF_MEMBERS = (
    f"team = '' AND (target IN (SELECT p.id {_MEMBERS}) "
    f"OR (target NOT LIKE 'per!_%' ESCAPE '!' AND who IN (SELECT p.id {_MEMBERS})) "
    f"OR (who = '' AND who_name IN (SELECT p.email {_MEMBERS})))"
)


def _select(wanted: Wanted, part: str) -> tuple[str, dict[str, Any]]:
    values: dict[str, Any] = {"limit": wanted.limit}
    where = [part]
    if wanted.from_ns > 0:
        where.append("made_ns >= :from_ns")
        values["from_ns"] = wanted.from_ns
    if wanted.to_ns < NO_END_NS:  # without an end also what somebody gave a time that is no number
        where.append("made_ns < :to_ns")
        values["to_ns"] = wanted.to_ns
    if wanted.apps is not None:
        apps = {f"app{index}": app for index, app in enumerate(wanted.apps)}
        values |= apps
        where.append(f"app IN ({', '.join(f':{name}' for name in apps)})")
    for column in ("who", "what"):
        if given := getattr(wanted, column):
            where.append(f"{column} = :{column}")
            values[column] = given
    if wanted.before:
        where.append("number < :before")
        values["before"] = wanted.before
    sql = f"SELECT {_COLUMNS} FROM audit WHERE {' AND '.join(where)} ORDER BY number DESC LIMIT :limit"  # noqa: S608
    return sql, values
