"""Masking rules of apps; known in memory, also while the database is away."""

from collections.abc import Sequence
from contextlib import suppress

import msgspec

from logkeep.clock import Clock
from logkeep.errors import LogkeepError
from logkeep.masking.rules import DEFAULT, Rules
from logkeep.metastore.audit import Entry, record
from logkeep.metastore.database import Database, Transaction, bump, change_of
from logkeep.metastore.watched import Watched
from logkeep.metastore.writing import refuse_overtaken

TOPIC = "masking"


class Kept(msgspec.Struct, frozen=True):
    """version: 0 where nothing was ever set; counts up with every change."""

    rules: Rules = DEFAULT
    version: int = 0


class _Known(msgspec.Struct, frozen=True):
    change: int
    kept: dict[str, Kept]


class MaskingRules:
    """`open` makes it look; what another instance changes counts within `refresh_s`."""

    def __init__(self, database: Database, clock: Clock, *, refresh_s: float) -> None:
        self._database = database
        self._watched = Watched("masking", self._look, clock, refresh_s=refresh_s)

    def open(self) -> "MaskingRules":
        """Raises nothing: until the database answers, the default counts."""
        with suppress(LogkeepError):
            self._watched.look()
        self._watched.start()
        return self

    def close(self) -> None:
        self._watched.close()

    def of(self, app: str) -> Rules:
        """From memory; the default where nothing was set."""
        known = self._watched.value
        return known.kept[app].rules if known is not None and app in known.kept else DEFAULT

    def stored(self, app: str) -> Kept:
        """As the database has them now. Raises BackendUnavailable."""
        return self._watched.look().kept.get(app, Kept())

    def put(
        self, app: str, rules: Rules, *, version: int | None = None, entries: Sequence[Entry] = ()
    ) -> Kept:  # fmt: skip
        """As they are kept now, durably. entries: what the audit log is told with it.

        version: of what was seen when they were changed, None: whatever it is. Raises InputError (409: somebody else
        was first), BackendUnavailable.
        """
        body = msgspec.json.encode(rules)

        def change(transaction: Transaction) -> Kept:
            bump(transaction, TOPIC)
            found = transaction.rows("SELECT version FROM masking WHERE app = :app", app=app)
            present = int(found[0][0]) if found else 0
            refuse_overtaken("the masking rules", present, version)
            sql = (
                "UPDATE masking SET body = :body, version = :version WHERE app = :app"
                if found
                else "INSERT INTO masking (app, body, version) VALUES (:app, :body, :version)"
            )
            transaction.change(sql, app=app, body=body, version=present + 1)
            record(transaction, entries)
            return Kept(rules, present + 1)

        kept = self._database.write(change)
        self._watched.look()
        return kept

    def _look(self, known: _Known | None) -> _Known:
        def read(transaction: Transaction) -> _Known:
            change = change_of(transaction, TOPIC)
            if known is not None and known.change == change:
                return known
            rows = transaction.rows("SELECT app, body, version FROM masking")
            return _Known(
                change,
                {
                    str(app): Kept(msgspec.json.decode(bytes(body), type=Rules), int(version))
                    for app, body, version in rows
                },
            )

        return self._database.read(read)
