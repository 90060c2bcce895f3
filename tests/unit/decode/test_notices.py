"""Notices: what a body of them may hold, and what a frame of them gives back."""

import json

import pytest

from logkeep.decode.frame import FrameHeader, pack_frame, unpack_frame
from logkeep.decode.notices import KINDS, NOTICES_MAX, SessionNotice, check_notices, decode_notices
from logkeep.errors import InputError

SESSIONS = KINDS["sessions"]


def reasons(body: bytes) -> list[str]:
    return [one.reason for one in check_notices(body, SESSIONS).rejected]


def test_one_object_an_array_and_lines_are_taken_alike() -> None:
    bodies = [
        b'{"session":"s","user":"u"}',
        b'\xef\xbb\xbf [{"session":"s",\n"user":"u"}]',
        b'{"session":"s","user":"u"}\n',
    ]
    for body in bodies:
        checked = check_notices(body, SESSIONS)
        assert (checked.count, checked.rejected) == (1, ())
        assert list(decode_notices(checked.body, SESSIONS).notices) == [SessionNotice(session="s", user="u")]


def test_members_of_other_names_are_passed_over_and_null_is_nothing() -> None:
    checked = check_notices(b'{"session":"s","user":null,"device":"d","colour":"red"}', SESSIONS)
    assert list(decode_notices(checked.body, SESSIONS).notices) == [SessionNotice(session="s", device="d")]


@pytest.mark.parametrize(
    ("notice", "reason"),
    [
        ({}, "bad_notice"),
        ([], "bad_notice"),
        ({"session": "", "user": "u"}, "bad_notice"),
        ({"session": "s"}, "bad_notice"),
        ({"session": 5, "user": "u"}, "bad_notice"),
        ({"session": "s", "user": ["u"]}, "bad_notice"),
        ({"session": "s" * 513, "user": "u"}, "bad_notice"),
        ({"session": "ü" * 300, "user": "u"}, "bad_notice"),
        ({"session": "s", "attributes": {"a": {"nested": 1}}}, "bad_notice"),
        ({"session": "s", "attributes": {str(n): n for n in range(257)}}, "bad_notice"),
        ({"session": "s", "user": "u", "more": "x" * (32 << 10)}, "too_large"),
    ],
)
def test_a_bad_notice_is_told_and_the_others_are_taken(notice: object, reason: str) -> None:
    body = json.dumps([{"session": "good", "user": "u"}, notice], ensure_ascii=False).encode()
    checked = check_notices(body, SESSIONS)
    assert (checked.count, [(one.index, one.reason) for one in checked.rejected]) == (1, [(1, reason)])
    assert [sample.reason for sample in checked.samples] == [reason]


def test_lines_of_which_one_is_no_json_lose_that_one() -> None:
    assert reasons(b'{"session":"s","user":"u"}\n{"session":\n{"session":"t","user":"u"}') == ["invalid_json"]
    assert reasons(b'{"session":"s","user":"\xff"}\n{"session":"t","user":"u"}') == ["invalid_utf8"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "empty_body"),
        (b"[]", "empty_body"),
        (b"{", "invalid_json"),
        (b"[{}", "invalid_json"),
        (b"[" + b",".join([b"{}"] * (NOTICES_MAX + 1)) + b"]", "too_many_notices"),
    ],
)
def test_a_body_that_is_none_is_refused(body: bytes, code: str) -> None:
    with pytest.raises(InputError) as refused:
        check_notices(body, SESSIONS)
    assert refused.value.code == code


def test_what_another_version_let_in_is_told_one_by_one() -> None:
    decoded = decode_notices(b'{"session":"s","user":"u"}\n{"session":5}\n{"session":"t","user":"u"}', SESSIONS)
    assert ([one.session for one in decoded.notices], list(decoded.indexes)) == (["s", "t"], [0, 2])
    assert [(index, text) for index, _, text in decoded.refused] == [(1, '{"session":5}')]


def test_frames_of_events_are_byte_for_byte_what_they_were_but_for_a_member_older_ones_lack() -> None:
    header = FrameHeader("a", 5, "0" * 24, 1)
    assert pack_frame(header, b"{}")[:1] == b"\x01"
    notices = FrameHeader("a", 5, "0" * 24, 1, kind="sessions")
    assert pack_frame(notices, b"{}")[:1] == b"\x02" and unpack_frame(pack_frame(notices, b"{}")) == (notices, b"{}")
    older = bytes.fromhex("01390000009ba16105b8") + b"0" * 24
    older += bytes.fromhex("01a66e646a736f6ea5706c61696ea46874747090809 0c2".replace(" ", "")) + b"{}"
    older = older[:1] + (len(older) - 7).to_bytes(4, "little") + older[5:]
    assert unpack_frame(older) == (header, b"{}")


def test_half_a_surrogate_pair_becomes_a_replacement_character() -> None:
    checked = check_notices(b'{"session":"a\\ud83d","user":"\\ud83d\\ude00"}', SESSIONS)
    (notice,) = decode_notices(checked.body, SESSIONS).notices
    assert (checked.rejected, notice.session, notice.user) == ((), "a\ufffd", "\U0001f600")
