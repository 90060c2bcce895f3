"""MongoDB as the store uses it: connection, databases, reads within limits, writes that are durable. The only file that
knows the client; none of its errors leaves it.

Writes wait for a majority of the members and for their journals: what is acknowledged survives the loss of a member.
They go as plain commands of thousands of documents, encoded in C: the client's own `insert_many` looks at each first,
10 to 50 % more of our time.

Reads for people may go to secondaries (`read_preference`), so that reports never slow writers. What decides about
writing (known ids, updates, marks) and what resumes a live tail asks the primary, and only for what a majority has: an
event that a fail-over may still roll back must not count as stored.

What a read costs, as a `Reading` counts it: rows and bytes that the server sent, or that went into a group; not what
it looked at for them. That is bounded by time alone (maxTimeMS).
"""

import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Literal, TypeAlias, TypeVar

import bson
import msgspec
from bson.errors import BSONError
from bson.raw_bson import RawBSONDocument
from pymongo import MongoClient, errors
from pymongo.collection import Collection
from pymongo.read_concern import ReadConcern
from pymongo.read_preferences import Nearest, Primary, PrimaryPreferred, Secondary, SecondaryPreferred

from logkeep.errors import BackendUnavailable, InputError, LogkeepError
from logkeep.store.mongodb_documents import Document, database_of, day_of_database, in_messages
from logkeep.store.reading import LimitReached, Limits, Reading
from logkeep.tls import advice

ReadPreference: TypeAlias = Literal["primary", "primaryPreferred", "secondary", "secondaryPreferred", "nearest"]
T = TypeVar("T")

# A message holds at most 48,000,000 bytes and 100,000 documents, whatever the server.
MESSAGE_BYTES_MAX, MESSAGE_DOCUMENTS_MAX = 40_000_000, 10_000
WRITE_WAIT_MS = 30_000  # for a majority; then the batch is tried again
SOCKET_TIMEOUT_S = 600.0  # no answer for so long: the server is gone. Keep-alive finds most of that much sooner
BATCH_ROWS_MAX = 1000  # documents of one answer: what is read too much when a limit or a cancel comes in between
NAMES_A_QUERY_MAX = 10_000  # values of one `$in`: a megabyte of query

_DUPLICATE, _TIMED_OUT, _AUTHENTICATION_FAILED = 11000, 50, 18
_MEMORY_CODES = {16945, 292, 146}  # of a group or a sort
_GONE_CODES = {26, 43, 175, 237}  # the collection or its cursor went away: the day was dropped
# Of one document: what is wrong with it is wrong for ever.
_NEVER_CODES = {2, 9, 22, 52, 56, 121, 10334, 17280, 17419, 17420}
_MODES = {
    "primary": Primary,
    "primaryPreferred": PrimaryPreferred,
    "secondary": Secondary,
    "secondaryPreferred": SecondaryPreferred,
    "nearest": Nearest,
}
_WRITE_CONCERN = {"w": "majority", "j": True, "wtimeout": WRITE_WAIT_MS}


def messages(documents: Iterable[Document]) -> Iterator[list[RawBSONDocument]]:
    """The documents as each message has them, encoded one by one as they come.

    Thousands of maps, kept until a message is full, leave the core's cache: a fifth of what all this costs.
    """
    with _translated():
        encoded = map(bson.encode, documents)
        for piece in in_messages(encoded, documents_max=MESSAGE_DOCUMENTS_MAX, bytes_max=MESSAGE_BYTES_MAX):
            yield [RawBSONDocument(each) for each in piece]


class Find(msgspec.Struct, frozen=True):
    """What to read of a collection. order: fields with 1 or -1. fields: as MongoDB's projections."""

    spec: Document
    order: tuple[tuple[str, int], ...] = ()
    limit: int | None = None
    fields: Document | None = None


def client_of(url: str, *, connect_timeout_s: float) -> "MongoClient[Document]":
    """All options of the address hold, but for the times, which are Logkeep's. Connects when it is first used.

    Raises BackendUnavailable: the address cannot be used.
    """
    with _translated():
        return MongoClient(
            url,
            appname="logkeep",
            serverSelectionTimeoutMS=int(connect_timeout_s * 1000),
            connectTimeoutMS=int(connect_timeout_s * 1000),
            socketTimeoutMS=int(SOCKET_TIMEOUT_S * 1000),
            tz_aware=True,
        )


