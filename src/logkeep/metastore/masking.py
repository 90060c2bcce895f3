"""Masking rules of apps; known in memory, also while the database is away."""

from contextlib import suppress

import msgspec

from logkeep.clock import Clock
from logkeep.errors import LogkeepError
from logkeep.masking.rules import DEFAULT, Rules
from logkeep.metastore.database import Database, Transaction, bump, change_of
from logkeep.metastore.watched import Watched

TOPIC = "masking"


class _Known(msgspec.Struct, frozen=True):
    change: int
    rules: dict[str, Rules]


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
        return known.rules.get(app, DEFAULT) if known is not None else DEFAULT

    def stored(self, app: str) -> Rules:
        """As the database has them now. Raises BackendUnavailable."""
        return self._watched.look().rules.get(app, DEFAULT)

    def put(self, app: str, rules: Rules) -> None:
        """They are kept, durably. Raises BackendUnavailable."""
        body = msgspec.json.encode(rules)

        def change(transaction: Transaction) -> None:
            bump(transaction, TOPIC)
            if not transaction.change("UPDATE masking SET body = :body WHERE app = :app", app=app, body=body):
                transaction.change("INSERT INTO masking (app, body) VALUES (:app, :body)", app=app, body=body)

        self._database.write(change)
        self._watched.look()

    def _look(self, known: _Known | None) -> _Known:
        def read(transaction: Transaction) -> _Known:
            change = change_of(transaction, TOPIC)
            if known is not None and known.change == change:
                return known
            rows = transaction.rows("SELECT app, body FROM masking")
            return _Known(change, {str(app): msgspec.json.decode(bytes(body), type=Rules) for app, body in rows})

        return self._database.read(read)
