"""Notices: what senders tell beside events, such as "this session has begun". Pure.

They are as durable as events when they are acknowledged, travel through the same partition in frames of their own, and
are applied to the metastore by the processor, once. A kind is one row of `KINDS`: its address is `POST /v1/NAME`, its
type says what one notice holds. What is done with them is said by the row of the same name in processor/appliers.py.
"""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from logkeep.decode.devices import DeviceNotice
from logkeep.decode.frame import SAMPLE_BYTES_MAX, SAMPLES_MAX, RejectedSample
from logkeep.decode.issues import IssueNotice
from logkeep.decode.native import Checked, Rejected
from logkeep.decode.split import (
    WHITESPACE,
    SplitError,
    form_of,
    lines_of,
    replace_lone_surrogates,
    values_of,
)
from logkeep.errors import InputError
from logkeep.event import ATTRIBUTE_KEY_BYTES_MAX, ATTRIBUTES_MAX, NAME_BYTES_MAX, RejectReason, Scalar

NOTICES_MAX = 1_000  # in one request
_BOM = b"\xef\xbb\xbf"

# Characters first, as a quick bound; bytes are measured by the type itself.
Name = Annotated[str, Meta(max_length=NAME_BYTES_MAX)]
Attributes = Annotated[
    dict[Annotated[str, Meta(max_length=ATTRIBUTE_KEY_BYTES_MAX)], Scalar], Meta(max_length=ATTRIBUTES_MAX)
]


class SessionNotice(msgspec.Struct, frozen=True, kw_only=True):
    """A session was created or updated: from `time` on (when it was received, without one) it is that of its user and
    its device. time: RFC 3339 or an epoch, as of an event."""

    session: Name
    user: Name | None = None
    device: Name | None = None
    time: str | int | float | None = None
    attributes: Attributes | None = None

    def __post_init__(self) -> None:
        named(session=self.session, user=self.user, device=self.device)
        if not self.session:
            raise ValueError("`session` is empty")
        if self.user is None and self.device is None and self.attributes is None:
            raise ValueError("send `user`, `device` or `attributes` of the session")


class NoticeKind(msgspec.Struct, frozen=True):
    """type: of one notice; its `__post_init__` may refuse more, with ValueError. bytes_max: of one notice's JSON.

    answers_ids: the answer lists the ids of what was accepted, in order (`event_id` of batch and index). of_sender: one
    that names no device is of the device that sent it, if that named itself.
    """

    name: str
    type: type[msgspec.Struct]
    bytes_max: int
    answers_ids: bool = False
    of_sender: bool = False

    @property
    def path(self) -> bytes:
        return b"/v1/" + self.name.encode()


KINDS: dict[str, NoticeKind] = {
    kind.name: kind
    for kind in (
        NoticeKind("sessions", SessionNotice, 32 << 10),
        NoticeKind("devices", DeviceNotice, 32 << 10),
        NoticeKind("issues", IssueNotice, 2 << 20, answers_ids=True, of_sender=True),
    )
}


class DecodedNotices(msgspec.Struct, frozen=True):
    """indexes[i]: the place of notices[i] in the frame's body. refused: index, message and text of what cannot be read:
    another version has checked it."""

    indexes: Sequence[int]
    notices: Sequence[Any]
    refused: Sequence[tuple[int, str, str]] = ()


def named(**names: str | None) -> None:
    """Raises ValueError for a name that is longer than any may be."""
    for name, text in names.items():
        if text is not None and len(text.encode()) > NAME_BYTES_MAX:
            raise ValueError(f"`{name}` of {len(text.encode()):,} bytes exceeds {NAME_BYTES_MAX}; shorten it")


def check_notices(body: bytes, kind: NoticeKind) -> Checked:
    """What of `body`, one JSON object, an array of them or one a line, is accepted; the accepted become ndjson.

    Raises InputError: empty_body, invalid_json (400), too_many_notices (413).
    """
    text = body.strip(WHITESPACE).removeprefix(_BOM).strip(WHITESPACE)
    if not text:
        raise InputError("the body is empty; send a JSON object, or an array of them", code="empty_body")
    text = replace_lone_surrogates(text)
    decode = msgspec.json.Decoder(kind.type).decode
    good: list[bytes] = []
    rejected: list[Rejected] = []
    samples: list[RejectedSample] = []
    for index, item in enumerate(_items(text)):
        reason, message = _judged(item, kind, decode)
        if reason is None:
            good.append(item.replace(b"\n", b" ").replace(b"\r", b" "))  # outside of a text a line's end is white space
            continue
        rejected.append(Rejected(index, reason, message))
        if len(samples) < SAMPLES_MAX:
            samples.append(RejectedSample(reason, message, item[:SAMPLE_BYTES_MAX].decode("utf-8", "replace")))
    if not good and not rejected:
        raise InputError("the array is empty; send at least one notice", code="empty_body")
    return Checked(len(good), "ndjson", b"\n".join(good), False, tuple(rejected), tuple(samples))


def _items(text: bytes) -> list[bytes]:
    """Raises InputError."""
    try:
        items = values_of(text, form_of(text), items_max=NOTICES_MAX)
    except SplitError as error:
        lines = list(lines_of(text))
        if len(lines) < 2 or text[:1] == b"[":
            raise InputError(f"the body is no JSON: {error}", code="invalid_json") from error
        items = lines
    if len(items) > NOTICES_MAX:
        raise InputError(
            f"the body holds more than {NOTICES_MAX:,} notices; send it in parts", code="too_many_notices", status=413
        )
    return items


def _judged(item: bytes, kind: NoticeKind, decode: Any) -> tuple[RejectReason | None, str]:
    if len(item) > kind.bytes_max:
        return "too_large", f"notice of {len(item):,} bytes exceeds {kind.bytes_max:,}; shorten it"
    try:
        str(item, "utf-8")
        decode(item)
    except UnicodeDecodeError as error:
        return "invalid_utf8", f"invalid UTF-8 at byte {error.start} of the notice"
    except RecursionError:
        return "too_deep", "the notice nests deeper than the decoder goes; flatten it"
    except msgspec.ValidationError as error:
        return "bad_notice", str(error)
    except msgspec.DecodeError as error:
        return "invalid_json", str(error)
    return None, ""


def decode_notices(body: bytes, kind: NoticeKind) -> DecodedNotices:
    """The notices of a frame's body. Never raises for what stands in it."""
    try:
        notices = msgspec.json.Decoder(kind.type).decode_lines(body)
        return DecodedNotices(range(len(notices)), notices)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass
    decode = msgspec.json.Decoder(kind.type).decode
    indexes, notices, refused = [], [], []
    for index, line in enumerate(lines_of(body)):
        try:
            notices.append(decode(line))
            indexes.append(index)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            refused.append((index, str(error), line[:SAMPLE_BYTES_MAX].decode("utf-8", "replace")))
    return DecodedNotices(indexes, notices, refused)
