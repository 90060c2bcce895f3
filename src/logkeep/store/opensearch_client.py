"""Requests to OpenSearch or Elasticsearch: bytes out and in, and failures as ours. The vendor's client is known here
alone, and so is what tells the two products apart.

Bodies are encoded and decoded with msgspec by who asks: the client's own JSON costs five times as much.
"""

import random
from collections.abc import Sequence
from typing import Any, Literal
from urllib.parse import quote, urlsplit

import msgspec
from opensearchpy.connection import Urllib3HttpConnection
from opensearchpy.exceptions import ConnectionError as NotReached
from opensearchpy.exceptions import ConnectionTimeout, TransportError
from opensearchpy.serializer import TextSerializer
from opensearchpy.transport import Transport

from logkeep.clock import Clock
from logkeep.errors import BackendUnavailable, InputError, LogkeepError
from logkeep.tls import TlsFiles, advice

Product = Literal["opensearch", "elasticsearch"]

TRIES_MAX = 6  # of one request that the engine has no room for now
WAIT_FIRST_S, WAIT_MAX_S = 0.1, 2.0  # between them, doubled each time, half of it by chance: 5 s in all at most
NO_ROOM = frozenset((429, 503))
AT_FAULT = frozenset((400, 404, 413))
REASON_CHARS_MAX = 300
OUR_CERTIFICATE_WANTED = "No required SSL certificate was sent"  # an nginx in front of the nodes, with a 400
MERGE_S = 5.0  # to wait for the end of a merge, which goes on without
CANCEL_S = 5.0  # each request of a cancellation
PIT_KEEP_S = 120  # a point in time nobody asks about so long is gone


class EngineRefused(InputError):
    """The engine will never answer this request. `kind`: its word for why; `engine_status`: the HTTP status."""

    def __init__(self, kind: str, reason: str, engine_status: int) -> None:
        super().__init__(f"the store refuses this: {kind}: {reason[:REASON_CHARS_MAX]}", code="store_refused")
        self.kind, self.engine_status = kind, engine_status


class Access(msgspec.Struct, frozen=True):
    """Where the engine is and who we are to it.

    files: for https. section: of the settings, for what a message says to look at.
    """

    urls: tuple[str, ...]
    product: Product = "opensearch"
    user: str = ""
    password: str = ""
    api_key: str = ""
    files: TlsFiles = TlsFiles("opensearch")
    connections: int = 8


class SearchClient:
    """Safe from many threads. Raises BackendUnavailable (not reached, no room, not allowed) and EngineRefused."""

    def __init__(self, access: Access, clock: Clock) -> None:
        self.product = access.product
        self._clock = clock
        secure = any(url.startswith("https:") for url in access.urls)
        access.files.check(tls=secure, how="begin opensearch.urls with https://")
        options: dict[str, Any] = {"headers": {"authorization": f"ApiKey {access.api_key}"}} if access.api_key else {}
        if access.user:
            options["http_auth"] = (access.user, access.password)
        if secure:
            options["ssl_context"] = access.files.context()
        self._transport = Transport(
            [_host(url) for url in access.urls],
            connection_class=Urllib3HttpConnection,
            serializers={"application/json": _AsItIs(), "text/plain": _AsItIs()},
            max_retries=len(access.urls) - 1,  # another node, when one is not reached
            retry_on_status=(),
            maxsize=access.connections,
            **options,
        )

    def request(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        *,
        timeout_s: float = 60.0,
        missing_ok: bool = False,
        task: str = "",
    ) -> bytes:
        """The body of the answer. missing_ok: a 404 is b""; else EngineRefused, as other faults of the request.

        task: a name by which `cancel` finds it.
        """
        wait_s = WAIT_FIRST_S
        for attempt in range(TRIES_MAX):
            try:
                return self._once(method, path, body, timeout_s, task)
            except TransportError as error:
                status = error.status_code
                if status == 404 and missing_ok:
                    return b""
                if status == 400 and OUR_CERTIFICATE_WANTED in str(error.error):
                    raise _unavailable(error) from None
                if status in AT_FAULT:
                    raise EngineRefused(*_reason(error), int(status)) from None
                if status not in NO_ROOM or attempt == TRIES_MAX - 1:
                    raise _unavailable(error) from None
            self._clock.sleep(wait_s * (0.5 + random.random() / 2))
            wait_s = min(wait_s * 2, WAIT_MAX_S)
        raise AssertionError("unreachable")

    def _once(self, method: str, path: str, body: bytes, timeout_s: float, task: str) -> bytes:
        headers = {"x-opaque-id": task} if task else None
        found = self._transport.perform_request(method, path, body=body or None, timeout=timeout_s, headers=headers)
        return found.encode() if isinstance(found, str) else b""

    def open_pit(self, indexes: str, options: str) -> str:
        """The name of the engine's present state of `indexes`: what is written later is not in it.

        indexes, options: as parts of the address.
        """
        path = "_pit" if self.product == "elasticsearch" else "_search/point_in_time"
        asked = f"/{indexes}/{path}?keep_alive={PIT_KEEP_S}s&ignore_unavailable=true{options}"
        opened = _decode_pit(self.request("POST", asked))
        return opened.id or opened.pit_id

    def close_pit(self, pit: str) -> None:
        """Frees what it holds; the engine does so by itself after PIT_KEEP_S."""
        if self.product == "elasticsearch":
            self.request("DELETE", "/_pit", msgspec.json.encode({"id": pit}), missing_ok=True)
        else:
            body = msgspec.json.encode({"pit_id": [pit]})
            self.request("DELETE", "/_search/point_in_time", body, missing_ok=True)

    def cancel(self, task: str) -> None:
        """The engine stops what `request` asked under this name, where it still works on it. Never raises."""
        try:
            nodes = _decode_tasks(self.request("GET", "/_tasks?actions=*search*", timeout_s=CANCEL_S)).nodes
            for name, found in ((name, each) for node in nodes.values() for name, each in node.tasks.items()):
                if found.headers.get("X-Opaque-Id") == task:
                    self.request("POST", f"/_tasks/{name}/_cancel", timeout_s=CANCEL_S)
        except (LogkeepError, msgspec.MsgspecError):
            return  # it ends by its own time

    def merge_away_deleted(self, indexes: Sequence[str]) -> None:
        """The engine begins to write anew what holds deleted documents, and goes on when nobody waits."""
        names = listed(indexes)
        self.request("POST", f"/{names}/_flush?force=true&ignore_unavailable=true")
        try:
            path = f"/{names}/_forcemerge?only_expunge_deletes=true&ignore_unavailable=true"
            self.request("POST", path, timeout_s=MERGE_S)
        except BackendUnavailable:
            return  # not answered in time

    def close(self) -> None:
        self._transport.close()


