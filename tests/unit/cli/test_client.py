"""Keys, answers and pauses of the client, without a socket."""

import random
from itertools import islice
from pathlib import Path

import pytest

from logkeep.cli.client import Answer, Connection, Refused, app_key, pauses, printable, refused, service_url
from logkeep.errors import InputError


def test_the_key_is_the_given_one_else_of_a_file_else_of_the_first_start(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("of-file\n")
    (tmp_path / "first-run.json").write_text('{"app":"a","app_key":"of-start","api_token":"t","more":1}')
    assert app_key("given", tmp_path / "key", tmp_path) == "given"
    assert app_key(None, tmp_path / "key", tmp_path) == "of-file"
    assert app_key(None, None, tmp_path) == "of-start"


def test_no_key_at_all_says_where_one_can_come_from(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--app-key or --key-file, set LOGKEEP_KEY"):
        app_key(None, None, tmp_path)


@pytest.mark.parametrize(
    "url", ["", "localhost:7300", "ftp://host", "http://", "http://host:port", "http://host:99999"]
)
def test_what_is_no_url_is_refused(url: str) -> None:
    with pytest.raises(InputError, match="is no URL of a Logkeep service"):
        Connection(url)


def test_a_key_with_a_line_end_cannot_smuggle_a_header() -> None:
    with pytest.raises(InputError, match="copy it again"):
        Connection("http://host", token="a\r\nX-Other: b")


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (
            Answer(400, b'{"error":{"code":"query_syntax","message":"no","column":17}}'),
            ("no (status 400)", "query_syntax", 17),
        ),
        (Answer(502, b"<html>\x1b[31m\xff"), ("<html>\\x1b[31m\ufffd (status 502)", "error", None)),
        (Answer(504, b""), ("Gateway Timeout (status 504)", "error", None)),
    ],
)
def test_a_refusal_has_the_words_of_the_service(answer: Answer, expected: tuple[str, str, int | None]) -> None:
    found: Refused = refused(answer, "http://h")
    assert (found.message, found.code, found.column) == expected


def test_pauses_grow_to_a_limit() -> None:
    waited = list(islice(pauses(random.Random(1)), 12))
    limits = [0.25, 0.5, 1, 2, 4, 8, 15, 15, 15, 15, 15, 15]
    assert all(limit / 2 <= pause <= limit for pause, limit in zip(waited, limits, strict=True))


def test_text_that_could_steer_a_terminal_is_written_out() -> None:
    assert printable("plain é") == "plain é"
    assert printable("\x1b[31m\u202e\n") == "\\x1b[31m\\u202e\\n"


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", "http://127.0.0.1:1"), ("0.0.0.0", "http://127.0.0.1:1"), ("::", "http://[::1]:1")],
)
def test_a_listening_address_is_turned_into_one_to_reach(host: str, expected: str) -> None:
    assert service_url(host, 1) == expected
