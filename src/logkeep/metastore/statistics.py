"""What was stored and refused, by app, component, key and day: cells that grow, kept for long and cheap to read.

Three grains: of an app's day, of a component's, of a key's in a component. A year of an app is 365 rows.
"""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any, Literal

import msgspec

from logkeep.decode.named import OTHER
from logkeep.metastore.database import Transaction, Value, bump
from logkeep.metastore.distinct import hash_of, joined, without

TOPIC = "statistics"
CELLS_MAX = 5_000  # of one grain of an app's day; what is more goes into one cell OTHER
ROWS_MAX = 200_000  # read at once

Grain = Literal[0, 1, 2]  # of the app, of a component, of a key in a component


class Place(msgspec.Struct, frozen=True, array_like=True):
    """day: since 1970, UTC. component, key: "" for none, and above their grain."""

    app: str
    day: int
    component: str = ""
    key: str = ""


class Counts(msgspec.Struct):
    """value_bytes: of values, as UTF-8. errors: of level error and fatal. The last three: sketches (distinct.py)."""

    events: int = 0
    value_bytes: int = 0
    errors: int = 0
    rejects: int = 0
    users: bytes = b""
    sessions: bytes = b""
    devices: bytes = b""

    def add(self, other: "Counts") -> None:
        self.events += other.events
        self.value_bytes += other.value_bytes
        self.errors += other.errors
        self.rejects += other.rejects
        self.users = joined((self.users, other.users))
        self.sessions = joined((self.sessions, other.sessions))
        self.devices = joined((self.devices, other.devices))


Cells = Mapping[Place, Counts]


class StatisticsRow(msgspec.Struct, frozen=True):
    place: Place
    counts: Counts


def add(transaction: Transaction, cells: Cells) -> None:
    """The finest cells, added to what is there, in all three grains. Others who add wait for this transaction."""
    bump(transaction, TOPIC)
    components = _coarser(cells, 1)
    for grain, its in ((0, _coarser(components, 0)), (1, components), (2, cells)):
        _add(transaction, grain, its)


def _coarser(cells: Cells, grain: int) -> Cells:
    """cells: of the grain below."""
    found: dict[Place, Counts] = {}
    for place, counts in cells.items():
        found.setdefault(Place(place.app, place.day, place.component if grain else ""), Counts()).add(counts)
    return found


def _add(transaction: Transaction, grain: int, cells: Cells) -> None:
    names = {_name_of(grain, place): place for place in cells}
    known = _known(transaction, sorted(names))
    fresh = _bounded(transaction, grain, cells, [p for n, p in sorted(names.items()) if n not in known])
    for place in [place for place in fresh if place.component == OTHER]:
        known |= _known(transaction, [_name_of(grain, place)])
    new, changed = [], []
    for place, counts in {**{p: cells[p] for n, p in names.items() if n in known}, **fresh}.items():
        name = _name_of(grain, place)
        before = known.get(name)
        if before is not None:
            before.add(counts)
            changed.append(_row(name, before))
        else:
            new.append(_row(name, counts) | _where(grain, place))
    if new:
        transaction.change_many(
            f"INSERT INTO statistics (cell, app, grain, day, component, event_key, {_COLUMNS}) VALUES (:cell, :app, "  # noqa: S608
            ":grain, :day, :component, :key, :events, :value_bytes, :errors, :rejects, :users, :sessions, :devices)",
            new,
        )
    if changed:
        transaction.change_many(
            "UPDATE statistics SET events = :events, bytes = :value_bytes, errors = :errors, rejects = :rejects, "
            "users = :users, sessions = :sessions, devices = :devices WHERE cell = :cell",
            changed,
        )


