"""Room for devices that tell of themselves for the first time: those of an app that are silent for longest make it.

Refusing new ones instead would let whoever has a write key, which stands in every app, lock out all real devices until
somebody clears up; a real device that had to go is there again with the next thing it tells.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from logkeep.metastore import devices
from logkeep.metastore.applied import ReceivedNotice
from logkeep.metastore.database import Transaction, bump
from logkeep.telemetry import get_logger

SLACK_PARTS = 100  # of the bound: so much goes on top, so that rows are counted now and then and not with each batch
AT_ONCE_MAX = 5_000  # of one transaction: a second; what is left goes with the next batch

log = get_logger("devices")


class DeviceRoom:
    """For the thread that applies notices."""

    def __init__(self, devices_max: int) -> None:
        """devices_max: of each app; 0: no bound. Processors beside this one may pass it by what they add between two
        counts of their own, a hundredth each."""
        self._max = devices_max
        self._left: dict[str, int] = {}  # app → how many may come yet until it is counted again

    def make(self, transaction: Transaction, told: Sequence[ReceivedNotice]) -> int:
        """How many devices had to go, so that those that `told` has can come. Call it before they are registered."""
        if not self._max:
            return 0
        bump(transaction, devices.TOPIC)
        ids = {devices.id_of(one.app, "device", one.notice.device): one.app for one in told}
        known = {str(row[0]) for row in transaction.rows_in("SELECT id FROM devices WHERE id IN", sorted(ids))}
        fresh = Counter(app for place, app in ids.items() if place not in known)
        gone = 0
        for app, count in sorted(fresh.items()):
            if self._left.get(app, 0) < count:
                gone += self._make(transaction, app, count, ids)
            else:
                self._left[app] -= count
        return gone

    def _make(self, transaction: Transaction, app: str, fresh: int, told: Mapping[str, str]) -> int:
        present = int(transaction.rows("SELECT COUNT(*) FROM devices WHERE app = :app", app=app)[0][0])
        slack = max(1, self._max // SLACK_PARTS)
        surplus = present + fresh - self._max
        self._left[app] = min(slack, max(0, -surplus))
        if surplus <= 0:
            return 0
        wanted = min(surplus + slack, AT_ONCE_MAX)
        rows = transaction.rows(
            "SELECT id FROM devices WHERE app = :app ORDER BY last_ns, id LIMIT :limit",
            app=app, limit=wanted + len(told),
        )  # fmt: skip
        oldest = [str(place) for (place,) in rows if str(place) not in told][:wanted]
        removed = devices.remove(transaction, oldest)
        self._left[app] = max(0, removed - surplus)
        log.warning("devices that told nothing for longest make room for new ones", app=app, count=removed)
        return removed
