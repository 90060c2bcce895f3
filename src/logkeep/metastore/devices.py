"""Devices as they told of themselves, one row each; looked for by queries over what they told.

The database finds what single columns decide, `match.py` decides the rest: one meaning for lists, for remote control
and for what events are searched by.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import blake2b
from typing import Any

import msgspec

from logkeep.clock import NS_PER_DAY
from logkeep.decode.devices import TEXTS, Device, DeviceNotice, joined
from logkeep.errors import InputError
from logkeep.event import Event
from logkeep.metastore.audit import Entry, record
from logkeep.metastore.database import Database, Int64, Transaction, bump
from logkeep.query import ast
from logkeep.query.device_parser import described, required
from logkeep.query.match import matcher
from logkeep.query.text import fold

TOPIC = "devices"  # who changes devices, what rules match or issues bumps it first, and so waits for others who do
KEPT_DAYS = 400  # after a device told something last: a year's comparison, and then it is gone
LOOKED_AT_MAX = 20_000  # rows of one page of a list: a second at worst
PAGE_ROWS = 500
LABEL_CHARS_MAX = 200
FOLDED_CHARS_MAX = 512

_COLUMNS = {  # a field of the language → the column that has it folded
    ast.ATTRIBUTE_PREFIX + "name": "name_folded",
    ast.ATTRIBUTE_PREFIX + "model": "model_folded",
    ast.ATTRIBUTE_PREFIX + "os": "os_folded",
    ast.ATTRIBUTE_PREFIX + "app_version": "version_folded",
}
Enabled = Callable[[Device], bool | None]


class Place(msgspec.Struct, frozen=True, array_like=True):
    """Of a device in the list, latest first: where a page ends."""

    last_ns: Int64
    id: str


class Found(msgspec.Struct, frozen=True):
    """next: there may be more; also of a page with few or no devices, when LOOKED_AT_MAX were looked at."""

    devices: list[Device]
    next: Place | None


class DeviceReport(msgspec.Struct, frozen=True):
    """What one device told, and when the receiver had it."""

    app: str
    received_ns: int
    notice: DeviceNotice


class Devices:
    """Shared by all instances. Raises BackendUnavailable, CorruptData."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(
        self,
        app: str,
        query: ast.Query,
        *,
        limit: int,
        after: Place | None = None,
        enabled: Enabled = lambda device: None,
    ) -> Found:
        """Those that match, latest first. enabled: what remote control says about a device, for `enabled:false`."""
        return self._database.read(
            lambda transaction: _find(transaction, app, query, limit=limit, after=after, enabled=enabled)
        )

    def named(self, app: str, names: Sequence[str]) -> dict[str, Device]:
        """By name, those of them that are known."""
        ids = [id_of(app, "device", name) for name in names]
        return {
            device.device: device
            for device in self._database.read(lambda transaction: known(transaction, ids).values())
        }

    def label(self, app: str, device: str, label: str, *, entries: Sequence[Entry] = ()) -> Device:
        """The device, called so from now on. Raises InputError (404; or the label cannot be one)."""
        if len(label) > LABEL_CHARS_MAX or not label.isprintable():
            raise InputError(f"a label has {LABEL_CHARS_MAX} printable characters at most", code="bad_label")

        def change(transaction: Transaction) -> Device:
            bump(transaction, TOPIC)
            found = known(transaction, [id_of(app, "device", device)])
            if not found:
                raise unknown(device)
            renamed = msgspec.structs.replace(next(iter(found.values())), label=label)
            _keep(transaction, {}, [renamed])
            record(transaction, entries)
            return renamed

        return self._database.write(change)

    def forget(self, app: str, device: str) -> bool:
        """Whether it was known; now nothing is kept of what it told."""
        ids = [id_of(app, "device", device)]
        return self._database.write(lambda transaction: remove(transaction, ids)) > 0


def id_of(app: str, kind: str, name: str) -> str:
    """32 hexadecimal digits for a name that may be longer than an index takes, and hold any character."""
    digest = blake2b(digest_size=16)
    for part in (kind, app, name):
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(4, "little") + data)
    return digest.hexdigest()


def unknown(device: str) -> InputError:
    return InputError(
        f"the device {device[:200]!r} has not told anything of itself (POST /v1/devices)", code="not_found", status=404
    )


def as_event(device: Device, enabled: bool | None = None) -> Event:
    """What queries over devices see of it."""
    texts = {name: getattr(device, name) for name in TEXTS}
    texts["name"] = device.label or device.name
    return described(device=device.device, user=device.user, texts=texts, keys=device.keys, enabled=enabled)


# ── in a transaction ──────────────────────────────────────────────────────────────────────────────────────────────────


def register(transaction: Transaction, told: Sequence[DeviceReport]) -> list[Device]:
    """The devices as they are after what was told, in its order; kept."""
    ids = {id_of(one.app, "device", one.notice.device) for one in told}
    before = known(transaction, sorted(ids))
    after: dict[str, Device] = {}
    for one in told:
        place = id_of(one.app, "device", one.notice.device)
        after[place] = joined(after.get(place) or before.get(place), one.notice, one.app, one.received_ns)
    changed = [device for place, device in sorted(after.items()) if before.get(place) != device]
    _keep(transaction, {place: device for place, device in after.items() if place not in before}, changed)
    return list(after.values())


