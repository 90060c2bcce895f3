"""The rules of remote control as they are known in memory: all that a receiver needs of them."""

from collections.abc import Sequence
from typing import Any

import msgspec

from logkeep.clock import Clock
from logkeep.errors import BackendUnavailable
from logkeep.metastore.configuration import Configurations, Rule
from logkeep.metastore.database import Database, Transaction, change_of
from logkeep.metastore.watched import Watched
from logkeep.settings import MetastoreSettings
from logkeep.telemetry import get_logger

TOPIC = "remote"

log = get_logger("remote")


class KnownRules:
    """Looked at again every `refresh_s`, when they have changed; while the database is away they go on as known."""

    def __init__(self, database: Database, clock: Clock, *, refresh_s: float) -> None:
        """`open` before `configurations` is asked."""
        self._database, self._clock = database, clock
        self._watched = Watched("remote", self._look, clock, refresh_s=refresh_s)

    def open(self) -> "KnownRules":
        """Rules are known, and looked at from now on. While the database is away none are known yet."""
        try:
            self._watched.look()
        except BackendUnavailable as error:
            log.warning("the metastore does not answer; remote control waits for it", error=error.message)
        self._watched.start()
        return self

    def close(self) -> None:
        self._watched.close()

    def look(self) -> Configurations:
        """As they are now. Raises BackendUnavailable."""
        return self._watched.look()

    def configurations(self) -> Configurations | None:
        """From memory; never raises. None: they were never read."""
        return self._watched.value

    def _look(self, known: Configurations | None) -> Configurations:
        now_ns = self._clock.now_ns()
        return self._database.read(lambda transaction: _configurations(transaction, known, now_ns))


def open_known_rules(settings: MetastoreSettings, database: Database, clock: Clock) -> KnownRules:
    return KnownRules(database, clock, refresh_s=settings.refresh_s).open()


def rules_in(rows: Sequence[Sequence[Any]]) -> list[Rule]:
    """Rows of bodies."""
    return [msgspec.json.decode(bytes(body), type=Rule) for (body,) in rows]


def _configurations(transaction: Transaction, known: Configurations | None, now_ns: int) -> Configurations:
    change = change_of(transaction, TOPIC)
    if known is not None and known.change == change:
        return known
    rules = rules_in(
        transaction.rows("SELECT body FROM remote_rules WHERE until_ns > :now ORDER BY until_ns", now=now_ns)
    )
    matched: dict[str, list[str]] = {}
    for name, device in transaction.rows(
        "SELECT rule, device FROM remote_matches WHERE rule IN (SELECT rule FROM remote_rules WHERE until_ns > :now)",
        now=now_ns,
    ):
        matched.setdefault(str(name), []).append(bytes(device).decode("utf-8", "surrogatepass"))
    return Configurations([(rule, matched.get(rule.rule, ())) for rule in rules], change)