def _bounded(transaction: Transaction, grain: int, cells: Cells, fresh: list[Place]) -> dict[Place, Counts]:
    """Those of `fresh` there is room for, the others as one cell OTHER."""
    found: dict[Place, Counts] = {}
    room: dict[tuple[str, int], int] = {}
    for place in fresh:
        day = (place.app, place.day)
        if day not in room:
            sql = "SELECT COUNT(*) FROM statistics WHERE app = :app AND grain = :grain AND day = :day"
            count = transaction.rows(sql, app=place.app, grain=grain, day=place.day)[0][0] if grain else 0
            room[day] = CELLS_MAX - int(count)
        room[day] -= 1
        if room[day] >= 0:
            found[place] = cells[place]
        else:
            other = Place(place.app, place.day, OTHER, OTHER if grain == 2 else "")
            found.setdefault(other, Counts()).add(cells[place])
    return found


_COLUMNS = "events, bytes, errors, rejects, users, sessions, devices"


def _known(transaction: Transaction, names: Sequence[str]) -> dict[str, Counts]:
    rows = transaction.rows_in(f"SELECT cell, {_COLUMNS} FROM statistics WHERE cell IN", names)  # noqa: S608
    return {str(row[0]): _counts(row[1:]) for row in rows}


def _counts(row: Sequence[Any]) -> Counts:
    events, size, errors, rejects, users, sessions, devices = row
    return Counts(int(events), int(size), int(errors), int(rejects), bytes(users), bytes(sessions), bytes(devices))


def _row(name: str, counts: Counts) -> dict[str, Value]:
    return {"cell": name, **msgspec.structs.asdict(counts)}


def _where(grain: int, place: Place) -> dict[str, Value]:
    component, key = (text.encode("utf-8", "surrogatepass") for text in (place.component, place.key))
    return {"app": place.app, "grain": grain, "day": place.day, "component": component, "key": key}


def _name_of(grain: int, place: Place) -> str:
    return blake2b(msgspec.msgpack.encode((grain, place)), digest_size=16).hexdigest()


# ── reading ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def read(transaction: Transaction, app: str, grain: Grain, from_day: int, to_day: int) -> list[StatisticsRow]:
    """from_day <= day < to_day, in order of days; ROWS_MAX + 1 when there are more than ROWS_MAX."""
    rows = transaction.rows(
        f"SELECT day, component, event_key, {_COLUMNS} FROM statistics "  # noqa: S608
        "WHERE app = :app AND grain = :grain AND day >= :first AND day < :after ORDER BY day LIMIT :limit",
        app=app, grain=grain, first=from_day, after=to_day, limit=ROWS_MAX + 1,
    )  # fmt: skip
    return [
        StatisticsRow(Place(app, int(day), _text(component), _text(key)), _counts(counts))
        for day, component, key, *counts in rows
    ]


def _text(data: Any) -> str:
    return bytes(data).decode("utf-8", "surrogatepass")


# ── removing ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def drop_before(transaction: Transaction, day: int) -> None:
    transaction.change("DELETE FROM statistics WHERE day < :day", day=day)


def forget_named(
    transaction: Transaction, app: str, names: Mapping[str, Iterable[str]], from_day: int, to_day: int, *, dry: bool
) -> int:
    """How many cells tell that one of these `session`, `user` and `device` was there; unless `dry` they tell no more.

    Numbers stay: they name nobody. So do estimates.
    """
    hashes = {field: {hash_of(name) for name in names.get(field, ())} for field in ("user", "session", "device")}
    concerned: list[dict[str, Value]] = []
    for grain in (0, 1, 2):
        rows = transaction.rows(
            "SELECT cell, users, sessions, devices FROM statistics "
            "WHERE app = :app AND grain = :grain AND day >= :first AND day < :after",
            app=app, grain=grain, first=from_day, after=to_day,
        )  # fmt: skip
        for cell, *sketches in rows:
            before = [bytes(sketch) for sketch in sketches]
            after = [without(sketch, found) for sketch, found in zip(before, hashes.values(), strict=True)]
            if after != before:
                users, sessions, devices = after
                concerned.append({"cell": str(cell), "users": users, "sessions": sessions, "devices": devices})
    if concerned and not dry:
        transaction.change_many(
            "UPDATE statistics SET users = :users, sessions = :sessions, devices = :devices WHERE cell = :cell",
            concerned,
        )
    return len(concerned)
