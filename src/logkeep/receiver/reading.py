"""From the body as it was sent to what is appended: inflated, checked, named. No sockets, so it may run in a thread."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import blake2b
from typing import TypeVar

import msgspec

from logkeep.decode.body import Encoding, inflate
from logkeep.decode.marks import Mark, marks_of
from logkeep.decode.native import Checked, check_body
from logkeep.decode.notices import KINDS, check_notices
from logkeep.decode.split import replace_lone_surrogates
from logkeep.errors import InputError
from logkeep.receiver.issue_links import NamedIssue, named_issues
from logkeep.settings import Intake as IntakeSettings
from logkeep.telemetry import get_logger

# Up to here a body is read on the loop, for some 0.5 ms; larger ones in a thread, so that the others do not wait.
PLAIN_INLINE_BYTES_MAX = 1 << 20
COMPRESSED_INLINE_BYTES_MAX = 128 << 10
INFLATED_INLINE_BYTES_MAX = 1 << 20
KEPT_COMPRESSED_BYTES_MIN = 64 << 10  # of the inflated body: smaller ones are kept plain and share frames
THREADS = 2  # each may hold a body of inflated_bytes_max
IDEMPOTENCY_KEY_BYTES_MAX = 255

T = TypeVar("T")

_log = get_logger("receiver")
_members = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_encode = msgspec.json.Encoder().encode


class SentBody(msgspec.Struct, frozen=True):
    """A request as it came. session and key: of the address, when it replaces one key's value, else None. limited: some
    of its events may have to be left out, so its body is kept plain. kind: of the notices it holds, "" for events."""

    app: str
    body: bytes
    encoding: Encoding = "identity"
    idempotency_key: bytes | None = None
    session: str | None = None
    key: str | None = None
    limited: bool = False
    kind: str = ""

    @property
    def fits_inline(self) -> bool:
        limit = PLAIN_INLINE_BYTES_MAX if self.encoding == "identity" else COMPRESSED_INLINE_BYTES_MAX
        return len(self.body) <= limit


class PreparedBody(msgspec.Struct, frozen=True):
    """body: what the frame gets, compressed as it was sent when `compressed`. batch_id: "" for a new one. marks: what
    limits look at, where reading it takes long and is not to be done on the loop. issues: of notices of issues, session
    and own id of each."""

    checked: Checked
    body: bytes
    compressed: bool
    batch_id: str
    issues: tuple[NamedIssue, ...] = ()
    marks: list[Mark] | None = None


class TooLargeInline(Exception):
    """The body inflates to more than is read on the loop."""


def prepare(sent: SentBody, settings: IntakeSettings, *, inline: bool = False) -> PreparedBody:
    """Raises InputError for what refuses the whole request; TooLargeInline, only when `inline`."""
    bytes_max = settings.inflated_bytes_max
    if inline and sent.encoding != "identity" and bytes_max > INFLATED_INLINE_BYTES_MAX:
        try:
            plain = inflate(sent.body, sent.encoding, bytes_max=INFLATED_INLINE_BYTES_MAX)
        except InputError as error:
            if error.status == 413:
                raise TooLargeInline from None
            raise
    else:
        plain = inflate(sent.body, sent.encoding, bytes_max=bytes_max)
    if sent.kind:
        checked = check_notices(plain, KINDS[sent.kind])
        named = named_issues(checked.body) if sent.kind == "issues" else ()
        return PreparedBody(checked, checked.body, False, _batch_id(sent, plain), named, _marks(sent, checked))
    if sent.session is not None:
        plain = replacing_event(plain, sent.session, sent.key or "")
    checked = check_body(plain, event_bytes_max=settings.event_bytes_max, events_max=settings.events_max)
    compressed = (
        sent.encoding == "zstd" and sent.session is None and checked.as_sent and len(plain) > KEPT_COMPRESSED_BYTES_MIN
        and not sent.limited
    )  # fmt: skip
    body = sent.body if compressed else checked.body
    return PreparedBody(checked, body, compressed, _batch_id(sent, plain), marks=_marks(sent, checked))


def _marks(sent: SentBody, checked: Checked) -> list[Mark] | None:
    if not sent.limited or not checked.count or len(checked.body) <= PLAIN_INLINE_BYTES_MAX:
        return None
    return marks_of(checked.body, checked.form, sent.kind)


def replacing_event(body: bytes, session: str, key: str) -> bytes:
    """The event of `PUT /v1/sessions/{session}/events/{key}` on one line. Raises InputError."""
    try:
        members = _members(replace_lone_surrogates(body))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        message = f'the body must be one JSON object such as {{"value":5}}: {error}'
        raise InputError(message, code="invalid_json") from error
    for name, told in (("session", session), ("key", key)):
        if name in members and _text_of(members[name]) != told:
            raise InputError(f"`{name}` in the body differs from the address; leave it out", code="name_conflict")
    ours = {"session": msgspec.Raw(_encode(session)), "key": msgspec.Raw(_encode(key)), "update": msgspec.Raw(b"true")}
    return _encode({**members, **ours}).replace(b"\n", b" ")


def _text_of(raw: msgspec.Raw) -> str | None:
    try:
        return msgspec.json.decode(raw, type=str)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _batch_id(sent: SentBody, plain: bytes) -> str:
    """The same for the same request, whichever process gets it: the processor stores the first and drops the others."""
    key = sent.idempotency_key
    if key is None:
        return ""
    if not 1 <= len(key) <= IDEMPOTENCY_KEY_BYTES_MAX or not all(0x20 <= byte < 0x7F for byte in key):
        message = (
            f"idempotency-key of {len(key)} bytes; it must be 1 to {IDEMPOTENCY_KEY_BYTES_MAX} printable characters"
        )
        raise InputError(message, code="bad_idempotency_key")
    digest = blake2b(digest_size=12)
    for part in (sent.app.encode(), key, plain, *([sent.kind.encode()] if sent.kind else [])):
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.hexdigest()


Result = PreparedBody | InputError | None


class Readers:
    """Threads for the bodies that take long."""

    def __init__(self, settings: IntakeSettings) -> None:
        self._settings = settings
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="read")
        self._under_way = 0

    @property
    def idle(self) -> bool:
        return self._under_way == 0

    def read(self, sent: SentBody, then: Callable[[Result], None]) -> None:
        """`then` gets what `prepare` makes of it, or what it raises, or None after a failure of our own: at once when
        the body is small, else later on the loop."""
        if sent.fits_inline:
            try:
                then(self._prepared(sent, inline=True))
                return
            except TooLargeInline:
                pass
        self.run(partial(self._prepared, sent), then)

    def run(self, work: Callable[[], T], then: Callable[[T], None]) -> None:
        """`work`, which raises nothing, in a thread, `then` on the loop."""
        loop = asyncio.get_running_loop()
        self._under_way += 1

        def finish(result: T) -> None:
            self._under_way -= 1
            then(result)

        def in_thread() -> None:
            result = work()
            loop.call_soon_threadsafe(finish, result)

        self._pool.submit(in_thread)

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _prepared(self, sent: SentBody, *, inline: bool = False) -> Result:
        try:
            return prepare(sent, self._settings, inline=inline)
        except InputError as error:
            return error
        except TooLargeInline:
            raise
        except Exception:  # a bug must not leave the sender without an answer
            _log.exception("cannot read a body", app=sent.app, bytes=len(sent.body), encoding=sent.encoding)
            return None
