"""Bodies of Logkeep's own format, as the receiver checks and the processor decodes them."""

from typing import Any

import msgspec
import pytest

from logkeep.decode.frame import NAMED_MAX, RejectedSample
from logkeep.decode.native import Checked, Decoded, Rejected, check_body, decode_events
from logkeep.errors import InputError
from logkeep.event import WireEvent

DEEP = b"[" * 10_000 + b"]" * 10_000


def an_event(value: bytes = b"1", more: bytes = b"") -> bytes:
    return b'{"session":"s","key":"k","value":' + value + more + b"}"


def check(body: bytes, *, event_bytes_max: int = 4096, events_max: int = 100) -> Checked:
    return check_body(body, event_bytes_max=event_bytes_max, events_max=events_max)


def reasons(checked: Checked) -> list[tuple[int, str]]:
    return [(one.index, one.reason) for one in checked.rejected]


def read(event: WireEvent) -> dict[str, Any]:
    return msgspec.json.decode(event.attributes, type=dict[str, Any])


def decoded_values(decoded: Decoded) -> list[bytes]:
    return [bytes(event.value) for event in decoded.events]


def only_event(body: bytes) -> WireEvent:
    decoded = decode_events(body, "ndjson")
    assert decoded.rejected == () or decoded.rejected == []
    assert len(decoded.events) == 1
    return decoded.events[0]


@pytest.mark.parametrize(
    ("body", "form", "count"),
    [
        (an_event(), "ndjson", 1),
        (b" \r\n\t" + an_event() + b"\n\n", "ndjson", 1),
        (an_event() + b"\n" + an_event(), "ndjson", 2),
        (an_event() + b"\r\n\r\n" + an_event() + b"\r\n", "ndjson", 2),
        (an_event() + an_event(), "ndjson", 2),
        (an_event().replace(b",", b",\n  "), "ndjson", 1),
        (b"[" + an_event() + b"]", "json", 1),
        (b" [ " + an_event() + b" ,\n" + an_event() + b" ] ", "json", 2),
    ],
)
def test_the_form_is_found_by_content(body: bytes, form: str, count: int) -> None:
    assert check(body) == Checked(count, form, body.strip())  # type: ignore[arg-type]


def test_a_byte_order_mark_is_no_part_of_the_body() -> None:
    assert check(b"\xef\xbb\xbf" + an_event()) == Checked(1, "ndjson", an_event(), as_sent=False)


@pytest.mark.parametrize("body", [b"", b" \r\n\t ", b"[]", b" [ \n] ", b"\xef\xbb\xbf"])
def test_nothing_at_all_is_refused_as_a_whole(body: bytes) -> None:
    with pytest.raises(InputError) as caught:
        check(body)
    assert (caught.value.code, caught.value.status) == ("empty_body", 400)


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (b'{"key":"k","value":1}', "missing_session"),
        (b'{"user":"","device":null,"terminal":[1],"key":"k","value":1}', "missing_session"),
        (b'{"session":"","key":"k","value":1}', "missing_session"),
        (b'{"session":null,"key":"k","value":1}', "missing_session"),
        (b'{"session":7,"key":"k","value":1}', "wrong_type"),
        (b'{"session":"s","value":1}', "missing_key"),
        (b'{"session":"s","key":"","value":1}', "missing_key"),
        (b'{"session":"s","key":[],"value":1}', "wrong_type"),
        (b'{"session":"s","key":"k"}', "missing_value"),
        (b'{"session":"' + b"s" * 513 + b'","key":"k","value":1}', "name_too_long"),
        (b'{"session":"s","key":"' + "ä".encode() * 257 + b'","value":1}', "name_too_long"),
        (an_event(b'"' + b"x" * 5000 + b'"'), "too_large"),
        (an_event(b'"\xff"'), "invalid_utf8"),
        (an_event(b"1", b',"other":"\xff"'), "invalid_utf8"),
        (an_event(b'"\xed\xa0\x80"'), "invalid_utf8"),
        (an_event(b'"\x00"'), "invalid_json"),
        (an_event(b"01"), "invalid_json"),
        (an_event(b"NaN"), "invalid_json"),
        (an_event(b"1", b',"user":{"a":}'), "invalid_json"),
        (an_event(DEEP), "too_deep"),
        (an_event(b"1", b',"other":' + DEEP), "too_deep"),
        (b"7", "not_an_object"),
        (b'"text"', "not_an_object"),
        (b"null", "not_an_object"),
        (b"[]", "not_an_object"),
    ],
)
def test_a_bad_event_is_rejected_and_those_around_it_are_accepted(event: bytes, reason: str) -> None:
    limit = 100_000 if reason == "too_deep" else 4096
    good, body = [an_event(b"1"), an_event(b"3")], b"\n".join((an_event(b"1"), event, an_event(b"3")))
    checked = check(body, event_bytes_max=limit)
    assert (checked.count, checked.form, checked.body, checked.as_sent) == (2, "ndjson", b"\n".join(good), False)
    assert reasons(checked) == [(1, reason)]
    assert decoded_values(decode_events(checked.body, checked.form)) == [b"1", b"3"]
    if reason != "invalid_json":  # in an array, what is no JSON spoils the whole
        in_array = check(b"[" + body.replace(b"\n", b",") + b"]", event_bytes_max=limit)
        assert (in_array.count, in_array.body, reasons(in_array)) == (2, checked.body, [(1, reason)])