def known(transaction: Transaction, ids: Sequence[str]) -> dict[str, Device]:
    """By id."""
    rows = transaction.rows_in("SELECT id, body FROM devices WHERE id IN", ids)
    return {str(place): msgspec.json.decode(bytes(body), type=Device) for place, body in rows}


def pages(
    transaction: Transaction, app: str, query: ast.Query, after: Place | None
) -> Iterator[list[tuple[Place, Device]]]:
    """Those that may match, latest first."""
    condition, found = _condition(app, query)
    values: dict[str, str | int] = {**found}
    while True:
        sql = f"SELECT last_ns, id, body FROM devices WHERE app = :app{condition}"  # noqa: S608 - columns are ours
        if after is not None:
            sql += " AND (last_ns < :last OR (last_ns = :last AND id > :after))"
            values = values | {"last": after.last_ns, "after": after.id}
        rows = transaction.rows(f"{sql} ORDER BY last_ns DESC, id LIMIT {PAGE_ROWS}", app=app, **values)
        if rows:
            yield [(Place(int(n), str(i)), msgspec.json.decode(bytes(body), type=Device)) for n, i, body in rows]
            after = Place(int(rows[-1][0]), str(rows[-1][1]))
        if len(rows) < PAGE_ROWS:
            return


def remove(transaction: Transaction, ids: Sequence[str]) -> int:
    """How many were known; nothing is kept of them. Their rules are remote.py's."""
    transaction.change_many("DELETE FROM remote_matches WHERE id = :id", [{"id": place} for place in ids])
    return sum(transaction.change("DELETE FROM devices WHERE id = :id", id=place) for place in ids)


def of_user(transaction: Transaction, app: str, user: str) -> list[str]:
    """Ids of the devices that this user used last."""
    rows = transaction.rows("SELECT id FROM devices WHERE user_id = :id", id=id_of(app, "user", user))
    return [str(place) for (place,) in rows]


def forget_old(transaction: Transaction, now_ns: int) -> list[str]:
    """Ids of some devices that have told nothing for KEPT_DAYS; they are gone."""
    rows = transaction.rows(
        "SELECT id FROM devices WHERE last_ns < :before LIMIT 1000", before=now_ns - KEPT_DAYS * NS_PER_DAY
    )
    ids = [str(place) for (place,) in rows]
    remove(transaction, ids)
    return ids


def _find(
    transaction: Transaction, app: str, query: ast.Query, *, limit: int, after: Place | None, enabled: Enabled
) -> Found:
    matches = matcher(query)
    found: list[Device] = []
    looked_at = 0
    for page in pages(transaction, app, query, after):
        for place, device in page:
            looked_at += 1
            if matches(as_event(device, enabled(device))):
                found.append(device)
            if len(found) == limit or looked_at == LOOKED_AT_MAX:
                return Found(found, place)
    return Found(found, None)


def _condition(app: str, query: ast.Query) -> tuple[str, dict[str, str]]:
    """What each device that matches fulfils, as SQL: parameters bound, columns from a table of ours."""
    condition, values = "", {}
    for index, part in enumerate(required(query)):
        name, folded = f"p{index}", searchable(part.text)
        column = _COLUMNS.get(part.field)
        if isinstance(part, ast.Equals) and part.field in ("device", "user"):
            column = "id" if part.field == "device" else "user_id"
            condition += f" AND {column} = :{name}"
            values[name] = id_of(app, part.field, part.text)
        elif column is not None and len(folded) <= FOLDED_CHARS_MAX // 2:
            prefix = isinstance(part, ast.Prefix)
            condition += f" AND {column} LIKE :{name} ESCAPE '!'" if prefix else f" AND {column} = :{name}"
            values[name] = like_start(folded) if prefix else folded
    return condition, values


def searchable(text: str) -> str:
    """A text as columns have it: folded, without what some database does not take."""
    return fold(text).replace("\0", " ").encode("utf-8", "replace").decode()[:FOLDED_CHARS_MAX]


def like_start(folded: str) -> str:
    """The pattern of texts that begin so, with `!` for escape."""
    return folded.replace("!", "!!").replace("%", "!%").replace("_", "!_") + "%"


def _keep(transaction: Transaction, fresh: Mapping[str, Device], changed: Sequence[Device]) -> None:
    rows = {id_of(device.app, "device", device.device): device for device in changed}
    transaction.change_many(
        "INSERT INTO devices (id, app, user_id, name_folded, model_folded, os_folded, version_folded, last_ns, body) "
        "VALUES (:id, :app, :user_id, :name, :model, :os, :version, :last, :body)",
        [_row(place, device) | {"app": device.app} for place, device in rows.items() if place in fresh],
    )
    transaction.change_many(
        "UPDATE devices SET user_id = :user_id, name_folded = :name, model_folded = :model, os_folded = :os, "
        "version_folded = :version, last_ns = :last, body = :body WHERE id = :id",
        [_row(place, device) for place, device in rows.items() if place not in fresh],
    )


def _row(place: str, device: Device) -> dict[str, Any]:
    return {
        "id": place,
        "user_id": id_of(device.app, "user", device.user) if device.user else "",
        "name": searchable(device.label or device.name),
        "model": searchable(device.model),
        "os": searchable(device.os),
        "version": searchable(device.app_version),
        "last": device.last_ns,
        "body": msgspec.json.encode(device),
    }
