"""`logkeep send` against an intake that refuses, fails and forgets on purpose: nothing is lost, nothing is doubled."""

import contextlib
import gzip
import http.server
import io
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zstandard
from tests.service import LOGKEEP, wait_for

from logkeep.cli import main

KEY = "lkw_test"
HDFS = "081109 203615 148 INFO dfs.DataNode: PacketResponder {n} for block blk_{block} terminating\n"


class Request(msgspec.Struct):
    """What came in, and what was answered."""

    key: str
    idempotency_key: str
    encoding: str
    events: list[dict[str, Any]]
    status: int


class FakeIntake(http.server.ThreadingHTTPServer):
    """Answers by the script: for each request a status, "drop" to close without an answer, or 202 when it is over."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script: list[int | str] = []
        self.requests: list[Request] = []
        self.reject: Callable[[dict[str, Any]], str] = lambda event: ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def stored(self) -> list[dict[str, Any]]:
        """Accepted events as a service has them: an Idempotency-Key and an id count once."""
        taken = {request.idempotency_key: request for request in self.requests if request.status == 202}
        events = {
            event["id"]: event for request in taken.values() for event in request.events if not self.reject(event)
        }
        return list(events.values())


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FakeIntake

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        encoding = self.headers.get("Content-Encoding", "plain")
        unpacked = {"plain": bytes, "gzip": gzip.decompress, "zstd": zstandard.ZstdDecompressor().decompress}[encoding](
            body
        )
        events = [json.loads(line) for line in unpacked.splitlines()]
        step = self.server.script.pop(0) if self.server.script else 202
        status = step if isinstance(step, int) else 202  # "drop": it was stored, the answer is lost
        key, idempotency_key = self.headers["Authorization"], self.headers["Idempotency-Key"]
        self.server.requests.append(Request(key, idempotency_key, encoding, events, status))
        if step == "drop":
            self.close_connection = True
            return
        rejected = [
            {"index": i, "reason": reason, "message": "because"}
            for i, event in enumerate(events)
            if (reason := self.server.reject(event))
        ]
        answer: Any = {"accepted": len(events) - len(rejected), "rejected": rejected, "durable": "disk"}
        if status not in (202, 400):
            answer = {"error": {"code": "no", "message": f"answered {status} on purpose"}}
        content = json.dumps(answer).encode()
        self.send_response(status)
        if status == 503:
            self.send_header("Retry-After", "0")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the test looks at `requests`."""


@pytest.fixture
def intake() -> Iterator[FakeIntake]:
    server = FakeIntake()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def arguments(intake: FakeIntake, *more: str) -> list[str]:
    return [LOGKEEP, "send", "--url", intake.url, "--app-key", KEY, *more]


class Done(msgspec.Struct):
    returncode: int
    stderr: str


def send(intake: FakeIntake, *more: str, stdin: bytes = b"") -> Done:
    """The command in this process: a process of its own for each of the many takes half a second."""
    standard_input, errors = sys.stdin, io.StringIO()
    with tempfile.TemporaryFile() as file, contextlib.redirect_stderr(errors):
        file.write(stdin)
        file.seek(0)
        sys.stdin = io.TextIOWrapper(file)
        try:
            code = main(arguments(intake, *more)[1:])
        finally:
            sys.stdin = standard_input
    return Done(code, errors.getvalue())


def said(done: Done) -> list[str]:
    return done.stderr.splitlines()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "app.log"
    path.write_text("".join(HDFS.format(n=n, block=n % 7) for n in range(2500)))
    return path


@pytest.mark.parametrize("encoding", ["zstd", "gzip", "plain"])
def test_a_file_is_sent_in_batches_with_sessions_times_and_attributes(
    intake: FakeIntake, log: Path, encoding: str
) -> None:
    done = send(intake, str(log), "--session-regex", r"(blk_\d+)", "--component", "hdfs", "--encoding", encoding)
    assert (done.returncode, said(done)) == (0, ["sent 2,500 events in 3 batches, 0 rejected"])
    assert [len(request.events) for request in intake.requests] == [1000, 1000, 500]
    assert {(request.key, request.encoding) for request in intake.requests} == {(f"Bearer {KEY}", encoding)}
    assert len({request.idempotency_key for request in intake.requests}) == 3
    first = intake.requests[0].events[0]
    assert len(first.pop("id")) == 36
    assert first == {
        "session": "blk_0",
        "key": "log",
        "value": "PacketResponder 0 for block blk_0 terminating",
        "time": 1226262975000000000,
        "level": "info",
        "component": "hdfs",
        "attributes": {"logger": "dfs.DataNode", "thread": "148"},
    }


