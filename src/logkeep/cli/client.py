"""HTTP to intake and API, over one kept-alive connection each.

Transient trouble (no connection, 429, 502, 503, 504) is waited out with growing, jittered pauses or as long as
Retry-After says; every try of a batch carries the same Idempotency-Key, so a lost answer doubles nothing.
"""

import http.client
import random
import ssl
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlencode, urlsplit

import msgspec

import logkeep
from logkeep.clock import NS_PER_S, Clock, SystemClock
from logkeep.errors import BackendUnavailable, InputError, LogkeepError
from logkeep.settings import Settings

FIRST_RUN_FILE = "first-run.json"
ANSWER_BYTES_MAX = 512 << 20  # a page of 1,000 events of 256 KiB, and room
LINE_BYTES_MAX = 64 << 20  # of a stream; an event of 256 KiB is far below, whatever is escaped in it
TIMEOUT_S = 60.0
TRANSIENT = (429, 502, 503, 504)
_PAUSE_MIN_S, _PAUSE_MAX_S = 0.25, 15.0
_RETRY_AFTER_MAX_S = 300.0  # a longer one is not waited for without asking again

Encoding = Literal["zstd", "gzip", "plain"]


class Refused(LogkeepError):
    """The service answered no: `status` is its HTTP status, `column` where a query went wrong (1-based)."""

    code = "refused"

    def __init__(
        self,
        message: str,
        *,
        code: str,
        status: int,
        column: int | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message, code=code)
        self.status = status
        self.column = column
        self.retry_after_s = retry_after_s


class Answer(msgspec.Struct, frozen=True):
    status: int
    body: bytes
    retry_after_s: float | None = None


class Rejection(msgspec.Struct, frozen=True):
    """index: of the event in its batch, from 0."""

    index: int
    reason: str
    message: str = ""


class Receipt(msgspec.Struct, frozen=True):
    """What became of one batch."""

    accepted: int = 0
    rejected: tuple[Rejection, ...] = ()


