"""The API over a store in memory, for tests that ask it as a client or look at its pages."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import uvicorn
from litestar import Litestar
from tests.metastore import new_metastore

from logkeep.api.app import create_api
from logkeep.api.backend import Backend, Ledger
from logkeep.api.serving import Server
from logkeep.clock import NS_PER_MS, ManualClock
from logkeep.errors import BackendUnavailable
from logkeep.event import Event
from logkeep.feed.hub import Hub
from logkeep.feed.polling import PollingFeed
from logkeep.metastore.accounts import sha256_of
from logkeep.metastore.devices import Devices
from logkeep.metastore.erasures import Erasures
from logkeep.metastore.issue_rows import Issues
from logkeep.metastore.port import Credential
from logkeep.metastore.remote import Remote
from logkeep.metastore.sign_ins import SignIns
from logkeep.metastore.statistics import read as read_statistics
from logkeep.metastore.told import Told
from logkeep.settings import Settings
from logkeep.store.memory import MemoryStore
from logkeep.store.port import Batch, Store
from logkeep.telemetry import Telemetry

NOW_NS = 1_785_578_400_000_000_000  # 2026-08-01T10:00:00Z
READ_TOKEN = "lkr_a-token-that-reads"
ADMIN_TOKEN = "lka_a-token-that-erases"
WRITE_KEY = "lkw_a-key-that-writes"
OTHER_TOKEN = "lkr_a-token-of-another-app"
ADMIN_EMAIL = "admin@localhost"
ADMIN_PASSWORD = "correct horse"
READ = {"Authorization": f"Bearer {READ_TOKEN}"}
ADMIN = {"Authorization": f"Bearer {ADMIN_TOKEN}"}


class Accounts:
    """A metastore with two apps; `revoke` takes a token away."""

    def __init__(self) -> None:
        self._credentials = {
            READ_TOKEN: Credential("shop", "read"),
            ADMIN_TOKEN: Credential("shop", "admin", "token 0a1b2c3d"),
            WRITE_KEY: Credential("shop", "write"),
            OTHER_TOKEN: Credential("other", "read"),
        }

    def credential(self, secret: str) -> Credential | None:
        return self._credentials.get(secret)

    def credential_of(self, sha256: str) -> Credential | None:
        return next((found for secret, found in self._credentials.items() if sha256_of(secret) == sha256), None)

    def revoke(self, secret: str) -> None:
        del self._credentials[secret]

    def sign_in(self, email: str, password: str) -> Credential | None:
        return Credential("shop", "admin") if (email, password) == (ADMIN_EMAIL, ADMIN_PASSWORD) else None

    def app_names(self) -> list[str]:
        return ["shop", "other"]

    def default_app(self) -> str:
        return "shop"


class Reading:
    """An API with its parts within reach. `problems` is what readiness finds wrong; `down` makes the store fail."""

    def __init__(
        self, settings: Settings | None = None, *, store: Store | None = None, poll_s: float | None = None
    ) -> None:
        """poll_s: tails hear of events by looking into the store, so often; None: `arrive` tells them."""
        self.clock = ManualClock(NOW_NS)
        self.store = store or MemoryStore(clock=self.clock)
        self.feed = Hub(NOW_NS)
        self._polling = None if poll_s is None else PollingFeed(self.store, self.clock, poll_s=poll_s)
        self.accounts = Accounts()
        self.telemetry = Telemetry()
        self.problems: list[str] = []
        self.rejected: list[dict[str, Any]] = []
        self.udp_loss: list[dict[str, Any]] = []
        self.ledger = Ledger(received=12, stored=9, rejected={"missing_key": 2}, over_quota=0, expired=0, queued=1)
        self._folder = TemporaryDirectory()
        self.database = new_metastore(Path(self._folder.name))
        self.database_file = Path(self._folder.name, "metastore.db-wal")
        self.erasures = Erasures(self.database, self.clock, refresh_s=3600)
        self.told = Told(
            Devices(self.database), Remote(self.database, self.clock, refresh_s=3600), Issues(self.database, self.clock)
        )
        self.told.remote.look()
        self.degraded: list[str] = []
        self._batches = 0
        self.app = self._make(settings or Settings())

    def _make(self, settings: Settings) -> Litestar:
        backend = Backend(
            store=self.store,
            feed=self._polling or self.feed,
            metastore=self.accounts,
            sign_ins=SignIns(self.database),
            erasures=self.erasures,
            told=self.told,
            ledger=lambda app: self.ledger,
            rejected=lambda app, limit: self.rejected[:limit],
            udp_loss=lambda app: self.udp_loss,
            statistics=lambda app, grain, first, after: self.database.read(
                lambda transaction: read_statistics(transaction, app, grain, first, after)
            ),
            ready=lambda: self.problems,
            degraded=lambda: self.degraded,
        )
        return create_api(backend, settings=settings, clock=self.clock, telemetry=self.telemetry)

    def write(self, events: Sequence[Event]) -> None:
        self._batches += 1
        self.store.write(Batch(f"batch {self._batches}", events))

    def arrive(self, events: Sequence[Event]) -> None:
        """`events` are stored and told to live tails, as the processor does it."""
        for place, event in enumerate(events, self.feed.position() + 1):
            event.arrival = place
        self.write(events)
        self.feed.publish(events)

    def break_store(self) -> None:
        def fail(*_: Any, **__: Any) -> Any:
            raise BackendUnavailable("the store is closed", retry_after_s=7)

        names = ("search", "session", "event", "histogram", "stats", "patterns", "facets", "activity")
        for name in (*names, "arrived", "newest_arrived"):
            setattr(self.store, name, fail)


def make_event(index: int = 0, value: Any = "hello", **fields: Any) -> Event:
    """Event `index` of session s-1, `index` seconds before 10:00, its value in the JSON type of `value`."""
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    kinds = {str: "text", bool: "bool", int: "number", float: "number", dict: "object", list: "array"}
    given: dict[str, Any] = {
        "app": "shop",
        "session": "s-1",
        "key": "message",
        "value": text,
        "kind": kinds.get(type(value), "null"),
        "number": float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None,
        "time_ns": NOW_NS - index * 1000 * NS_PER_MS,
        "received_ns": NOW_NS,
        "id": f"id-{index:04}",
    }
    return Event(**(given | fields))


@contextmanager
def served(app: Litestar) -> Iterator[str]:
    """The address of `app`, served over TCP as the keeper does it, until the block ends."""
    server = Server(app, uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the server ended before it started"
            thread.join(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
