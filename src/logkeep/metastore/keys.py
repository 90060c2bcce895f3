"""Write keys: what senders of an app show. They can write and nothing else; only a hash of each is kept."""

from urllib.parse import urlsplit

import msgspec

from logkeep.clock import NS_PER_S
from logkeep.errors import InputError
from logkeep.metastore.accounts import new_secret, prefix_of, sha256_of
from logkeep.metastore.apps import app_in
from logkeep.metastore.audit import Actor, Entry, record
from logkeep.metastore.database import Transaction
from logkeep.metastore.writing import Writer, new_id, not_found, refuse_stale, title

KEYS_MAX = 100  # of an app
KEEP_S_MAX = 90 * 86_400  # for which the old secret of a rotated key goes on
ORIGINS_MAX, ORIGINS_CHARS_MAX = 20, 2000
_COLUMNS = "id, app, name, prefix, origins, made_ns, made_by, expires_ns, revision, used_day"


class Key(msgspec.Struct, frozen=True):
    """prefix: how its secret begins, "" for those made by the first Logkeep. origins: with spaces in between. used_day:
    the last one on which it was used, in days since 1970, 0 for never."""

    id: str
    app: str
    name: str
    prefix: str
    origins: str
    made_ns: int
    made_by: str
    expires_ns: int
    revision: int
    used_day: int = 0


