"""How much an app may send, and how long it is kept: what its owner set, over what the settings say.

All rows are kept in memory, some 200 bytes each: a receiver looks at one with every request, a processor with every
batch. What is known goes on while the database is away, however long that is.
"""

from collections.abc import Iterator, Sequence
from typing import Annotated

import msgspec
from msgspec import Meta

from logkeep.clock import Clock
from logkeep.errors import InputError
from logkeep.event import NAME_BYTES_MAX
from logkeep.metastore.audit import Entry, record
from logkeep.metastore.database import Database, Transaction, bump, change_of
from logkeep.metastore.watched import Watched
from logkeep.metastore.writing import refuse_overtaken
from logkeep.settings import LimitSettings
from logkeep.telemetry import get_logger

TOPIC = "limits"
COMPONENTS_MAX = 200  # with limits of their own, of one app
RATE_MIN = 1e-5  # a second: about one a day; what should be less is blocked
AMOUNT_MAX = 1 << 53  # what any JSON reader keeps exactly

log = get_logger("metastore")


_Count = Annotated[int, Meta(ge=0, le=AMOUNT_MAX)]
_Rate = Annotated[float, Meta(ge=0, le=AMOUNT_MAX)]
_Days = Annotated[int, Meta(ge=1, le=3650)]


def _about(text: str) -> Meta:
    return Meta(description=text)


