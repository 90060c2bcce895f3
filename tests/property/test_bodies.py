"""Any bytes: the receiver says what it takes and what not, and what it takes the processor can read."""

import json
from collections import Counter
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from logkeep.decode import native
from logkeep.decode.body import Encoding, inflate
from logkeep.decode.native import check_body, decode_events
from logkeep.decode.split import Form, replace_lone_surrogates
from logkeep.errors import InputError
from logkeep.event import WireEvent

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.sampled_from(["\ud800", "\udfff x", "\x00"])
)
JSON_VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=4)
MEMBERS = st.sampled_from(
    ["session", "key", "value", "time", "timestamp", "user", "device", "component", "level", "id", "seq", "client",
     "update", "attributes", "app", "terminal", "other", ""]
)  # fmt: skip
EVENTS = st.dictionaries(MEMBERS, JSON_VALUES, max_size=5) | st.fixed_dictionaries(
    {"session": st.text(min_size=1, max_size=40), "key": st.text(min_size=1, max_size=40), "value": JSON_VALUES},
    optional={"user": JSON_VALUES, "attributes": JSON_VALUES, "seq": JSON_VALUES, "more": JSON_VALUES},
)
_PIECES = (
    b"{", b"}", b"[", b"]", b",", b":", b'"', b"\\", b"\n", b" ", b"\\u", b"d800", b"\xff", b"\x00",
    b"1e999", b"-", b"null",
    b'"session"', b'"s"', b'"key"', b'"value"', b'{"session":"s","key":"k","value":1}', b"\xef\xbb\xbf",
)  # fmt: skip
FRAGMENTS = st.lists(st.sampled_from(_PIECES), max_size=30).map(b"".join)


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    events: list[Any] = draw(st.lists(EVENTS, max_size=3))
    ascii_only = draw(st.booleans())
    texts = [json.dumps(event, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass") for event in events]
    if draw(st.booleans()):
        body = b"[" + b",".join(texts) + b"]"
    else:
        body = draw(st.sampled_from([b"\n", b"\r\n", b"\n\n", b"", b" "])).join(texts)
    cut = draw(st.integers(0, len(body)))
    return body if draw(st.booleans()) else body[:cut] + draw(st.binary(max_size=3)) + body[cut:]


@given(st.binary(max_size=200) | FRAGMENTS | bodies())
@example(b'{"session":"\\ud800","key":"k","value":"\\ud83d\\ude00\\udc00"}')
@example(b'{"session":"s","key":"k","value":1,"attributes":{"a":' + b"9" * 400 + b"}}")
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_checked_and_what_is_accepted_can_be_read(body: bytes) -> None:
    try:
        checked = check_body(body, event_bytes_max=4096, events_max=20)
    except InputError as error:
        assert error.code in ("empty_body", "too_many_events")
        return
    assert checked.count or checked.rejected
    assert (checked.body == b"") == (checked.count == 0)
    if not checked.count:
        return
    decoded = decode_events(checked.body, checked.form)
    assert (list(decoded.indexes), list(decoded.rejected)) == (list(range(checked.count)), [])
    for event in decoded.events:
        assert event.session and event.key
        value = bytes(event.value)
        value.decode()
        if value.startswith(b'"'):
            msgspec.json.decode(value, type=str).encode()
        elif value[:1] in b"{[":
            msgspec.json.format(value, indent=-1)
        msgspec.json.encode(event)  # every member can be written again
        assert event.seq is None or 0 <= event.seq < 1 << 63


@given(st.binary(max_size=200) | FRAGMENTS | bodies(), st.sampled_from(["ndjson", "json"]), st.sets(st.integers(0, 5)))
@settings(max_examples=150, deadline=None)
def test_no_bytes_make_decoding_raise(body: bytes, form: Form, skip: set[int]) -> None:
    decoded = decode_events(body, form, tuple(skip))
    assert len(decoded.indexes) == len(decoded.events)
    assert not skip & set(decoded.indexes)
    for refused in decoded.rejected:
        assert (refused.reason + refused.message + refused.text + refused.key).encode()


def _read(event: WireEvent) -> dict[str, Any]:
    return msgspec.structs.asdict(event) | {"attributes": json.loads(bytes(event.attributes))}


@given(bodies() | FRAGMENTS, st.integers(1, 200))
@example(b'{"session":"s","key":"k","value":"} {","time":[]} {"session":"s","key":"k","value":"} {"}' * 3, 20)
@example(b'[{"session":"s","key":"k","value":"}, {","x":1}, {"session":"s","key":"k","value":"}, {"}]', 10)
@settings(max_examples=200, deadline=None)
def test_pieces_are_together_what_the_body_is(body: bytes, size: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(native, "DECODED_BYTES", size)
        patch.setattr(native, "PIECE_BYTES", size)
        try:
            checked = check_body(body, event_bytes_max=4096, events_max=20)
        except InputError:
            return
        pieces = [decoded for _, decoded in native.decode_in_pieces(checked.body, checked.form)]
    whole = decode_events(checked.body, checked.form)
    assert [index for each in pieces for index in each.indexes] == list(whole.indexes)
    assert [_read(event) for each in pieces for event in each.events] == list(map(_read, whole.events))
    assert [rejected for each in pieces for rejected in each.rejected] == list(whole.rejected)
    corrected: Counter[str] = Counter()
    for each in pieces:
        corrected.update(each.corrected)
    assert corrected == whole.corrected
    assert any(each.sessionless for each in pieces) == whole.sessionless


@given(st.text(alphabet=st.characters(categories=["Cs", "Lu", "So"]) | st.sampled_from('\\"u'), max_size=30))
def test_texts_without_lone_surrogates_stay_as_they_are(text: str) -> None:
    sent = json.dumps(text).encode()
    expected = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    got = json.loads(replace_lone_surrogates(sent))
    got.encode()
    if "\ufffd" not in expected:
        assert got == expected


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd"])
@given(data=st.data())
@settings(max_examples=100, deadline=None)
def test_any_bytes_inflate_or_are_refused(encoding: Encoding, data: st.DataObject) -> None:
    magic = {"gzip": b"\x1f\x8b\x08\0\0\0\0\0\0\x03", "deflate": b"\x78\x9c", "zstd": b"\x28\xb5\x2f\xfd"}[encoding]
    body = data.draw(st.sampled_from([b"", magic])) + data.draw(st.binary(max_size=100))
    try:
        assert len(inflate(body, encoding, bytes_max=1000)) <= 1000
    except InputError as error:
        assert error.status in (400, 413)