class Keys:
    """Raises BackendUnavailable, and InputError where a name or id is none (404) or is not as it was (409)."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def list(self, app: str) -> list[Key]:
        """Oldest first."""
        sql = f"SELECT {_COLUMNS} FROM write_keys WHERE app = :app ORDER BY made_ns, id"  # noqa: S608
        return [Key(*row) for row in self._writer.read(lambda transaction: transaction.rows(sql, app=app))]

    def create(self, by: Actor, app: str, *, name: str, origins: tuple[str, ...] = ()) -> tuple[Key, str]:
        """The key and its secret, which nobody can tell any more afterwards."""
        secret, now_ns = new_secret("write"), self._writer.clock.now_ns()
        key = Key(
            new_id("key"), app, title(name, "the name of a key"), prefix_of(secret), checked_origins(origins), now_ns,
            by.id, 0, 1,
        )  # fmt: skip

        def insert(transaction: Transaction) -> None:
            team = app_in(transaction, app).team
            if _is_there(transaction, secret):
                return  # this transaction was done before, and its answer was lost
            if transaction.rows("SELECT COUNT(*) FROM write_keys WHERE app = :app", app=app)[0][0] >= KEYS_MAX:
                raise InputError(f"the app has {KEYS_MAX} keys, which is the limit; revoke some", code="too_many")
            insert_key(transaction, secret, key)
            record(transaction, [_entry(by, "key.created", team, key, now_ns)])

        self._writer.change(insert)
        return key, secret

    def change(
        self, by: Actor, app: str, id: str, *, name: str | None, origins: tuple[str, ...] | None, revision: int | None
    ) -> Key:
        now_ns = self._writer.clock.now_ns()

        def update(transaction: Transaction) -> Key:
            key = _key(transaction, app, id)
            refuse_stale(f"the key {id}", key.revision, revision)
            changed = msgspec.structs.replace(
                key,
                name=key.name if name is None else title(name, "the name of a key"),
                origins=key.origins if origins is None else checked_origins(origins),
                revision=key.revision + 1,
            )
            transaction.change(
                "UPDATE write_keys SET name = :name, origins = :origins, revision = :revision WHERE id = :id",
                name=changed.name, origins=changed.origins, revision=changed.revision, id=id,
            )  # fmt: skip
            record(transaction, [_entry(by, "key.changed", app_in(transaction, app).team, changed, now_ns)])
            return changed

        return self._writer.change(update)

    def rotate(self, by: Actor, app: str, id: str, *, keep_s: int, revision: int | None = None) -> tuple[Key, str]:
        """A new key like this one, and its secret; the old one goes on for `keep_s`: senders change over meanwhile.

        Raises InputError: 409 for an old one that ends sooner already, as it was rotated before.
        """
        if not 0 <= keep_s <= KEEP_S_MAX:
            raise InputError(f"keep_s of {keep_s:,} is not within 0 to {KEEP_S_MAX:,} (90 days)", code="bad_input")
        secret, now_ns, successor = new_secret("write"), self._writer.clock.now_ns(), new_id("key")

        def replace(transaction: Transaction) -> Key:
            old, team = _key(transaction, app, id), app_in(transaction, app).team
            key = Key(successor, app, old.name, prefix_of(secret), old.origins, now_ns, by.id, 0, 1)
            if _is_there(transaction, secret):
                return key
            refuse_stale(f"the key {id}", old.revision, revision)
            until_ns = now_ns + keep_s * NS_PER_S
            _refuse_longer(old, until_ns, now_ns)
            insert_key(transaction, secret, key)
            transaction.change(
                "UPDATE write_keys SET expires_ns = :until, revision = revision + 1 WHERE id = :id",
                until=until_ns, id=id,
            )  # fmt: skip
            rotated = _entry(by, "key.rotated", team, old, now_ns, keep_s=keep_s, successor=key.id)
            record(transaction, [rotated, _entry(by, "key.created", team, key, now_ns)])
            return key

        return self._writer.change(replace), secret

    def revoke(self, by: Actor, app: str, id: str, *, revision: int | None = None) -> None:
        now_ns = self._writer.clock.now_ns()

        def delete(transaction: Transaction) -> None:
            key = _key(transaction, app, id)
            refuse_stale(f"the key {id}", key.revision, revision)
            transaction.change("DELETE FROM write_keys WHERE id = :id", id=id)
            record(transaction, [_entry(by, "key.revoked", app_in(transaction, app).team, key, now_ns)])

        self._writer.change(delete)


def checked_origins(given: tuple[str, ...]) -> str:
    """`https://shop.example`, `https://*.shop.example`, with ports where they have one. Raises InputError."""
    origins = tuple(dict.fromkeys(one.strip().lower().rstrip("/") for one in given))
    if len(origins) > ORIGINS_MAX:
        raise InputError(f"{len(origins)} origins; at most {ORIGINS_MAX} of a key", code="bad_origin")
    for origin in origins:
        if not _is_origin(origin):
            raise InputError(
                f"{origin[:80]!r} is no origin of web pages, such as https://shop.example or https://*.shop.example",
                code="bad_origin",
            )
    joined = " ".join(origins)
    if len(joined) > ORIGINS_CHARS_MAX:
        raise InputError(f"origins of {len(joined):,} characters; at most {ORIGINS_CHARS_MAX:,}", code="bad_origin")
    return joined


def _is_origin(text: str) -> bool:
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    host = (parts.hostname or "").removeprefix("*.")
    letters = host.isascii() and all(char.isalnum() or char in ".-:" for char in host)
    whole = f"{parts.scheme}://{parts.netloc}" == text and "@" not in text
    return parts.scheme in ("http", "https") and bool(host) and letters and whole and (port is None or port > 0)


def _key(transaction: Transaction, app: str, id: str) -> Key:
    sql = f"SELECT {_COLUMNS} FROM write_keys WHERE id = :id AND app = :app"  # noqa: S608
    found = transaction.rows(sql, id=id, app=app)
    if not found:
        raise not_found("key", id)
    return Key(*found[0])


def _is_there(transaction: Transaction, secret: str) -> bool:
    return bool(transaction.rows("SELECT 1 FROM write_keys WHERE sha256 = :sha256", sha256=sha256_of(secret)))


def _refuse_longer(old: Key, until_ns: int, now_ns: int) -> None:
    """A key that was rotated ends when that said: whoever did it counts on that."""
    if not old.expires_ns or until_ns <= old.expires_ns:
        return
    left_s = (old.expires_ns - now_ns) // NS_PER_S
    ends = f"ends in {left_s:,} s already; ask for no more" if left_s > 0 else "has ended already"
    raise InputError(
        f"the key {old.id} was rotated before and {ends}, or rotate the key that took its place",
        code="conflict",
        status=409,
    )


def _entry(by: Actor, what: str, team: str, key: Key, now_ns: int, **more: object) -> Entry:
    told = {"name": key.name, "prefix": key.prefix, "origins": key.origins} | more
    return Entry(by=by, what=what, made_ns=now_ns, team=team, app=key.app, target=key.id, detail=told)


def insert_key(transaction: Transaction, secret: str, key: Key) -> None:
    insert_key_hash(transaction, sha256_of(secret), key)


def insert_key_hash(transaction: Transaction, sha256: str, key: Key) -> None:
    transaction.change(
        "INSERT INTO write_keys (id, app, name, prefix, sha256, origins, made_ns, made_by, expires_ns, revision) "
        "VALUES (:id, :app, :name, :prefix, :sha256, :origins, :made, :by, :expires, :revision)",
        id=key.id, app=key.app, name=key.name, prefix=key.prefix, sha256=sha256, origins=key.origins, made=key.made_ns,
        by=key.made_by, expires=key.expires_ns, revision=key.revision,
    )  # fmt: skip
