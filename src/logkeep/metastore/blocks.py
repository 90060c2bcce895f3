"""What people have blocked: addresses, keys and components, with a reason and, as a rule, an end.

A block is of one app, of all apps of a team, or of everyone: who may do that is the API's to say. All of it is kept in
memory by receivers; a block counts everywhere within `refresh_s`, and ends by itself.
"""

import ipaddress
import re
import secrets
from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from logkeep.clock import Clock
from logkeep.errors import InputError, QuotaExceeded
from logkeep.event import NAME_BYTES_MAX
from logkeep.metastore.accounts import TOPIC as ACCOUNTS
from logkeep.metastore.audit import Entry, record
from logkeep.metastore.database import Database, Transaction, bump, change_of
from logkeep.metastore.watched import Watched
from logkeep.telemetry import get_logger

TOPIC = "blocks"
BLOCKS_MAX = 1000  # of an app, as many of a team, and of the installation
REASON_CHARS_MAX = 500
EXPIRED_KEPT_NS = 30 * 86_400 * 1_000_000_000  # for whoever asks why something was missing
_COLUMNS = "block, app, team, kind, value, reason, made_by, made_ns, expires_ns"
_OF_APP = "(app = :app OR (app = '' AND (team = '' OR team = (SELECT team FROM apps WHERE name = :app))))"
_KEY = re.compile(r"[0-9a-f]{8,64}")

Kind = Literal["address", "key", "component"]
Scope = Literal["app", "team", "installation"]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

log = get_logger("metastore")


class Block(msgspec.Struct, frozen=True):
    """value: an address or network; the first 8 to 64 hex digits of a key's SHA-256; the name of a component.

    app: "" of all apps of `team`, or of everyone's where that is "" too. expires_ns: ns UTC, 0: when somebody removes
    it.
    """

    block: str
    app: str
    team: str
    kind: Kind
    value: str
    reason: str
    made_by: str
    made_ns: int
    expires_ns: int

    @property
    def scope(self) -> Scope:
        return "app" if self.app else "team" if self.team else "installation"


class Blocked(msgspec.Struct, frozen=True):
    """Of one app, as receivers look at it: each with its reason."""

    addresses: tuple[tuple[Network, str], ...] = ()
    keys: tuple[tuple[str, str], ...] = ()
    components: dict[str, str] = {}

    def of_key(self, key: str) -> str | None:
        """Why it is blocked. key: hex digits, 16 or more."""
        for value, reason in self.keys:
            if key and (key.startswith(value) or value.startswith(key)):
                return reason
        return None

    def of_address(self, address: str) -> str | None:
        """address: one, or the /64 of one."""
        if not self.addresses or not address:
            return None
        network = ipaddress.ip_network(address)
        for blocked, reason in self.addresses:
            if blocked.version == network.version and network.overlaps(blocked):
                return reason
        return None


class _Known(msgspec.Struct, frozen=True):
    """change: of blocks and of apps, which say whose team they are. next_ns: when the next block ends."""

    change: tuple[int, int]
    next_ns: int
    apps: dict[str, Blocked]


