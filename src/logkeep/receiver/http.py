"""HTTP intake: one protocol a connection, on httptools and uvloop.

A framework costs two to ten times what the work itself costs here, so the safety a framework gives stands in this
file and is tested point by point: bounded heads, bodies, connections and memory; slow senders and slow readers cut
off by one periodic sweep; answers in the order of the requests; no answer before what it answers is durable.
"""

import asyncio
from collections import deque
from typing import Any

import httptools

from logkeep.decode.body import encoding_of
from logkeep.decode.native import count_flawless
from logkeep.decode.notices import KINDS
from logkeep.decode.split import Form
from logkeep.errors import BackendUnavailable, InputError, LogkeepError
from logkeep.receiver.answers import CONTINUE, without_body
from logkeep.receiver.commit import Exchange
from logkeep.receiver.configured import DEVICE, device_of
from logkeep.receiver.heads import HEADERS, PLAIN
from logkeep.receiver.intake import Intake, KnownHead
from logkeep.receiver.reading import PreparedBody, Result, SentBody
from logkeep.receiver.routes import EVENTS, EVENTS_URL, MethodNotAllowed, Route, route_of
from logkeep.receiver.sender_limits import Sender
from logkeep.telemetry import get_logger

PIPELINE_MAX = 64  # exchanges under way on one connection; then it is not read from until they are answered
LINGER_S = 2.0  # after an early refusal: what is still sent is thrown away, so that the sender gets to read the answer
DISCARD_BYTES_MAX = 64 << 10  # a refused body up to this size is read and thrown away; larger ones end the connection

NOBODY = Sender("")

_log = get_logger("receiver")