class ComponentLimits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of one component of an app; beside, not instead of, the app's own."""

    events_per_day: Annotated[_Count | None, _about("events a day; null, 0: no limit")] = None
    bytes_per_day: Annotated[_Count | None, _about("bytes of its events a day; null, 0: no limit")] = None
    events_per_second: Annotated[
        _Rate | None, _about("events a second; null: as for every component of the app, 0: no limit")
    ] = None


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What its owner set for an app. null: as the settings say. 0: no limit."""

    events_per_day: Annotated[_Count | None, _about("events a day, on average over 24 hours")] = None
    bytes_per_day: Annotated[_Count | None, _about("bytes of events a day, as they are sent, inflated")] = None
    events_per_second: Annotated[_Rate | None, _about("events a second; 0, or 0.00001 at least")] = None
    burst_events: Annotated[
        _Count | None, _about("events that may come at once before events_per_second counts; null: some seconds' worth")
    ] = None
    key_events_per_second: Annotated[_Rate | None, _about("events a second of each key")] = None
    address_events_per_second: Annotated[_Rate | None, _about("events a second of each address")] = None
    component_events_per_second: Annotated[_Rate | None, _about("events a second of each component")] = None
    retention_days: Annotated[_Days | None, _about("days kept, today among them; null: as the settings say")] = None
    components: Annotated[dict[str, ComponentLimits], Meta(max_length=COMPONENTS_MAX)] = {}


class InForce(msgspec.Struct, frozen=True, kw_only=True):
    """What counts for an app: its own limits, else those of the settings. 0: no limit."""

    events_per_day: int
    bytes_per_day: int
    events_per_second: float
    burst_events: int
    key_events_per_second: float
    address_events_per_second: float
    component_events_per_second: float
    components: dict[str, ComponentLimits] = {}

    @property
    def any(self) -> bool:
        """Whether anything is limited."""
        return bool(
            self.events_per_day
            or self.bytes_per_day
            or self.events_per_second
            or self.key_events_per_second
            or self.address_events_per_second
            or self.component_events_per_second
            or self.components
        )


class Kept(msgspec.Struct, frozen=True):
    """One row. version: 0 where nothing was ever set; counts up with every change."""

    limits: Limits
    version: int = 0
    changed_by: str = ""
    changed_ns: int = 0


class _Known(msgspec.Struct, frozen=True):
    change: int
    rows: dict[str, Kept]
    in_force: dict[str, InForce]


class AppLimits:
    """`open` before the first question. What `of`, `in_force` and `retention_days` tell comes from memory."""

    def __init__(
        self, database: Database, settings: LimitSettings, clock: Clock, *, refresh_s: float, retention_days: int
    ) -> None:
        """retention_days: of apps that have none of their own."""
        self._database, self._settings, self._clock = database, settings, clock
        self._retention_days = retention_days
        self._default = in_force(Limits(), settings)
        self._watched = Watched("limits", self._look, clock, refresh_s=refresh_s)

    def open(self) -> "AppLimits":
        """Known, or looked for from now on: without the database nothing but the settings counts, and that is said."""
        try:
            self._watched.look()
        except Exception as error:  # whatever it is: who may send is not this one's to say
            log.warning("the limits of apps are not known yet; those of the settings count", error=repr(error))
        self._watched.start()
        return self

    def close(self) -> None:
        self._watched.close()

    @property
    def known(self) -> object:
        """Another object after each change."""
        return self._watched.value

    @property
    def any(self) -> bool:
        """Whether anything is limited for some app."""
        known = self._watched.value
        return self._default.any or (known is not None and any(one.any for one in known.in_force.values()))

    @property
    def any_address(self) -> bool:
        """Whether some app has a limit of its own for each address."""
        known = self._watched.value
        return known is not None and any(one.address_events_per_second for one in known.in_force.values())

    def of(self, app: str) -> Kept:
        known = self._watched.value
        found = known.rows.get(app) if known is not None else None
        return found or Kept(Limits())

    def in_force(self, app: str) -> InForce:
        known = self._watched.value
        return known.in_force.get(app, self._default) if known is not None else self._default

    def retention_days(self, app: str) -> int:
        return self.of(app).limits.retention_days or self._retention_days

    def put(
        self, app: str, limits: Limits, *, by: str, version: int | None = None, entries: Sequence[Entry] = ()
    ) -> Kept:  # fmt: skip
        """As they are kept now, durably; known everywhere within `refresh_s`. entries: what the audit log is told.

        version: of what was seen when they were changed, None: whatever it is. Raises InputError (400: a name of a
        component is none, a rate is less than RATE_MIN; 409: somebody else was first), BackendUnavailable.
        """
        for name in limits.components:
            if not 0 < len(name.encode("utf-8", "surrogatepass")) <= NAME_BYTES_MAX:
                raise InputError(f"a component's name has 1 to {NAME_BYTES_MAX} bytes, not {name[:80]!r}")
        for name, rate in _rates(limits):
            if rate is not None and 0 < rate < RATE_MIN:
                raise InputError(
                    f"{name} is {rate:g}; it is 0 (no limit) or {RATE_MIN:.5f} (about one event a day) at least"
                )
        body, now_ns = msgspec.json.encode(limits), self._clock.now_ns()

        def write(transaction: Transaction) -> Kept:
            bump(transaction, TOPIC)
            found = transaction.rows("SELECT version FROM limits WHERE app = :app", app=app)
            present = int(found[0][0]) if found else 0
            refuse_overtaken("the limits", present, version)
            sql = (
                "UPDATE limits SET version = :version, body = :body, changed_by = :by, changed_ns = :now "
                "WHERE app = :app"
                if found
                else "INSERT INTO limits (app, version, body, changed_by, changed_ns) "
                "VALUES (:app, :version, :body, :by, :now)"
            )
            transaction.change(sql, app=app, version=present + 1, body=body, by=by[:255], now=now_ns)
            record(transaction, entries)
            return Kept(limits, present + 1, by[:255], now_ns)

        kept = self._database.write(write)
        self._watched.look()
        return kept

    def _look(self, known: _Known | None) -> _Known:
        return self._database.read(lambda transaction: self._read(transaction, known))

    def _read(self, transaction: Transaction, known: _Known | None) -> _Known:
        change = change_of(transaction, TOPIC)
        if known is not None and known.change == change:
            return known
        rows: dict[str, Kept] = {}
        for app, version, body, by, changed_ns in transaction.rows(
            "SELECT app, version, body, changed_by, changed_ns FROM limits"
        ):
            try:
                limits = msgspec.json.decode(bytes(body), type=Limits)
            except msgspec.MsgspecError as error:  # of another version: better none than no look at all
                log.error("the limits of an app cannot be read; those of the settings count", app=app, error=str(error))
                limits = Limits()
            rows[str(app)] = Kept(limits, int(version), str(by), int(changed_ns))
        return _Known(change, rows, {app: in_force(kept.limits, self._settings) for app, kept in rows.items()})


def _rates(limits: Limits) -> Iterator[tuple[str, float | None]]:
    for name in (
        "events_per_second", "key_events_per_second", "address_events_per_second", "component_events_per_second",
    ):  # fmt: skip
        yield name, getattr(limits, name)
    for component, own in limits.components.items():
        yield f"components.{component[:80]}.events_per_second", own.events_per_second


def in_force(limits: Limits, settings: LimitSettings) -> InForce:
    def chosen(name: str) -> float:
        own: float | None = getattr(limits, name)
        return getattr(settings, name) if own is None else own

    rate = chosen("events_per_second")
    return InForce(
        events_per_day=int(chosen("events_per_day")),
        bytes_per_day=int(chosen("bytes_per_day")),
        events_per_second=rate,
        burst_events=limits.burst_events or max(1, int(rate * settings.burst_s)),
        key_events_per_second=chosen("key_events_per_second"),
        address_events_per_second=chosen("address_events_per_second"),
        component_events_per_second=chosen("component_events_per_second"),
        components=limits.components,
    )
