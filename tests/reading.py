"""The API over a store in memory, for tests that ask it as a client or look at its pages."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import msgspec
from litestar import Litestar
from litestar.testing import TestClient
from tests.events import made_event
from tests.metastore import new_metastore

from logkeep.api.app import create_api
from logkeep.api.backend import Backend, Ledger
from logkeep.api.serving import Server, connection_config
from logkeep.clock import NS_PER_MS, Clock, ManualClock
from logkeep.counters.local import LocalCounters
from logkeep.disk import SystemDisk
from logkeep.errors import BackendUnavailable
from logkeep.event import Event
from logkeep.feed.hub import Hub
from logkeep.feed.polling import PollingFeed
from logkeep.mail.files import FileMail
from logkeep.metastore.accounts import TOPIC, prefix_of, sha256_of
from logkeep.metastore.accounts import Accounts as StoredAccounts
from logkeep.metastore.apps import insert_app
from logkeep.metastore.audit import CONSOLE
from logkeep.metastore.blocks import Blocks
from logkeep.metastore.database import Database, Transaction, bump
from logkeep.metastore.device_directory import DeviceDirectory
from logkeep.metastore.devices import Devices
from logkeep.metastore.directory import make_directory
from logkeep.metastore.erasures import Erasures
from logkeep.metastore.first import first_key, first_person
from logkeep.metastore.issue_rows import Issues
from logkeep.metastore.keys import insert_key
from logkeep.metastore.limits import AppLimits
from logkeep.metastore.masking import MaskingRules
from logkeep.metastore.people import insert_person
from logkeep.metastore.refusals import Refusals
from logkeep.metastore.remote import Remote
from logkeep.metastore.searches import Searches
from logkeep.metastore.session_map import known_sessions
from logkeep.metastore.shares import Shares
from logkeep.metastore.statistics import read as read_statistics
from logkeep.metastore.teams import insert_member, insert_team
from logkeep.metastore.tokens import Token, insert_token
from logkeep.settings import Settings
from logkeep.store.memory import MemoryStore
from logkeep.store.port import Batch, Store
from logkeep.telemetry import Telemetry

BASE = "http://logkeep.test"
NOW_NS = 1_785_578_400_000_000_000  # 2026-08-01T10:00:00Z
READ_TOKEN = "lkr_a-token-that-reads"
ADMIN_TOKEN = "lka_a-token-that-erases"
WRITE_KEY = "lkw_a-key-that-writes"
OTHER_TOKEN = "lkr_a-token-of-another-app"
ADMIN_EMAIL = "admin@localhost"
ADMIN_PASSWORD = "correct horse"
ADMIN_PASSWORD_HASH = (
    "$argon2id$v=19$m=47104,t=1,p=1$DDheXV5ox/VUB44DpvTg6Q$aA271DXrkDKhklxetwdLRmE8yNgoMCFtIKdUp1u+/zA"
)
OWNER = "per_owner"
READ = {"Authorization": f"Bearer {READ_TOKEN}"}
ADMIN = {"Authorization": f"Bearer {ADMIN_TOKEN}"}
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}


class Accounts(StoredAccounts):
    """Two teams with an app each, in a real metastore; `revoke` takes a token away."""

    def __init__(self, database: Database, clock: Clock) -> None:
        super().__init__(database, clock, refresh_s=3600, valid_s=3600)
        database.write(_fill)
        self.look()
        self.directory = make_directory(database, clock, self.look)

    def revoke(self, secret: str) -> None:
        caller = self.caller(secret)
        assert caller is not None
        self.directory.tokens.revoke(CONSOLE, self.team_of(next(iter(caller.apps))), caller.id)


def _fill(transaction: Transaction) -> None:
    """`main` with the app shop and its owner; `other` with the app other."""
    bump(transaction, TOPIC)
    for team, app in (("main", "shop"), ("other", "other")):
        insert_team(transaction, team, NOW_NS, team.title())
        insert_app(transaction, app, NOW_NS, team=team)
    owner = msgspec.structs.replace(first_person(ADMIN_EMAIL, ADMIN_PASSWORD_HASH, NOW_NS), id=OWNER)
    insert_person(transaction, owner)
    insert_member(transaction, "main", owner.id, "owner", NOW_NS)
    key = msgspec.structs.replace(first_key("shop", prefix_of(WRITE_KEY), NOW_NS), id="key_shop")
    insert_key(transaction, WRITE_KEY, key)
    for secret, name, team, app, scopes in (
        (READ_TOKEN, "reader", "main", "shop", "read"),
        (ADMIN_TOKEN, "admin", "main", "", "admin"),
        (OTHER_TOKEN, "other", "other", "other", "read"),
    ):
        token = Token(f"tok_{name}", team, app, "", name, prefix_of(secret), scopes, NOW_NS, "", 0, 0)
        insert_token(transaction, sha256_of(secret), token)


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
        self.telemetry = Telemetry()
        self.problems: list[str] = []
        self.rejected: list[dict[str, Any]] = []
        self.udp_loss: list[dict[str, Any]] = []
        self.ledger = Ledger(received=12, stored=9, rejected={"missing_key": 2}, over_quota=0, expired=0, queued=1)
        self._folder = TemporaryDirectory()
        self.database = new_metastore(Path(self._folder.name))
        self.database_file = Path(self._folder.name, "metastore.db-wal")
        self.accounts = Accounts(self.database, self.clock)
        self.directory = self.accounts.directory
        self.mails = Path(self._folder.name, "mail")
        self.erasures = Erasures(self.database, self.clock, refresh_s=3600)
        chosen = settings or Settings()
        self.limits = AppLimits(
            self.database, chosen.limits, self.clock, refresh_s=3600, retention_days=chosen.store.retention_days
        )
        self.counters = LocalCounters(Path(self._folder.name, "counters"), self.clock)
        self.device_directory = DeviceDirectory(
            Devices(self.database), Remote(self.database, self.clock, refresh_s=3600), Issues(self.database, self.clock)
        )
        self.device_directory.remote.look()
        self.degraded: list[str] = []
        self._batches = 0
        self.app = self._make(settings or Settings())

    def _make(self, settings: Settings) -> Litestar:
        backend = Backend(
            store=self.store,
            feed=self._polling or self.feed,
            metastore=self.accounts,
            directory=self.directory,
            mail=FileMail(self.mails, sender="logs@logkeep.test", disk=SystemDisk(), clock=self.clock),
            erasures=self.erasures,
            masking=MaskingRules(self.database, self.clock, refresh_s=3600),
            limits=self.limits,
            blocks=Blocks(self.database, self.clock, refresh_s=3600),
            refusals=Refusals(self.database),
            counters=self.counters,
            device_directory=self.device_directory,
            searches=Searches(self.database, self.clock),
            shares=Shares(self.database, self.clock),
            ledger=lambda app: self.ledger if app == "shop" else Ledger(0, 0, {}, 0, 0, 0),
            rejected=lambda app, limit: self.rejected[:limit] if app == "shop" else [],
            udp_loss=lambda app: self.udp_loss if app == "shop" else [],
            statistics=lambda app, grain, first, after: self.database.read(
                lambda transaction: read_statistics(transaction, app, grain, first, after)
            ),
            told_sessions=lambda app, sessions: self.database.read(
                lambda transaction: known_sessions(transaction, app, sessions)
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
    return made_event(**(given | fields))


def get(client: TestClient[Any], path: str, **parameters: str | int) -> httpx.Response:
    return client.get(path, params=parameters or None, headers=READ, follow_redirects=False)


def error_of(response: httpx.Response) -> dict[str, Any]:
    """The one error shape, checked."""
    assert response.headers["content-type"] == "application/json", response.text
    body = response.json()
    assert set(body) == {"error"} and {"code", "message"} <= set(body["error"]) <= {"code", "message", "column"}
    return dict(body["error"])


@contextmanager
def served(app: Litestar) -> Iterator[str]:
    """The address of `app`, served over TCP as the keeper does it, until the block ends."""
    server = Server(app, connection_config(app, host="127.0.0.1", port=0))
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