def readers_of(client: "MongoClient[Document]", url: str, mode: ReadPreference) -> Any:
    """Whom reports ask: what the address says, with its tags and staleness, or else `mode`."""
    options = url.partition("?")[2].lower().split("&")
    return client.read_preference if any(one.startswith("readpreference=") for one in options) else _MODES[mode]()


class Server:
    """Safe from many threads. Opening waits for a primary up to `connect_timeout_s`; raises BackendUnavailable."""

    def __init__(self, url: str, *, prefix: str, read_preference: ReadPreference, connect_timeout_s: float) -> None:
        self.prefix = prefix
        self._closed = False
        self._client = client_of(url, connect_timeout_s=connect_timeout_s)
        self._readers = readers_of(self._client, url, read_preference)
        try:
            with _translated():
                hello = self._client.admin.command("ismaster")  # `hello` came later; every server answers this
            self._has_sessions = hello.get("logicalSessionTimeoutMinutes") is not None
        except LogkeepError:
            self._client.close()
            raise
        self._stopper = _Stopper(self._client)

    # ── what there is ─────────────────────────────────────────────────────────────────────────────────────────────

    def days(self) -> list[str]:
        """Days that have a database, oldest first. One round trip, so that other writers' new days are there."""
        with self._open():
            names = self._client.list_databases(nameOnly=True, filter={"name": {"$regex": f"^{self.prefix}_"}})
            found = [day_of_database(self.prefix, each["name"]) for each in names]
        return sorted(day for day in found if day is not None)

    def make_indexes(self, day: str | None, collection: str, indexes: Sequence[Document]) -> None:
        """There afterwards; again: no harm."""
        with self._open():
            self._database(day).command("createIndexes", collection, indexes=list(indexes), writeConcern=_WRITE_CONCERN)

    def drop_day(self, day: str) -> None:
        with self._open():
            self._client.drop_database(database_of(self.prefix, day))

    def size(self, day: str) -> tuple[int, int]:
        """Documents by the server's own count, and bytes on disk with the indexes; both without reading."""
        with self._open():
            found = self._database(day).command("dbStats")
            return int(found["objects"]), int(found["storageSize"]) + int(found["indexSize"])

    def answers(self) -> bool:
        if self._closed:
            return False
        try:
            self._client.admin.command("ping")
        except (errors.PyMongoError, OSError):
            return False
        return True

    def close(self) -> None:
        """Again: no harm."""
        if not self._closed:
            self._closed = True
            self._stopper.close()
            self._client.close()

    # ── writing ───────────────────────────────────────────────────────────────────────────────────────────────────

    def insert(self, day: str | None, collection: str, documents: Iterable[Document]) -> None:
        """All are there, durably; those whose `_id` was there already stay as they were.

        Raises BackendUnavailable (some may be there; again: no harm), InputError (one can never be stored).
        """
        for piece in messages(documents):
            self._write(day, "insert", collection, documents=piece)

    def upsert(self, collection: str, changes: Sequence[tuple[str, Document]]) -> None:
        """Each document of this `_id` is changed so, or made. Raises as `insert`."""
        for start in range(0, len(changes), MESSAGE_DOCUMENTS_MAX):
            piece = changes[start : start + MESSAGE_DOCUMENTS_MAX]
            updates = [{"q": {"_id": name}, "u": change, "upsert": True} for name, change in piece]
            self._write(None, "update", collection, updates=updates)

    def change(self, day: str, names: Sequence[str], change: Document) -> None:
        """The events of these `_id`s are changed so."""
        for start in range(0, len(names), NAMES_A_QUERY_MAX):
            chosen = {"_id": {"$in": list(names[start : start + NAMES_A_QUERY_MAX])}}
            self._write(day, "update", "events", updates=[{"q": chosen, "u": change, "multi": True}])

    def delete(self, day: str | None, collection: str, spec: Document) -> None:
        self._write(day, "delete", collection, deletes=[{"q": spec, "limit": 0}])

    def _write(self, day: str | None, command: str, collection: str, **what: Any) -> None:
        with self._open():
            reply = self._database(day).command(command, collection, ordered=False, writeConcern=_WRITE_CONCERN, **what)
        failed = [each for each in reply.get("writeErrors", ()) if each.get("code") != _DUPLICATE]
        if failed:
            message = f"MongoDB refused {len(failed):,} documents: {_brief(failed[0].get('errmsg', ''))}"
            if all(each.get("code") in _NEVER_CODES for each in failed):
                raise InputError(message, code="refused_by_store")
            raise BackendUnavailable(message)
        if concern := reply.get("writeConcernError"):
            raise BackendUnavailable(f"MongoDB did not reach a majority: {_brief(concern.get('errmsg', ''))}")

    # ── reading ───────────────────────────────────────────────────────────────────────────────────────────────────

    def own(self, day: str | None, collection: str, find: Find) -> list[Document]:
        """For what writing decides on: of the primary, durable on a majority, without limits."""
        found: list[Document] = []
        with self._open(day=day):
            found.extend(self._cursor(self._certain(day, collection), find))
        return found

    def own_of_names(self, day: str | None, collection: str, names: Sequence[str], fields: Document) -> list[Document]:
        """`own`, of the documents with these `_id`s."""
        found: list[Document] = []
        for start in range(0, len(names), NAMES_A_QUERY_MAX):
            chosen = {"_id": {"$in": list(names[start : start + NAMES_A_QUERY_MAX])}}
            found += self.own(day, collection, Find(chosen, fields=fields))
        return found

    def find(self, reading: Reading, day: str | None, find: Find, *, certain: bool = False) -> Iterator[list[Document]]:
        """The events of that day, a batch at a time. certain: of the primary. Nothing more when the day is dropped.

        Raises LimitReached (after what was within the limit), InputError (cancelled), BackendUnavailable.
        """
        left = reading.left()
        collection = (self._certain if certain else self._for_readers)(day, "events")
        limit = left.rows_max if find.limit is None else min(find.limit, left.rows_max)
        rows = size = 0
        with self._open(day=day), self._session() as session:
            cursor = collection.find_raw_batches(
                find.spec,
                find.fields,
                sort=list(find.order) or None,
                limit=limit,
                batch_size=min(BATCH_ROWS_MAX, limit),
                max_time_ms=_milliseconds(left),
                session=session,
            )
            # A batch as it came over the wire: decoded at once in C, and its bytes are known.
            batches: Iterator[bytes] = cursor  # type: ignore[assignment]
            while (raw := self._next(reading, session, lambda: next(batches, None))) is not None:
                found = bson.decode_all(raw)
                rows, size = rows + len(found), size + len(raw)
                _add(reading, left, len(found), len(raw))
                yield found
                if rows >= left.rows_max:
                    raise LimitReached("rows")
                if size >= left.bytes_max:
                    raise LimitReached("bytes")

    def aggregate(self, reading: Reading, day: str, pipeline: Sequence[Document], *, rows: str) -> list[Document]:
        """What `pipeline` makes of that day's events. rows: the member that counts those that went into an answer.

        It may count one more than is left, so that who asks has the server stop there. Raises as `find`.
        """
        left, found = reading.left(), list[Document]()
        with self._open(day=day), self._session() as session:
            # For this the client has no raw batches that every server can answer; groups are few.
            found = self._next(
                reading,
                session,
                lambda: list(
                    self._for_readers(day, "events").aggregate(
                        list(pipeline), maxTimeMS=_milliseconds(left), session=session
                    )
                ),
            )
        counted = sum(int(each[rows]) for each in found)
        _add(reading, left, counted, sum(len(bson.encode(each)) for each in found[:100]) * (len(found) // 100 + 1))
        if counted >= left.rows_max:
            raise LimitReached("rows")
        return found

    def count(self, reading: Reading, day: str, spec: Document, *, certain: bool = False) -> int:
        """Raises as `find`."""
        left, found = reading.left(), 0
        with self._open(day=day), self._session() as session:
            collection = (self._certain if certain else self._for_readers)(day, "events")
            found = self._next(
                reading,
                session,
                lambda: collection.count_documents(
                    spec, limit=left.rows_max, maxTimeMS=_milliseconds(left), session=session
                ),
            )
        _add(reading, left, found, 0)
        if found >= left.rows_max:
            raise LimitReached("rows")
        return found

    def plan(self, reading: Reading, day: str, spec: Document) -> Document:
        """How the server would find these events; {} where it does not tell."""
        left = reading.left()
        try:
            with self._open():
                asked = {"find": "events", "filter": spec, "maxTimeMS": _milliseconds(left)}
                return dict(self._database(day).command("explain", asked, verbosity="queryPlanner"))
        except LogkeepError:
            return {}

    def _next(self, reading: Reading, session: Any, step: Callable[[], T]) -> T:
        """One round trip; `reading.cancel` stops it on the server."""
        try:
            with reading.stopped_by(lambda: self._stopper.stop(session)):
                return step()
        except errors.PyMongoError:
            reading.check()
            raise

    @contextmanager
    def _session(self) -> Iterator[Any]:
        """What a read can be stopped by; None where the server knows none."""
        if not self._has_sessions:
            yield None
            return
        # Not causal: it would have a secondary wait for the primary's last write, and pages are exact without.
        with self._client.start_session(causal_consistency=False) as session:
            yield session

    def _cursor(self, collection: Collection[Document], find: Find) -> Any:
        return collection.find(find.spec, find.fields, sort=list(find.order) or None, limit=find.limit or 0)

    def _database(self, day: str | None) -> Any:
        return self._client[self.prefix if day is None else database_of(self.prefix, day)]

    def _certain(self, day: str | None, collection: str) -> Collection[Document]:
        found: Collection[Document] = self._database(day).get_collection(
            collection, read_preference=Primary(), read_concern=ReadConcern("majority")
        )
        return found

    def _for_readers(self, day: str | None, collection: str) -> Collection[Document]:
        found: Collection[Document] = self._database(day).get_collection(collection, read_preference=self._readers)
        return found

    @contextmanager
    def _open(self, *, day: str | None = None) -> Iterator[None]:
        """day: of a read that ends quietly when that day is dropped meanwhile."""
        if self._closed:
            raise BackendUnavailable("the store is closed", code="store_closed")
        with _translated():
            try:
                yield
            except errors.OperationFailure as error:
                # A cursor may also be gone because its server is: then what was read is not all there was.
                if day is None or error.code not in _GONE_CODES or day in self.days():
                    raise


class _Stopper:
    """Ends reads on the server by their session, from a thread of its own: who cancels does not wait."""

    def __init__(self, client: MongoClient[Document]) -> None:
        self._client = client
        self._wanted: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="mongodb-stopper", daemon=True)
        self._thread.start()

    def stop(self, session: Any) -> None:
        if session is not None:
            self._wanted.put(dict(session.session_id))

    def close(self) -> None:
        self._wanted.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (session := self._wanted.get()) is not None:
            with suppress(errors.PyMongoError):  # the read ends at its time limit in any case
                self._client.admin.command("killSessions", [session])


@contextmanager
def _translated() -> Iterator[None]:
    """Inside, the client's errors come out as ours."""
    try:
        yield
    except errors.OperationFailure as error:
        raise _of_operation(error) from error
    except (errors.DocumentTooLarge, BSONError, OverflowError, UnicodeEncodeError) as error:
        raise InputError(f"MongoDB cannot store this: {_brief(str(error))}", code="refused_by_store") from error
    except (errors.ConfigurationError, ValueError) as error:  # InvalidURI among them
        raise BackendUnavailable(f"the address of MongoDB cannot be used: {_brief(str(error))}") from error
    except (errors.PyMongoError, OSError) as error:
        text = advice(
            _brief(str(error)), "mongodb", authority="tlsCAFile of mongodb.url",
            own="tlsCertificateKeyFile of mongodb.url",
        )  # fmt: skip
        raise BackendUnavailable(f"MongoDB does not answer: {text}") from error


def _of_operation(error: errors.OperationFailure) -> LogkeepError:
    if error.code == _TIMED_OUT:
        return LimitReached("time")
    if error.code in _MEMORY_CODES:
        return LimitReached("memory")
    if error.code == _AUTHENTICATION_FAILED:
        return BackendUnavailable("MongoDB lets us not in: check user, password and authSource in mongodb.url")
    return BackendUnavailable(f"MongoDB failed (code {error.code}): {_brief(str(error))}")


def _brief(text: str) -> str:
    """The first line of an error, without what may be in its address: a client's message may repeat a URL."""
    first = text.splitlines()[0] if text else ""
    return first.partition(", full error:")[0].partition(", Topology Description")[0].rpartition("@")[2][:300]


def _milliseconds(left: Limits) -> int:
    return max(1, min(int(left.timeout_s * 1000), (1 << 31) - 1))


def _add(reading: Reading, left: Limits, rows: int, size: int) -> None:
    reading.add(min(rows, left.rows_max), min(size, left.bytes_max))