@pytest.mark.parametrize(
    "event",
    [
        an_event(b"1e999"),
        an_event(b"9" * 3000),
        an_event(b'"\\u0000"'),
        an_event(b'{"a":1,"a":2}'),
        b'{"session":7,"session":"s","key":"k","value":1}',
        b'{"\\u0073ession":"s","key":"k","value":1}',
        b'{"session":"' + "ä".encode() * 256 + b'","key":"k","value":null}',
        an_event(b"1", b',"user":5,"time":{},"attributes":[1],"update":"maybe","seq":-1,"id":false,"x":[[]]'),
        an_event(b'"' + "ä€😀".encode() + b'"'),
    ],
)
def test_an_odd_event_is_accepted_and_decoded_later(event: bytes) -> None:
    checked = check(event)
    assert (checked.count, checked.body) == (1, event)
    decoded = decode_events(event, "ndjson")
    assert (list(decoded.indexes), list(decoded.rejected)) == ([0], [])


def test_an_array_that_is_cut_off_is_rejected_as_one() -> None:
    assert reasons(check(b"[" + an_event() + b",")) == [(0, "invalid_json")]
    assert reasons(check(b"[" + an_event() + b"," + an_event()[:-3])) == [(0, "invalid_json")]
    assert reasons(check(b"[" + an_event() + b"] x")) == [(0, "invalid_json")]


def test_a_broken_object_over_many_lines_is_one_rejected_event() -> None:
    assert reasons(check(b'{\n "session": "s",\n "key": "k"\n "value": 1\n}')) == [(0, "invalid_json")]


def test_broken_lines_are_rejected_one_by_one() -> None:
    body = b'{"session":"s"\n{"key":"k",}\n' + an_event(b"5") + b"\nplain text"
    checked = check(body)
    assert reasons(checked) == [(0, "invalid_json"), (1, "invalid_json"), (3, "invalid_json")]
    assert checked.body == an_event(b"5")


def test_a_rejection_tells_what_to_do_and_shows_the_event() -> None:
    large = an_event(b'"' + b"x" * 5000 + b'"')
    message = f"event of {len(large):,} bytes exceeds event_bytes_max 4,096; split it"
    assert check(large) == Checked(
        0,
        "ndjson",
        b"",
        False,
        (Rejected(0, "too_large", message),),
        (RejectedSample("too_large", message, large[:1024].decode()),),
        {("", "k"): 1},
    )


def test_only_the_first_rejected_events_are_kept_as_samples() -> None:
    checked = check(b"\n".join([b"{}"] * 20))
    assert (len(checked.rejected), len(checked.samples)) == (20, 5)


def test_lone_surrogates_become_replacement_characters_and_pairs_stay() -> None:
    body = an_event(rb'"\ud800 \udc00 \ud83d\ude00 \\ud800 \ud83d\ud83d\ude00"')
    checked = check(body)
    assert (checked.count, checked.rejected, checked.as_sent) == (1, (), False)
    value = msgspec.json.decode(only_event(checked.body).value)
    assert value == "\ufffd \ufffd 😀 \\ud800 \ufffd😀"
    assert msgspec.json.decode(only_event(body).value) == value


def test_more_events_than_allowed_refuse_the_whole_body() -> None:
    assert check(b"\n".join([an_event()] * 100)).count == 100
    for body in (
        b"\n".join([an_event()] * 101),
        b"[" + b",".join([an_event()] * 101) + b"]",
        b"{}\n" * 101,
        b"1 " * 101,
    ):
        with pytest.raises(InputError) as caught:
            check(body)
        assert (caught.value.code, caught.value.status) == ("too_many_events", 413)