class Connection:
    """One kept-alive connection to `url` (http or https, a path is a prefix). Not for two threads at once."""

    def __init__(self, url: str, *, token: str = "", timeout_s: float = TIMEOUT_S) -> None:
        """Raises InputError when `url` is none."""
        parts = urlsplit(url)
        try:
            port = parts.port
        except ValueError:
            port = -1
        if parts.scheme not in ("http", "https") or not parts.hostname or port == -1:
            raise InputError(f"{url!r} is no URL of a Logkeep service, such as http://127.0.0.1:7301")
        if not token.isascii() or not token.isprintable():
            raise InputError("the key or token holds characters that none has; copy it again")
        self.url = url.rstrip("/")
        self._prefix = parts.path.rstrip("/")
        self._headers = {"User-Agent": f"logkeep/{logkeep.__version__}"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        if parts.scheme == "https":
            context = ssl.create_default_context()
            self._http: http.client.HTTPConnection = http.client.HTTPSConnection(
                parts.hostname, port, timeout=timeout_s, context=context
            )
        else:
            self._http = http.client.HTTPConnection(parts.hostname, port, timeout=timeout_s)

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Raises BackendUnavailable when no whole answer comes. An idle connection that was closed is opened again."""
        was_open = self._http.sock is not None
        try:
            return self._request(method, path, body, headers)
        except (http.client.RemoteDisconnected, ConnectionResetError, BrokenPipeError) as error:
            self._http.close()
            if not was_open:
                raise self._unreachable(error) from error
        except (OSError, http.client.HTTPException) as error:
            self._http.close()
            raise self._unreachable(error) from error
        try:
            return self._request(method, path, body, headers)
        except (OSError, http.client.HTTPException) as error:
            self._http.close()
            raise self._unreachable(error) from error

    def stream(self, path: str, headers: Mapping[str, str] | None = None) -> Iterator[bytes]:
        """The lines of an answer that may never end, without their line breaks, as they come.

        Raises Refused (the status is not 200), BackendUnavailable (no answer, or it ends without its end).
        """
        self._http.close()  # what was left of an answer before
        try:
            self._http.request("GET", self._prefix + path, headers={**self._headers, **(headers or {})})
            response = self._http.getresponse()
            if response.status != 200:
                retry_after_s = _seconds(response.getheader("Retry-After"))
                raise refused(Answer(response.status, response.read(LINE_BYTES_MAX), retry_after_s), self.url)
            yield from _lines(response)
        except (OSError, http.client.HTTPException) as error:
            raise self._unreachable(error) from error
        finally:
            self._http.close()

    def close(self) -> None:
        self._http.close()

    def _request(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str] | None) -> Answer:
        self._http.request(method, self._prefix + path, body, {**self._headers, **(headers or {})})
        response = self._http.getresponse()
        content = response.read(ANSWER_BYTES_MAX + 1)
        if len(content) > ANSWER_BYTES_MAX:
            raise http.client.HTTPException(f"an answer over {ANSWER_BYTES_MAX} bytes")
        return Answer(response.status, content, _seconds(response.getheader("Retry-After")))

    def _unreachable(self, error: Exception) -> BackendUnavailable:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return BackendUnavailable(f"no answer from {self.url}: {reason}; is the service running there?")


def _lines(response: http.client.HTTPResponse) -> Iterator[bytes]:
    """As soon as each is there; a third of the time of the response's own readline."""
    begun = b""
    while part := response.read1(1 << 16):
        *lines, begun = (begun + part).split(b"\n")
        for line in lines:
            yield line.removesuffix(b"\r")
        if len(begun) > LINE_BYTES_MAX:
            raise http.client.LineTooLong(f"a line over {LINE_BYTES_MAX} bytes")
    if begun:
        yield begun


def _seconds(text: str | None) -> float | None:
    """Retry-After in seconds; its other form, a date, is left to our own pauses."""
    return min(float(text), _RETRY_AFTER_MAX_S) if text and text.isascii() and text.isdecimal() else None


class _ErrorDetail(msgspec.Struct):
    code: str = "error"
    message: str = ""
    column: int | None = None


class _ErrorBody(msgspec.Struct):
    error: _ErrorDetail


def refused(answer: Answer, url: str) -> Refused:
    """The service's own words about why not."""
    try:
        detail = msgspec.json.decode(answer.body, type=_ErrorBody).error
    except (msgspec.MsgspecError, UnicodeDecodeError):
        detail = _ErrorDetail(message=answer.body[:200].decode("utf-8", "replace").strip())
    message = printable(detail.message) or http.client.responses.get(answer.status, "no reason given")
    if answer.status in (401, 403):
        message = f"{message}; the key or token is not known at {url}"
    return Refused(
        f"{message} (status {answer.status})",
        code=detail.code,
        status=answer.status,
        column=detail.column,
        retry_after_s=answer.retry_after_s,
    )


def printable(text: str) -> str:
    """`text` with every character that could steer a terminal written out."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class Intake:
    """Sends batches of events."""

    def __init__(
        self,
        connection: Connection,
        *,
        encoding: Encoding = "zstd",
        retry_s: float | None = 120.0,
        clock: Clock | None = None,
    ) -> None:
        """retry_s: seconds a batch is tried again for at most; None: for ever."""
        self._connection = connection
        self._encoding = encoding
        self._retry_s = retry_s
        self._clock = clock or SystemClock()
        self._jitter = random.Random()
        self._compress = _compressor(encoding)

    def send(self, events: Sequence[bytes]) -> Receipt:
        """What became of `events` (JSON objects, one each); durable when they are counted as accepted.

        Raises Refused (wrong key, wrong URL: no later batch will fare better), BackendUnavailable (retry_s is over).
        """
        headers = {"Content-Type": "application/x-ndjson", "Idempotency-Key": uuid.uuid4().hex}
        body = b"\n".join(events)
        if self._encoding != "plain":
            headers["Content-Encoding"] = self._encoding
        answer = self._try("/v1/events", self._compress(body), headers)
        if answer.status == 413 and len(events) > 1:
            return self._in_halves(events)
        if answer.status in (202, 400, 413):
            receipt = _receipt(answer)
            if receipt is not None:
                return receipt
            if answer.status == 413:
                return Receipt(0, (Rejection(0, "too_large", refused(answer, self._connection.url).message),))
        raise refused(answer, self._connection.url)

    def _in_halves(self, events: Sequence[bytes]) -> Receipt:
        middle = len(events) // 2
        first, second = self.send(events[:middle]), self.send(events[middle:])
        moved = tuple(Rejection(r.index + middle, r.reason, r.message) for r in second.rejected)
        return Receipt(first.accepted + second.accepted, first.rejected + moved)

    def _try(self, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        started_ns = self._clock.monotonic_ns()
        for pause_s in pauses(self._jitter):
            trouble: LogkeepError
            try:
                answer = self._connection.request("POST", path, body, headers)
                if answer.status not in TRANSIENT:
                    return answer
                trouble = refused(answer, self._connection.url)
                pause_s = answer.retry_after_s if answer.retry_after_s is not None else pause_s
            except BackendUnavailable as error:
                trouble = error
            passed_s = (self._clock.monotonic_ns() - started_ns) / NS_PER_S
            if self._retry_s is not None and passed_s + pause_s > self._retry_s:
                raise BackendUnavailable(f"{trouble.message}; gave up after {passed_s:.0f} s") from trouble
            self._clock.sleep(pause_s)
        raise AssertionError("pauses never end")


def pauses(jitter: random.Random) -> Iterator[float]:
    """Seconds between tries: doubling up to a limit, each between half of it and all of it."""
    limit_s = _PAUSE_MIN_S
    while True:
        yield limit_s * (0.5 + jitter.random() / 2)
        limit_s = min(limit_s * 2, _PAUSE_MAX_S)


def _compressor(encoding: Encoding) -> Any:
    if encoding == "zstd":
        import zstandard

        return zstandard.ZstdCompressor(level=3).compress
    if encoding == "gzip":
        import zlib

        return lambda body: zlib.compress(body, 6, wbits=31)
    return lambda body: body


def _receipt(answer: Answer) -> Receipt | None:
    """None when the body is another one: a 400 about the request itself has the shape of an error."""
    try:
        receipt = msgspec.json.decode(answer.body, type=Receipt)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
    return receipt if answer.status == 202 or receipt.rejected else None


class Api:
    """Reads."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def get(self, path: str, **parameters: str | int | None) -> bytes:
        """The body of a 200. Parameters of None are left out. Raises Refused, BackendUnavailable."""
        answer = self.connection.request("GET", with_parameters(path, parameters))
        if answer.status != 200:
            raise refused(answer, self.connection.url)
        return answer.body

    def change(self, method: str, path: str, body: bytes | None = None, **parameters: str | None) -> bytes:
        """The body of a 200 or 202 to a request that changes something. As `get`."""
        given = {name.rstrip("_"): value for name, value in parameters.items() if value is not None}
        headers = {"Content-Type": "application/json"} if body is not None else None
        answer = self.connection.request(method, f"{path}?{urlencode(given)}" if given else path, body, headers)
        if answer.status not in (200, 202):
            raise refused(answer, self.connection.url)
        return answer.body


def with_parameters(path: str, parameters: Mapping[str, str | int | None]) -> str:
    """`path` with a query; parameters of None are left out, an underscore at the end of a name too."""
    given = {name.rstrip("_"): value for name, value in parameters.items() if value is not None}
    return f"{path}?{urlencode(given)}" if given else path


class FirstRun(msgspec.Struct, frozen=True):
    """The parts of first-run.json that a client needs."""

    app_key: str = ""
    api_token: str = ""
    app: str = ""


def first_run(folder: Path) -> FirstRun | None:
    """What the first start of the service left in its data folder; None when it is not there or not ours to read."""
    try:
        return msgspec.json.decode((folder / FIRST_RUN_FILE).read_bytes(), type=FirstRun)
    except (OSError, msgspec.MsgspecError):
        return None


def app_key(given: str | None, key_file: Path | None, data: Path) -> str:
    """The key to send with: given, from a file, or from the data folder. Raises InputError when there is none."""
    found = given or (_secret_file(key_file) if key_file else "") or getattr(first_run(data), "app_key", "")
    if not found:
        raise InputError(
            f"no key to send with: give --app-key or --key-file, set LOGKEEP_KEY, or point --data to the folder of the "
            f"service ({data / FIRST_RUN_FILE} is not there or not readable)"
        )
    return str(found)


def api_token(given: str | None, data: Path) -> str:
    """The token to read with: given, or from the data folder. Raises InputError when there is none."""
    found = given or getattr(first_run(data), "api_token", "")
    if not found:
        raise InputError(
            f"no token to read with: give --token, set LOGKEEP_TOKEN, or point --data to the folder of the service "
            f"({data / FIRST_RUN_FILE} is not there or not readable)"
        )
    return str(found)


def _secret_file(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the key file {path}: {error}") from error


def intake_url(settings: Settings) -> str:
    intake = in_force(settings).intake
    return service_url(intake.host, intake.port)


def api_url(settings: Settings) -> str:
    api = in_force(settings).api
    return service_url(api.host, api.port)


def in_force(settings: Settings) -> Settings:
    """Of the service that runs on the data folder, whose key and token are sent there: flags may have moved its ports.
    Where none runs here, `settings` themselves."""
    from logkeep.supervisor import running_settings

    return running_settings(settings.folder) or settings


def service_url(host: str, port: int) -> str:
    """Where to reach, from this machine, what listens on `host`."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    return f"http://[{reachable}]:{port}" if ":" in reachable else f"http://{reachable}:{port}"