def test_the_same_file_sent_twice_has_the_same_ids(intake: FakeIntake, log: Path) -> None:
    assert [send(intake, str(log)).returncode, send(intake, str(log)).returncode] == [0, 0]
    assert len(intake.requests) == 6 and len(intake.stored) == 2500


def test_without_ids_none_are_sent(intake: FakeIntake, log: Path) -> None:
    assert send(intake, str(log), "--no-ids").returncode == 0
    assert not any("id" in event for request in intake.requests for event in request.events)


def test_two_runs_of_a_program_are_two_things(intake: FakeIntake) -> None:
    for _ in range(2):
        assert send(intake, "--session", "run", stdin=b"starting\n").returncode == 0
    assert [event["value"] for event in intake.stored] == ["starting", "starting"]


def test_a_batch_is_tried_again_with_the_same_key_until_it_is_answered(intake: FakeIntake, log: Path) -> None:
    intake.script = [503, "drop", 429, 202, "drop", 502]
    done = send(intake, str(log))
    assert (done.returncode, said(done)) == (0, ["sent 2,500 events in 3 batches, 0 rejected"])
    assert len(intake.requests) > 6 and len(intake.stored) == 2500
    assert len({request.idempotency_key for request in intake.requests}) == 3


def test_giving_up_is_a_failure_with_words(intake: FakeIntake, log: Path) -> None:
    intake.script = [503] * 50
    done = send(intake, str(log), "--retry-s", "0")
    assert done.returncode == 1
    assert said(done)[0] == "sent 0 events in 0 batches, 0 rejected"
    assert "answered 503 on purpose" in said(done)[1] and "gave up" in said(done)[1]


def test_nobody_there_is_a_failure_with_words(intake: FakeIntake, log: Path) -> None:
    done = send(intake, str(log), "--url", "http://127.0.0.1:9", "--retry-s", "0")
    assert done.returncode == 1
    assert "no answer from http://127.0.0.1:9: Connection refused" in said(done)[1]


def test_a_wrong_key_ends_it_at_once(intake: FakeIntake, log: Path) -> None:
    intake.script = [401]
    done = send(intake, str(log))
    assert done.returncode == 1 and len(intake.requests) == 1
    assert "the key or token is not known" in said(done)[1]


def test_a_batch_too_large_is_sent_in_halves(intake: FakeIntake, log: Path) -> None:
    intake.script = [413, 202, 413]
    done = send(intake, str(log), "--batch", "10000")
    assert done.returncode == 0
    assert len(intake.stored) == 2500


def test_rejected_events_are_named_by_line_and_the_rest_is_sent(intake: FakeIntake, log: Path) -> None:
    intake.reject = lambda event: "too_large" if event["value"].startswith("PacketResponder 1200 ") else ""
    done = send(intake, str(log))
    assert done.returncode == 1 and len(intake.stored) == 2499
    assert said(done) == [
        "app.log:1201: rejected: too_large because",
        "sent 2,499 events in 3 batches, 1 rejected (too_large 1)",
    ]


def test_lines_that_cannot_be_read_are_named_and_the_rest_is_sent(intake: FakeIntake, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b'{"msg":"one"}\r\n\x1b[31mgarbage\xff\n\n{"msg":"two \xff"}\n{"msg":"three"}')
    done = send(intake, str(path), "--format", "jsonlines")
    assert done.returncode == 1
    assert [event["value"] for event in intake.stored] == ["one", "two \ufffd", "three"]
    assert said(done) == [
        "a.json:2: not a line of jsonlines: \\x1b[31mgarbage\ufffd",
        "sent 3 events in 1 batch, 0 rejected, 1 line unreadable",
    ]


def test_own_events_go_as_they_are_and_get_an_id_when_they_have_none(intake: FakeIntake) -> None:
    lines = [
        '{"session":"s","key":"k","value":1e3,"unknown":[1]}',
        ' {"session":"s","key":"k","value":"x","id":"mine"} ',
        "[]",
    ]
    done = send(intake, "--format", "ndjson", stdin="\n".join(lines).encode())
    assert done.returncode == 1 and "stdin:3: not a JSON object: []" in said(done)
    first, second = intake.stored
    assert len(first.pop("id")) == 36
    assert first == {"session": "s", "key": "k", "value": 1000.0, "unknown": [1]}
    assert second == {"session": "s", "key": "k", "value": "x", "id": "mine"}