class Blocks:
    """`open` before the first question. `apps` and `known` come from memory."""

    def __init__(self, database: Database, clock: Clock, *, refresh_s: float) -> None:
        self._database, self._clock = database, clock
        self._watched = Watched("blocks", self._look, clock, refresh_s=refresh_s)

    def open(self) -> "Blocks":
        try:
            self._watched.look()
        except Exception as error:  # nothing is blocked until it is known
            log.warning("blocks are not known yet", error=repr(error))
        self._watched.start()
        return self

    def close(self) -> None:
        self._watched.close()

    @property
    def known(self) -> object:
        """Another object after each change, and when a block has ended."""
        return self._watched.value

    @property
    def apps(self) -> dict[str, Blocked]:
        """Those that have blocks in force."""
        known = self._watched.value
        return known.apps if known is not None else {}

    def put(
        self, app: str, kind: Kind, value: str, *, reason: str, by: str, expires_ns: int, team: str = "",
        entries: Sequence[Entry] = (),
    ) -> Block:  # fmt: skip
        """The new block, durable. app: "" for all apps of `team`; without a team either for everyone's. entries: what
        the audit log is told with it.

        Raises InputError (no such address, key or name), QuotaExceeded (BLOCKS_MAX).
        """
        now_ns = self._clock.now_ns()
        if "\0" in reason + by:
            raise InputError("a block's reason cannot hold NUL: not every database keeps it")
        block = Block(
            f"blk_{secrets.token_hex(8)}", app, "" if app else team, kind, normal(kind, value),
            reason[:REASON_CHARS_MAX], by[:255], now_ns, expires_ns,
        )  # fmt: skip

        def insert(transaction: Transaction) -> None:
            bump(transaction, TOPIC)
            transaction.change(
                "DELETE FROM blocks WHERE expires_ns > 0 AND expires_ns < :old", old=now_ns - EXPIRED_KEPT_NS
            )
            sql = "SELECT COUNT(*) FROM blocks WHERE app = :app AND team = :team"
            if int(transaction.rows(sql, app=app, team=block.team)[0][0]) >= BLOCKS_MAX:
                raise QuotaExceeded(f"the {block.scope} has {BLOCKS_MAX} blocks; remove some", retry_after_s=60)
            transaction.change(
                f"INSERT INTO blocks ({_COLUMNS}) VALUES "  # noqa: S608
                "(:block, :app, :team, :kind, :value, :reason, :made_by, :made_ns, :expires_ns)",
                **msgspec.structs.asdict(block),
            )
            record(transaction, entries)

        self._database.write(insert)
        self._watched.look()
        return block

    def list(self, app: str) -> list[Block]:
        """Those that count for this app, newest first; those that have ended lately among them."""
        sql = f"SELECT {_COLUMNS} FROM blocks WHERE {_OF_APP} ORDER BY number DESC LIMIT :limit"  # noqa: S608
        rows = self._database.read(lambda transaction: transaction.rows(sql, app=app, limit=3 * BLOCKS_MAX))
        return [_block(row) for row in rows]

    def named(self, app: str, block: str) -> Block | None:
        """One of those that count for this app."""
        sql = f"SELECT {_COLUMNS} FROM blocks WHERE block = :block AND {_OF_APP}"  # noqa: S608
        rows = self._database.read(lambda transaction: transaction.rows(sql, app=app, block=block))
        return _block(rows[0]) if rows else None

    def remove(self, app: str, block: str, *, entries: Sequence[Entry] = ()) -> bool:
        """Whether such a block counted for this app; now there is none."""

        def delete(transaction: Transaction) -> bool:
            bump(transaction, TOPIC)
            if not transaction.rows(f"SELECT 1 FROM blocks WHERE block = :block AND {_OF_APP}", app=app, block=block):  # noqa: S608
                return False
            record(transaction, entries)
            return transaction.change("DELETE FROM blocks WHERE block = :block", block=block) > 0

        found = self._database.write(delete)
        self._watched.look()
        return found

    def _look(self, known: _Known | None) -> _Known:
        return self._database.read(lambda transaction: self._read(transaction, known))

    def _read(self, transaction: Transaction, known: _Known | None) -> _Known:
        change, now_ns = (change_of(transaction, TOPIC), change_of(transaction, ACCOUNTS)), self._clock.now_ns()
        if known is not None and known.change == change and (not known.next_ns or now_ns < known.next_ns):
            return known
        rows = transaction.rows(f"SELECT {_COLUMNS} FROM blocks ORDER BY number")  # noqa: S608
        blocks = [block for block in map(_block, rows) if not block.expires_ns or block.expires_ns > now_ns]
        next_ns = min((block.expires_ns for block in blocks if block.expires_ns), default=0)
        by_app: dict[str, list[Block]] = {}
        for block in blocks:
            if block.app:
                by_app.setdefault(block.app, []).append(block)
        wide = [block for block in blocks if not block.app]
        for app, team in transaction.rows("SELECT name, team FROM apps") if wide else ():
            by_app.setdefault(str(app), []).extend(block for block in wide if block.team in ("", team))
        return _Known(change, next_ns, {app: _blocked(own) for app, own in by_app.items() if own})


def normal(kind: Kind, value: str) -> str:
    """As it is kept: of a component's name each NUL as U+FFFD, for not every database keeps it. Raises InputError."""
    if kind == "address":
        try:
            return str(_unmapped(ipaddress.ip_network(value.strip(), strict=False)))
        except ValueError as error:
            raise InputError(f"no address or network: {str(error)[:200]}") from error
    if kind == "key":
        if not _KEY.fullmatch(value.strip().lower()):
            raise InputError("a key is blocked by the first 8 to 64 hex digits of its SHA-256, never by itself")
        return value.strip().lower()
    if not 0 < len(value.encode("utf-8", "surrogatepass")) <= NAME_BYTES_MAX:
        raise InputError(f"a component's name has 1 to {NAME_BYTES_MAX} bytes")
    return without_nul(value)


def without_nul(component: str) -> str:
    """As blocks name it."""
    return component.replace("\0", "\ufffd") if "\0" in component else component


def _unmapped(network: Network) -> Network:
    """As senders are counted (receiver/addresses.py): an IPv4 address is one however it is written."""
    mapped = network.network_address.ipv4_mapped if isinstance(network, ipaddress.IPv6Network) else None
    if mapped is None or network.prefixlen < 96:
        return network
    return ipaddress.IPv4Network((mapped, network.prefixlen - 96))


def _block(row: Sequence[Any]) -> Block:
    block, app, team, kind, value, reason, made_by, made_ns, expires_ns = row
    return Block(
        str(block), str(app), str(team), kind, str(value), str(reason), str(made_by), int(made_ns), int(expires_ns)
    )


def _blocked(blocks: Sequence[Block]) -> Blocked:
    return Blocked(
        tuple((_unmapped(ipaddress.ip_network(one.value)), one.reason) for one in blocks if one.kind == "address"),
        tuple((one.value, one.reason) for one in blocks if one.kind == "key"),
        {one.value: one.reason for one in blocks if one.kind == "component"},
    )
