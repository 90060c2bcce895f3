"""Saved searches: what people of an app look for again, shared by all who may read it."""

import re
import secrets
from collections.abc import Sequence

import msgspec

from logkeep.clock import Clock
from logkeep.errors import InputError
from logkeep.metastore.audit import Entry, record, with_detail
from logkeep.metastore.database import Database, Transaction

SEARCHES_MAX = 500  # of one app: a list that people look through
NAME_CHARS_MAX = 120
_ID = re.compile(r"sea_[0-9a-f]{16}")


class SearchState(msgspec.Struct, frozen=True, omit_defaults=True, rename={"from_": "from"}):
    """What is looked for: the members of a search page's address. from, to: as they were written, relative or not.

    widths: of columns, by field, in characters; those that are not here are as wide as the reader's browser has them.
    """

    query: str = ""
    from_: str = ""
    to: str = ""
    order: str = "desc"
    columns: list[str] = []
    widths: dict[str, int] = {}


class SavedSearch(msgspec.Struct, frozen=True, kw_only=True):
    """version: one more with each change. saved_by: name of a credential. saved_ns: of the last change, ns UTC."""

    id: str
    app: str
    name: str
    state: SearchState
    version: int
    saved_by: str
    saved_ns: int


class _Body(msgspec.Struct, frozen=True):
    state: SearchState
    saved_by: str
    saved_ns: int


class Searches:
    """Of all apps, shared by all instances. Raises BackendUnavailable, and InputError: 404 unknown, 409 in the way."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    def of_app(self, app: str) -> list[SavedSearch]:
        """By name."""
        sql = "SELECT id, app, name, version, body FROM searches WHERE app = :app"
        found = self._database.read(lambda transaction: transaction.rows(sql, app=app))
        return sorted(map(_read, found), key=lambda search: (search.name.casefold(), search.id))

    def add(self, app: str, name: str, state: SearchState, by: str, *, entries: Sequence[Entry] = ()) -> SavedSearch:
        """It is kept, durably. entries: for the audit log; their target is its id."""
        search = SavedSearch(
            id=f"sea_{secrets.token_hex(8)}", app=app, name=name, state=state, version=1, saved_by=by,
            saved_ns=self._clock.now_ns(),
        )  # fmt: skip
        told = [msgspec.structs.replace(entry, target=search.id) for entry in entries]

        def insert(transaction: Transaction) -> None:
            if _find(transaction, app, search.id) is not None:
                return  # done by a try whose answer was lost
            _refuse_taken(transaction, app, name, "")
            count = transaction.rows("SELECT COUNT(*) FROM searches WHERE app = :app", app=app)[0][0]
            if count >= SEARCHES_MAX:
                raise _in_the_way(f"{count:,} searches are saved, and {SEARCHES_MAX:,} are the most; delete some")
            transaction.change(
                "INSERT INTO searches (id, app, name, version, body) VALUES (:id, :app, :name, :version, :body)",
                id=search.id, app=app, name=name, version=1, body=_body(search),
            )  # fmt: skip
            record(transaction, told)

        self._database.write(insert)
        return search

    def change(
        self,
        app: str,
        id: str,
        *,
        version: int,
        by: str,
        name: str | None = None,
        state: SearchState | None = None,
        entries: Sequence[Entry] = (),
    ) -> SavedSearch:
        """It has this name or state, durably, if nobody has changed it since `version`."""

        def replace(transaction: Transaction) -> SavedSearch:
            found = _find(transaction, app, id)
            if found is None:
                raise _unknown(id)
            if found.version != version:
                raise _in_the_way(f"{found.saved_by} has changed it meanwhile; load it again")
            changed = msgspec.structs.replace(
                found, name=name or found.name, state=state or found.state, version=version + 1, saved_by=by,
                saved_ns=self._clock.now_ns(),
            )  # fmt: skip
            _refuse_taken(transaction, app, changed.name, id)
            sql = (
                "UPDATE searches SET name = :name, version = :next, body = :body WHERE id = :id AND version = :version"
            )
            if not transaction.change(
                sql, name=changed.name, next=version + 1, body=_body(changed), id=id, version=version
            ):
                raise _in_the_way("somebody has changed it meanwhile; load it again")
            record(transaction, entries)
            return changed

        return self._database.write(replace)

    def remove(self, app: str, id: str, *, entries: Sequence[Entry] = ()) -> None:
        """entries: for the audit log, which is told its name with them."""

        def delete(transaction: Transaction) -> bool:
            found = _find(transaction, app, id)
            if found is None:
                return False
            transaction.change("DELETE FROM searches WHERE app = :app AND id = :id", app=app, id=id)
            record(transaction, [with_detail(entry, name=found.name) for entry in entries])
            return True

        if not self._database.write(delete):
            raise _unknown(id)


def _find(transaction: Transaction, app: str, id: str) -> SavedSearch | None:
    if not _ID.fullmatch(id):
        return None
    sql = "SELECT id, app, name, version, body FROM searches WHERE app = :app AND id = :id"
    rows = transaction.rows(sql, app=app, id=id)
    return _read(rows[0]) if rows else None


def _read(row: Sequence[object]) -> SavedSearch:
    id, app, name, version, packed = row
    body = msgspec.json.decode(bytes(packed), type=_Body)  # type: ignore[call-overload]
    return SavedSearch(
        id=str(id), app=str(app), name=str(name), state=body.state, version=int(str(version)), saved_by=body.saved_by,
        saved_ns=body.saved_ns,
    )  # fmt: skip


def _body(search: SavedSearch) -> bytes:
    return msgspec.json.encode(_Body(search.state, search.saved_by, search.saved_ns))


def _refuse_taken(transaction: Transaction, app: str, name: str, but: str) -> None:
    sql = "SELECT id FROM searches WHERE app = :app AND name = :name AND id <> :but"
    if transaction.rows(sql, app=app, name=name, but=but):
        raise _in_the_way(f"a search is saved as {name[:80]!r} already; choose another name, or change that one")


def _in_the_way(message: str) -> InputError:
    return InputError(message, code="conflict", status=409)


def _unknown(id: str) -> InputError:
    return InputError(f"there is no saved search {id[:80]!r}; it may have been deleted", code="not_found", status=404)