def test_a_stack_trace_is_one_event_and_a_huge_one_goes_in_parts(intake: FakeIntake, tmp_path: Path) -> None:
    head = "2024-01-01 12:00:00,000 ERROR a.B: failed\n"
    path = tmp_path / "a.log"
    path.write_text(head + "\tat x\n" * 3 + head + "\x01" * 200_000 + "\n")
    done = send(intake, str(path))
    assert (done.returncode, said(done)[-1].split(" in ")[0]) == (0, "sent 9 events")
    events = sorted(intake.stored, key=lambda event: event["attributes"].get("part", 0))
    assert events[0]["value"] == "failed\n\tat x\n\tat x\n\tat x"
    assert "".join(event["value"] for event in events[1:]) == "failed\n" + "\x01" * 200_000
    assert [event["attributes"].get("part") for event in events] == [None, 1, 2, 3, 4, 5, 6, 7, 8]


def test_packed_files_are_read(intake: FakeIntake, tmp_path: Path) -> None:
    path = tmp_path / "old.log.gz"
    path.write_bytes(gzip.compress(b"one\ntwo\n"))
    assert send(intake, str(path), "--format", "plain").returncode == 0
    assert [event["value"] for event in intake.stored] == ["one", "two"]


def test_times_are_moved_so_that_the_last_event_is_now(intake: FakeIntake, log: Path) -> None:
    log.write_text("081109 203615 148 INFO a.B: first\n081119 203615 148 INFO a.B: last\n")
    assert send(intake, str(log), "--shift-to-now", "--within-days", "1").returncode == 0
    first, last = (event["time"] for event in intake.stored)
    assert last - first == 86_400 * 10**9
    assert abs(last - os.stat(log).st_mtime_ns) < 3600 * 10**9


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["/no/such/file"], "cannot read /no/such/file: No such file or directory"),
        (["--session", "{pid"], "has a brace without its partner"),
        (["--session-regex", "("], "--session-regex '(' is not one"),
        (["--timezone", "Mars/Base"], "--timezone 'Mars/Base' is no zone"),
        (["--format", "nonsense"], "nonsense"),
        (["--shift-to-now"], "--shift-to-now reads files twice"),
        (["--key", "lkw_3pK2"], "this is a write key or a token: give it as --app-key"),
    ],
)
def test_wrong_usage_says_what_is_wrong_and_ends_with_2(intake: FakeIntake, more: Sequence[str], words: str) -> None:
    done = send(intake, *more, stdin=b"a line\n")
    assert done.returncode == 2 and words in done.stderr
    assert intake.requests == []


@pytest.fixture
def following(intake: FakeIntake, tmp_path: Path) -> Iterator[tuple[Path, subprocess.Popen[bytes]]]:
    """A file that `logkeep send --follow` follows; one line is in it and has arrived."""
    path = tmp_path / "live.log"
    path.write_text("line 1\n")
    command = arguments(intake, "--follow", "--format", "plain", str(path))
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    try:
        wait_for(lambda: len(intake.stored) == 1, 20, "the first line")
        yield path, process
    finally:
        process.kill()
        process.communicate()


def values(intake: FakeIntake) -> list[str]:
    return [event["value"] for event in intake.stored]


def test_a_followed_file_is_read_on_through_growth_rotation_and_truncation(
    intake: FakeIntake, following: tuple[Path, subprocess.Popen[bytes]]
) -> None:
    path, process = following
    with path.open("a") as file:
        file.write("line 2\nline 3")
    path.rename(path.with_suffix(".1"))
    path.write_text("line 4, in a new file\n")
    wait_for(lambda: len(intake.stored) == 4, 20, "rotation", lambda: str(values(intake)))
    path.write_text("line 5\n")
    wait_for(lambda: len(intake.stored) == 5, 20, "truncation", lambda: str(values(intake)))
    with path.open("a") as file:
        file.write("line 6, without its end")
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert values(intake)[:5] == ["line 1", "line 2", "line 3", "line 4, in a new file", "line 5"]
    assert process.returncode == 0 and b"0 rejected" in said


def test_what_a_program_prints_slowly_is_sent_without_waiting_for_its_end(intake: FakeIntake) -> None:
    process = subprocess.Popen(arguments(intake, "--session", "live"), stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(b"hello\n")
    process.stdin.flush()
    try:
        wait_for(lambda: values(intake) == ["hello"], 20, "the first line")
        _, said = process.communicate(b"bye\n", timeout=20)
    finally:
        process.kill()
    assert (process.returncode, values(intake)) == (0, ["hello", "bye"])
    assert said == b"sent 2 events in 2 batches, 0 rejected\n"


def test_the_help_comes_without_loading_what_only_commands_need() -> None:
    code = "import sys, logkeep.cli; logkeep.cli.main(['--help']); print([m for m in %r if m in sys.modules])"
    heavy = ["rich", "chdb", "litestar", "prometheus_client", "zstandard", "uvicorn", "http.client", "logkeep.settings"]
    done = subprocess.run([sys.executable, "-c", code % (heavy,)], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "[]"