@pytest.mark.parametrize("form", ["ndjson", "json", "no separators"])
def test_a_body_of_many_pieces_is_accepted_whole(form: str) -> None:
    texts = [b'"} {"', b'"}, {"', b'"},{"', b'{"a":[{},{}]}', b'"' + b"x" * 900 + b'"']
    events = [an_event(texts[number % len(texts)], b',"n":%d' % number) for number in range(4000)]
    body = {"ndjson": b"\n".join(events), "json": b"[" + b", ".join(events) + b"]", "no separators": b"".join(events)}[
        form
    ]
    assert len(body) > 700_000
    checked = check(body, events_max=4000)
    assert (checked.count, checked.rejected) == (4000, ())
    decoded = decode_events(checked.body, checked.form)
    assert [read(event) for event in decoded.events] == [{"n": number} for number in range(4000)]


@pytest.mark.parametrize("separator", [b"\n", b","])
def test_one_large_event_among_many_small_ones_is_found(separator: bytes) -> None:
    events = [an_event(b"%d" % number) for number in range(5000)]
    events[4321] = an_event(b'"' + b"x" * 300_000 + b'"')
    body = separator.join(events) if separator == b"\n" else b"[" + separator.join(events) + b"]"
    checked = check(body, event_bytes_max=262_144, events_max=5000)
    assert (checked.count, reasons(checked)) == (4999, [(4321, "too_large")])


@pytest.mark.parametrize(
    "body", [b"1 " * 2_000_000, b"[" + b"1," * 2_000_000 + b"1]", b"\n" * 4_000_000, b"{}" * 2_000_000]
)
def test_a_large_body_of_crumbs_is_refused_without_taking_it_apart(body: bytes) -> None:
    with pytest.raises(InputError) as caught:
        check(body)
    assert caught.value.code in ("too_many_events", "empty_body")


def test_well_formed_events_are_decoded_as_sent() -> None:
    more = (
        b',"time":1700000000,"user":"u","level":"warn","attributes":{"a":"b","n":5,"t":true,"z":null},'
        b'"update":true,"seq":3'
    )
    decoded = decode_events(an_event(b'{"x": [1]}', more) + b"\n\n" + an_event(b"null"), "ndjson")
    assert (list(decoded.indexes), list(decoded.rejected), decoded.corrected) == ([0, 1], [], {})
    first = decoded.events[0]
    assert (first.session, first.key, bytes(first.value), first.time, first.user) == (
        "s",
        "k",
        b'{"x": [1]}',
        1700000000,
        "u",
    )
    assert read(first) == {"a": "b", "n": 5, "t": True, "z": None}
    assert (first.level, first.update, first.seq) == ("warn", True, 3)


def test_what_the_api_gave_out_comes_in_again_without_when_the_other_service_received_it() -> None:
    made = {"id": "1", "app": "x", "time": "2026-08-01T10:00:00.000000001Z", "session": "s", "key": "k", "value": 1}
    received = "2026-08-01T10:00:00.123456789Z"
    bodies = [
        {**made, "received": received},
        {**made, "received": received, "more": 1},
        {**made, "received": "2026-08-01T10:00:00Z"},
        {name: value for name, value in {**made, "received": received}.items() if name != "app"},
    ]
    decoded = decode_events(b"\n".join(msgspec.json.encode(one) for one in bodies), "ndjson")
    assert [read(event) for event in decoded.events] == [
        {}, {"more": 1}, {"received": "2026-08-01T10:00:00Z"}, {"received": received},
    ]  # fmt: skip


def test_members_of_unknown_names_become_attributes() -> None:
    event = an_event(b"1", b',"os":"linux","n":{"a": 1},"attributes":{"os":"mine"},"big":' + b"9" * 30)
    decoded = decode_events(event, "ndjson")
    assert read(decoded.events[0]) == {"os": "mine", "event.os": "linux", "n": '{"a": 1}', "big": "9" * 30}
    assert decoded.corrected == {"unknown_member": 3}


def test_attributes_beyond_the_bounds_are_left_out_and_counted() -> None:
    many = ",".join(f'"a{number}":{number}' for number in range(256))
    long_key, longest = "k" * 257, "ä" * 128
    body = f'{{"session":"s","key":"k","value":1,"attributes":{{"{long_key}":1,"{longest}":1,{many},"b":1}}}}'
    decoded = decode_events(body.encode(), "ndjson")
    assert read(decoded.events[0]) == {longest: 1, **{f"a{number}": number for number in range(255)}}
    assert decoded.corrected == {"attributes_cut": 3}