class Connection(asyncio.Protocol):
    """One connection. The parser calls the `on_…` methods; exchanges stand in `_exchanges` until they are answered."""

    __slots__ = (
        "_active_s",
        "_body",
        "_closing",
        "_complete",
        "_config",
        "_discard",
        "_early",
        "_exchanges",
        "_half_closed",
        "_head",
        "_head_bytes",
        "_head_fed",
        "_held",
        "_in_head",
        "_intake",
        "_linger_s",
        "_parser",
        "_paused",
        "_reading_s",
        "_route",
        "_sender",
        "_transport",
        "_unread",
        "_url",
        "_without_offer",
        "_write_paused_s",
    )  # fmt: skip

    def __init__(self, intake: Intake) -> None:
        self._intake = intake
        self._transport: asyncio.Transport | None = None
        self._parser: Any = None
        self._exchanges: deque[Exchange] = deque()
        self._closing = False  # nothing more is understood of what comes in
        self._half_closed = False
        self._paused = False
        self._active_s = intake.now_s
        self._reading_s = 0.0  # when the request being read began; 0.0 when there is none
        self._linger_s = 0.0
        self._write_paused_s = 0.0
        self._unread = False  # the connection ends in the middle of a request
        self._without_offer = b""  # the head of a request that offers to change the protocol, to be read again
        self._head_fed = 0
        self._held = 0
        self._complete: KnownHead | None = None  # of the request that was read last, when its head may be remembered
        self._forget_request()

    def _forget_request(self) -> None:
        self._url = b""
        self._head: dict[bytes, bytes] = {}
        self._head_bytes = 0
        self._in_head = False
        self._sender = NOBODY
        self._config: bytes | None = None  # what the sender's device is told with the answer
        self._route: Route = EVENTS
        self._body: bytes | bytearray = b""
        self._discard = False
        self._early: Exchange | None = None  # the answer given before the request was read to its end

    # --- the transport's calls ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        intake = self._intake
        self._transport = transport  # type: ignore[assignment]
        if len(intake.connections) >= intake.settings.connections_max or intake.draining:
            self._closing = True
            transport.abort()  # type: ignore[attr-defined]
            return
        self._parser = httptools.HttpRequestParser(self)
        intake.connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._closing = True
        self._transport = None
        self._parser = None  # it refers back to this object
        self._intake.connections.discard(self)
        self._release()

    def data_received(self, data: bytes) -> None:
        if self._closing:
            return
        if self._reading_s:
            self._read(data)
            return
        head = data[: data.find(b"\r\n\r\n") + 4]
        known = self._intake.heads.get(head)
        if known is not None and len(data) - len(head) == known.body_bytes and self._take_known(known, data, len(head)):
            return
        self._complete = None
        self._read(data)
        if self._complete is not None and len(data) - len(head) == self._complete.body_bytes:
            self._intake.remember_head(head, self._complete)

    def _take_known(self, known: KnownHead, data: bytes, start: int) -> bool:
        """One whole request under a head that was parsed and admitted before: the same bytes mean the same.

        Senders repeat their heads byte for byte, so most requests need no parser (half of the work). False when
        anything about it is unusual: then it is read in the general way.
        """
        intake = self._intake
        if intake.draining or not intake.has_room(known.body_bytes):
            return False
        body = data[start:]
        form: Form = "json" if body[:1] == b"[" else "ndjson"
        count = count_flawless(body, form)
        if not 0 < count <= intake.settings.events_max:
            return False
        exchange = Exchange(self, known.sender.app, body, count)
        exchange.form = form
        exchange.config = known.config
        exchange.held = exchange.wire_bytes = known.body_bytes
        intake.pending_bytes += known.body_bytes
        self._active_s = intake.now_s
        self._exchanges.append(exchange)
        intake.submit(exchange, known.sender, self._address(known.forwarded))
        if len(self._exchanges) >= PIPELINE_MAX or intake.pending_bytes > intake.pending_high:
            self._set_reading()
        return True

    def _read(self, data: bytes) -> None:
        """Gives `data` to the parser; what is wrong with it is answered."""
        idle, was_in_head = not self._reading_s, self._in_head
        self._active_s = self._intake.now_s
        if idle:
            self._reading_s = self._active_s
        try:
            self._feed(data)
        except httptools.HttpParserCallbackError:
            _log.exception("a request failed")  # a bug: the sender tries again, and the connection is not trusted
            self._refuse(BackendUnavailable("the receiver failed here", code="internal"), close=True)
        except httptools.HttpParserError as error:
            if not self._closing:
                self._refuse(InputError(f"this is no HTTP/1.1 request: {error}", code="bad_request"), close=True)
        if self._in_head and not self._closing:
            # One header may come in many pieces, which the parser gathers: what was fed in is the bound.
            self._head_fed = self._head_fed + len(data) if was_in_head else (len(data) if idle else 0)
            if self._head_fed > self._intake.settings.header_bytes_max:
                self._refuse(self._head_too_large(), close=True)

    def _feed(self, data: bytes) -> None:
        while data:
            try:
                self._parser.feed_data(data)
                return
            except httptools.HttpParserUpgrade as upgrade:
                # An offer to change the protocol (curl --http2 makes one) is not taken up. The parser would leave the
                # body for the other protocol, so the request goes to a new one, the same but for the offer.
                data = b"" if self._closing else self._without_offer + data[upgrade.args[0] :]
                if self._without_offer:
                    self._parser = httptools.HttpRequestParser(self)
                    self._without_offer = b""

    def eof_received(self) -> bool:
        """The sender has finished; it still gets the answers that are under way."""
        self._half_closed = True
        return bool(self._exchanges)

    def pause_writing(self) -> None:
        self._write_paused_s = self._intake.now_s
        self._set_reading()

    def resume_writing(self) -> None:
        self._write_paused_s = 0.0
        self._set_reading()

    def _set_reading(self) -> None:
        """Reads on unless the peer does not take its answers, or too much of this connection waits for a commit.

        Not paused for the sake of memory in the middle of a request: it could not finish, and so never free its own.
        """
        transport, waiting = self._transport, len(self._exchanges)
        if transport is None or transport.is_closing():
            return
        full = waiting >= PIPELINE_MAX or (waiting > 0 and self._intake.pending_bytes > self._intake.pending_high)
        pause = not self._linger_s and (bool(self._write_paused_s) or (full and not self._reading_s))
        if pause != self._paused:
            self._paused = pause
            if pause:
                transport.pause_reading()
            else:
                transport.resume_reading()

    # --- the parser's calls ---

    def on_url(self, url: bytes) -> None:
        self._in_head = True
        if not self._reading_s:
            self._reading_s = self._active_s
        self._url = self._url + url if self._url else url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value)
        known = HEADERS.get(name)
        if known is None:
            known = HEADERS.get(name.lower())
        if known:
            self._head[known] = value

    def on_headers_complete(self) -> None:
        self._in_head = False
        if self._closing:
            return
        if self._head_bytes + len(self._url) > self._intake.settings.header_bytes_max:
            self._refuse(self._head_too_large(), close=True)
            return
        if b"upgrade" in self._head and self._parser.should_upgrade():
            self._without_offer = self._head_without_offer()
            self._forget_request()
            return
        try:
            self._admit()
        except LogkeepError as error:
            self._refuse(error)

    def on_body(self, chunk: bytes) -> None:
        if self._discard or self._closing:
            return
        body, intake, size = self._body, self._intake, len(chunk)
        self._held += size
        intake.pending_bytes += size
        if not body:
            self._body = chunk
        elif isinstance(body, bytearray):
            body += chunk
        else:
            self._body = bytearray(body) + chunk  # not a list of chunks: of tiny ones each would cost 60 bytes
        if self._held > intake.settings.body_bytes_max:
            self._refuse(_body_too_large(self._held, intake.settings.body_bytes_max))
        elif intake.pending_bytes > intake.settings.pending_bytes_max:
            self._refuse(_overloaded())

    def on_message_complete(self) -> None:
        if self._without_offer:
            return
        self._reading_s = 0.0
        if self._closing:
            return
        self._complete = self._known_head() if self._early is None else None
        if self._early is None:
            exchange = Exchange(self, self._sender.app)
            exchange.config = self._config
            exchange.held = exchange.wire_bytes = self._held
            self._held = 0
            if not self._parser.should_keep_alive() or self._intake.draining:
                exchange.close = self._closing = True
            elif b"connection" in self._head:
                exchange.keep_alive = True
            self._exchanges.append(exchange)
            try:
                self._take(exchange)
            except Exception:
                self._intake.fail(exchange)
        self._forget_request()
        if len(self._exchanges) >= PIPELINE_MAX or self._intake.pending_bytes > self._intake.pending_high:
            self._set_reading()

    def _known_head(self) -> KnownHead | None:
        """What a head like this one says, when it says nothing but whose events follow and how many bytes of them."""
        size = len(self._body)
        usual = (
            self._route is EVENTS
            and self._url == EVENTS_URL
            and self._head.keys() <= PLAIN
            and 0 < size <= self._intake.hot_bytes_max
            and self._parser.get_http_version() == "1.1"
        )
        if not usual:
            return None
        return KnownHead(self._sender, size, self._head.get(b"x-forwarded-for", b""), self._config)

    # --- one request ---

    def _head_without_offer(self) -> bytes:
        head = {name: value for name, value in self._head.items() if name not in (b"upgrade", b"connection")}
        if b"close" in self._head.get(b"connection", b"").lower():
            head[b"connection"] = b"close"
        lines = [b"%s %s HTTP/1.1" % (self._parser.get_method(), self._url)]
        lines += [b"%s: %s" % pair for pair in head.items()]
        return b"\r\n".join(lines) + b"\r\n\r\n"

    def _admit(self) -> None:
        """What can be told from the head alone. Raises what refuses the request."""
        intake, head, query = self._intake, self._head, b""
        method = self._parser.get_method()
        if self._url != EVENTS_URL or method != b"POST":
            self._route, query = route_of(method, self._url)
            if not self._route.takes_body:
                self._discard = True
                if self._route.name == "config":
                    self._sender = self._admitted(query)
                return
        self._sender = self._admitted(query)
        size = int(head.get(b"content-length", b"0"))
        if size > intake.settings.body_bytes_max:
            raise _body_too_large(size, intake.settings.body_bytes_max)
        if not intake.has_room(size):
            raise _overloaded()
        if b"content-encoding" in head:
            encoding_of(head[b"content-encoding"].decode("latin-1"))
        if b"expect" in head:
            self._send_continue(head[b"expect"])

    def _send_continue(self, expectation: bytes) -> None:
        if expectation.strip().lower() != b"100-continue":
            message = f"expect {expectation[:64].decode('latin-1')!r} is not possible"
            raise InputError(message, code="expectation_failed", status=417)
        interim = Exchange(self)
        interim.answer = CONTINUE  # in its turn: answers to earlier requests come first
        self._exchanges.append(interim)
        self.send_ready()

    def _take(self, exchange: Exchange) -> None:
        """The request is read to its end."""
        head, intake, route = self._head, self._intake, self._route
        body = self._body if isinstance(self._body, bytes) else bytes(self._body)
        if not route.takes_body:
            self._serve(route, exchange)
            return
        plain = b"content-encoding" not in head and b"idempotency-key" not in head
        if plain and route is EVENTS and len(body) <= intake.hot_bytes_max:
            form = exchange.form = "json" if body[:1] == b"[" else "ndjson"
            count = count_flawless(body, form)
            if 0 < count <= intake.settings.events_max:
                exchange.body, exchange.count = body, count
                intake.submit(exchange, self._sender, self._address(head.get(b"x-forwarded-for", b"")))
                return
        sender, address = self._sender, self._address(head.get(b"x-forwarded-for", b""))
        sent = SentBody(
            sender.app,
            body,
            encoding_of(head.get(b"content-encoding", b"").decode("latin-1")),
            head.get(b"idempotency-key"),
            route.session if route.name == "replace" else None,
            route.key if route.name == "replace" else None,
            limited=intake.limiter is not None and intake.limiter.limits(sender.app),
            kind=route.kind,
        )
        exchange.kind = route.kind
        if DEVICE in head and route.kind and KINDS[route.kind].of_sender:
            exchange.device = device_of(head)
        intake.readers.read(sent, lambda result: self._submit(exchange, sender, address, result))

    def _submit(self, exchange: Exchange, sender: Sender, address: str, result: Result) -> None:
        intake = self._intake
        if not isinstance(result, PreparedBody):
            error = result or BackendUnavailable("the receiver failed here", code="internal")
            intake.settle(exchange, intake.refusal(error, config=exchange.config))
            return
        checked = result.checked
        exchange.body, exchange.count, exchange.form = result.body, checked.count, checked.form
        exchange.encoding, exchange.marks = "zstd" if result.compressed else "plain", result.marks
        exchange.rejected, exchange.samples, exchange.batch_id = checked.rejected, checked.samples, result.batch_id
        exchange.named = checked.named
        exchange.repeatable = bool(result.batch_id)
        exchange.issues = result.issues
        more = max(0, len(result.body) - exchange.held)
        exchange.held += more
        intake.pending_bytes += more
        intake.submit(exchange, sender, address)

    def _admitted(self, query: bytes) -> Sender:
        """Raises InputError (401, 403)."""
        head, intake = self._head, self._intake
        address = self._address(head.get(b"x-forwarded-for", b""))
        sender = intake.sender_of(
            head.get(b"authorization"), head.get(b"x-logkeep-key"), query, address, head.get(b"origin")
        )
        if DEVICE in head and self._route.takes_body:
            self._config = intake.configured.changed(sender.app, head)  # whatever the answer will be
        intake.admit(sender, address)
        return sender

    def _address(self, forwarded: bytes) -> str:
        """Whose request this is, "" where no limit asks for it."""
        intake = self._intake
        if intake.limiter is None or not intake.limiter.looks_at_addresses or self._transport is None:
            return ""
        peer = self._transport.get_extra_info("peername")
        return intake.proxies.client(str(peer[0]) if peer else "", forwarded)

    def _serve(self, route: Route, exchange: Exchange) -> None:
        """Everything but events."""
        intake, answers = self._intake, self._intake.answers
        if route.name == "metrics":
            # Merging the processes' files takes ms: not on the loop.
            work = asyncio.get_running_loop().run_in_executor(None, intake.telemetry.exposition)
            work.add_done_callback(lambda done: self._send_metrics(exchange, route, done))
            return
        if route.name == "preflight":
            answer = answers.preflight()
        elif route.name == "config":
            answer = self._configuration()
        elif route.name == "live":
            answer = answers.make(200, b'{"status":"live"}')
        else:
            answer = self._readiness()
        self._settle(exchange, answer, head_only=route.head_only)

    def _configuration(self) -> bytes:
        query = self._url.partition(b"#")[0].partition(b"?")[2]
        try:
            found = self._intake.configured.asked(self._sender.app, query, self._head.get(b"if-none-match"))
        except LogkeepError as error:
            return self._error(error)
        headers = (("ETag", found.etag), ("Cache-Control", "private, no-cache"))
        return self._intake.answers.make(304 if found.body is None else 200, found.body or b"", headers=headers)

    def _readiness(self) -> bytes:
        if self._intake.draining:
            return self._error(BackendUnavailable("this receiver is stopping", code="stopping"))
        intake = self._intake
        problem = intake.committer.problem() or intake.queue_problem or intake.admission.problem()
        if problem is not None:
            return self._error(problem)
        degraded = intake.limiter.problem if intake.limiter is not None else None
        return intake.answers.ready(degraded)

    def _send_metrics(self, exchange: Exchange, route: Route, done: "asyncio.Future[bytes]") -> None:
        if done.cancelled() or done.exception() is not None:
            _log.error("cannot make the metrics", reason=repr(None if done.cancelled() else done.exception()))
            answer = self._error(BackendUnavailable("the metrics cannot be read now", code="internal"))
        else:
            content_type = "text/plain; version=0.0.4; charset=utf-8"
            answer = self._intake.answers.make(200, done.result(), content_type=content_type)
        self._settle(exchange, answer, head_only=route.head_only)

    # --- answers ---

    def send_ready(self) -> None:
        """Sends the answers whose turn it is."""
        exchanges, transport = self._exchanges, self._transport
        while exchanges and (answer := exchanges[0].answer) is not None:
            exchange = exchanges.popleft()
            if transport is None:
                continue
            if exchange.close:
                transport.write(_with_connection(answer, b"close"))
                self._end()
                return
            transport.write(_with_connection(answer, b"keep-alive") if exchange.keep_alive else answer)
        self._active_s = self._intake.now_s
        if self._paused:
            self._set_reading()
        if exchanges or transport is None:
            return
        if self._half_closed:
            transport.close()  # what it has begun to send will never be whole
        elif self._intake.draining:
            self.close_if_idle()

    def _refuse(self, error: LogkeepError, *, close: bool = False) -> None:
        """The request is answered before it is read to its end: what follows of it is thrown away, or the connection
        ends when that is more than a little, or unknown, or `close`."""
        self._discard = True
        self._release()
        small = 0 <= int(self._head.get(b"content-length", b"0")) <= DISCARD_BYTES_MAX
        keep = (
            not close
            and small
            and b"transfer-encoding" not in self._head
            and b"expect" not in self._head
            and not self._intake.draining
            and self._parser.should_keep_alive()
        )
        if not keep:
            self._closing = self._unread = True
        if self._early is not None:  # it has its answer already
            self._early.close = not keep
            if not keep and not self._exchanges:
                self._end()
            return
        exchange = self._early = Exchange(self)
        exchange.close = not keep
        self._exchanges.append(exchange)
        head_only = self._parser.get_method() == b"HEAD"
        self._settle(exchange, self._error(error, self._config), head_only=head_only)

    def _settle(self, exchange: Exchange, answer: bytes, *, head_only: bool) -> None:
        """head_only: an answer to HEAD has no body, whatever its status (RFC 9110, 9.3.2)."""
        self._intake.settle(exchange, without_body(answer) if head_only else answer)

    def _error(self, error: LogkeepError, config: bytes | None = None) -> bytes:
        allow = error.allow if isinstance(error, MethodNotAllowed) else None
        return self._intake.refusal(error, allow=allow, config=config)

    def _head_too_large(self) -> InputError:
        limit = self._intake.settings.header_bytes_max
        return InputError(
            f"request line and headers exceed header_bytes_max {limit:,}", code="head_too_large", status=431
        )

    def _release(self) -> None:
        """What was gathered of a body is forgotten."""
        self._intake.pending_bytes -= self._held
        self._held = 0
        self._body = b""

    # --- the end, and time ---

    def _end(self) -> None:
        """The last answer is written. A sender in the middle of its request gets time to read it: closing with unread
        bytes would make the kernel throw the answer away."""
        self._closing = True
        transport = self._transport
        if transport is None:
            return
        if not self._unread or self._half_closed:
            transport.close()
            return
        self._linger_s = self._intake.now_s
        transport.write_eof()
        self._set_reading()

    def close_if_idle(self) -> None:
        if not self._exchanges and not self._reading_s and self._transport is not None:
            self._closing = True
            self._transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def check_time(self, now_s: float) -> None:
        """Ends what takes too long. Waiting for a commit is not the sender's fault and has no limit here."""
        settings = self._intake.settings
        if self._linger_s:
            if now_s - self._linger_s >= LINGER_S:
                self.abort()
        elif self._write_paused_s and now_s - self._write_paused_s >= settings.request_timeout_s:
            self.abort()  # it does not read its answers
        elif self._closing:
            return
        elif self._reading_s and now_s - self._reading_s >= settings.request_timeout_s:
            message = f"the request took longer than request_timeout_s {settings.request_timeout_s:g}"
            self._refuse(InputError(message, code="request_timeout", status=408), close=True)
        elif not self._reading_s and not self._exchanges and now_s - self._active_s >= settings.idle_timeout_s:
            self.close_if_idle()


def _with_connection(answer: bytes, option: bytes) -> bytes:
    """The answer with `Connection: option`; an interim one has no place for it."""
    if answer is CONTINUE:
        return answer
    return answer.replace(b"\r\n", b"\r\nConnection: " + option + b"\r\n", 1)


def _body_too_large(size: int, limit: int) -> InputError:
    message = f"body of {size:,} bytes or more exceeds body_bytes_max {limit:,}; send it in parts"
    return InputError(message, code="body_too_large", status=413)


def _overloaded() -> BackendUnavailable:
    return BackendUnavailable("too many bytes wait to become durable; try again", code="overloaded", retry_after_s=1)