class _AsItIs(TextSerializer):
    mimetype = "application/json"

    def dumps(self, data: Any) -> Any:
        return data


class _Pit(msgspec.Struct):
    id: str = ""
    pit_id: str = ""


class _Cause(msgspec.Struct):
    type: str = ""
    reason: str | None = ""


class _Failure(msgspec.Struct):
    """What the engine says of a request that failed; the root causes of a search say more than its own line."""

    type: str = ""
    reason: str | None = ""
    root_cause: list[_Cause] = []


class _Failed(msgspec.Struct):
    error: _Failure


class _Task(msgspec.Struct):
    headers: dict[str, str] = {}


class _Node(msgspec.Struct):
    tasks: dict[str, _Task] = {}


class _Tasks(msgspec.Struct):
    nodes: dict[str, _Node] = {}


_decode_tasks = msgspec.json.Decoder(_Tasks).decode
_decode_pit = msgspec.json.Decoder(_Pit).decode
_decode_failed = msgspec.json.Decoder(_Failed).decode


def _host(url: str) -> dict[str, Any]:
    """An address as the client wants it. Raises InputError."""
    parts = urlsplit(url)
    try:
        port = parts.port
    except ValueError:
        port = 0
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        raise InputError(f"{url!r} is no address of a node; write one such as https://search.example:9200")
    secure = parts.scheme == "https"
    host = {"host": parts.hostname, "port": port or (443 if secure else 9200), "use_ssl": secure}
    return host | ({"url_prefix": parts.path.strip("/")} if parts.path.strip("/") else {})


def _reason(error: TransportError) -> tuple[str, str]:
    try:
        info = error.info
        found = (_decode_failed(info) if isinstance(info, str | bytes) else msgspec.convert(info, _Failed)).error
        cause = found.root_cause[0] if found.root_cause else _Cause(found.type, found.reason)
        return cause.type, cause.reason or ""
    except (msgspec.MsgspecError, IndexError):
        return "error", str(error)


def _unavailable(error: TransportError) -> BackendUnavailable:
    if isinstance(error, ConnectionTimeout):
        return BackendUnavailable("the store did not answer in time")
    if isinstance(error, NotReached):
        return BackendUnavailable(f"the store is not reached: {advice(_brief(error), 'opensearch', address='urls')}")
    if error.status_code == 401:
        todo = "check opensearch.user and opensearch.password, or opensearch.api_key"
        return BackendUnavailable(f"the store lets us not in: it answers 401; {todo}")
    kind, reason = _reason(error)
    text = advice(f"{kind}: {reason[:REASON_CHARS_MAX]}", "opensearch", address="urls")
    todo = "; the user of opensearch.user lacks a right" if error.status_code == 403 else ""
    return BackendUnavailable(f"the store answers {error.status_code}: {text}{todo}")


def _brief(error: TransportError) -> str:
    return str(error.info)[:REASON_CHARS_MAX]


def listed(indexes: Sequence[str]) -> str:
    """Names of indexes as a part of a path."""
    return quote(",".join(indexes), safe=",*")