def test_members_of_a_wrong_type_become_text_or_attributes() -> None:
    event = an_event(
        b"1",
        b',"user":42,"device":true,"level":{"a":1},"time":[5],"timestamp":1e999,"seq":-1,"update":1,"id":null,'
        b'"attributes":{"nested":[1, 2],"huge":1e999,"text":"t"}',
    )
    decoded = decode_events(event, "ndjson")
    got = decoded.events[0]
    assert (got.user, got.device, got.level, got.time, got.seq, got.update, got.id) == (
        "42",
        "true",
        "",
        None,
        None,
        True,
        None,
    )
    assert read(got) == {
        "nested": "[1, 2]", "huge": "1e999", "text": "t",
        "level": '{"a":1}', "time": "[5]", "timestamp": "1e999", "seq": -1,
    }  # fmt: skip
    assert decoded.corrected == {"member_type": 7, "attribute_type": 2}


def test_attributes_that_are_no_map_become_one_attribute() -> None:
    decoded = decode_events(an_event(b"1", b',"attributes":["a"]'), "ndjson")
    assert (read(decoded.events[0]), decoded.corrected) == ({"attributes": '["a"]'}, {"attribute_type": 1})


def test_what_is_no_event_is_told_with_its_text() -> None:
    body = an_event(b"1") + b'\nnope\n{"key":"k","value":1}\n' + an_event(b"2")
    decoded = decode_events(body, "ndjson")
    assert (list(decoded.indexes), decoded_values(decoded)) == ([0, 3], [b"1", b"2"])
    assert [(refused.reason, refused.text) for refused in decoded.rejected] == [
        ("invalid_json", "nope"),
        ("missing_session", '{"key":"k","value":1}'),
    ]


@pytest.mark.parametrize(
    ("item", "key"),
    [
        (b'{"app":"key-1","key":"k","value":1}', "key-1"),
        (b'{"app":"key-1","session":"s","key":"k","value":"\xff"}', "key-1"),
        (b'{"app":7,"key":"k"}', ""),
        (b'{"app":null,"key":"k"}', ""),
        (b'{"key":"k"}', ""),
        (b"[1]", ""),
        (b'{"app":"key-1","key":', ""),
        (b'{"app":"\xff"}', ""),
        (b"\xff", ""),
    ],
)
def test_what_is_no_event_names_its_key_where_that_can_be_read(item: bytes, key: str) -> None:
    assert [refused.key for refused in decode_events(item, "ndjson").rejected] == [key]


NO_EVENTS = [
    (b'{"component":"web","session":"s","value":1}', ("web", "")),
    (b'{"component":"web","key":"k","value":1}', ("web", "k")),
    (b'{"session":"s","key":"k"}', ("", "k")),
    (b'{"component":null,"session":"s","value":1}', ("", "")),
    (b'{"component":7,"key":"k","value":"\xff"}', ("7", "k")),
    (b'{"component":{"a":1},"key":[1],"value":1}', ("", "")),
    (b'{"component":"%s","value":1}' % ("ü" * 300).encode(), ("ü" * 256, "")),
    (b'{"component":"\xff","key":"k","value":1}', ("(unknown)", "k")),
    (b'{"component":"web","key":', ("(unknown)", "(unknown)")),
    (b"[1]", ("(unknown)", "(unknown)")),
]


@pytest.mark.parametrize(("item", "named"), NO_EVENTS)
def test_what_is_no_event_is_counted_by_the_component_and_key_it_names(item: bytes, named: tuple[str, str]) -> None:
    assert check(an_event() + b"\n" + item).named == {named: 1}
    (refused,) = decode_events(item, "ndjson").rejected
    assert refused.named == named


def test_a_flood_of_names_in_refused_events_is_told_as_others_together() -> None:
    checked = check(b"\n".join(b'{"component":"c%d"}' % number for number in range(90)))
    assert len(checked.named) == NAMED_MAX + 1 and sum(checked.named.values()) == 90
    assert checked.named["(other)", "(other)"] == 90 - NAMED_MAX


def test_skipped_events_keep_their_place() -> None:
    body = b"\n".join((an_event(b"0"), an_event(b"1"), an_event(b"2")))
    decoded = decode_events(body, "ndjson", (1,))
    assert (list(decoded.indexes), decoded_values(decoded)) == ([0, 2], [b"0", b"2"])


@pytest.mark.parametrize(
    "body", [b"", b"   ", b"[", b"[1,", b"{", b'"', b"\\", b"\xff", DEEP, b"[" + DEEP, b'{"a":' + DEEP]
)
@pytest.mark.parametrize("form", ["ndjson", "json"])
def test_no_bytes_make_decoding_raise(body: bytes, form: str) -> None:
    assert list(decode_events(body, form).events) == []  # type: ignore[arg-type]
