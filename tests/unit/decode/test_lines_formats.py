"""Each format on lines of its own kind: what becomes time, level, component, message and attributes."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from logkeep.decode.lines import FORMATS, Calendar, LogLine, guess_format

NOW_NS = int(datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp()) * 10**9


def ns(text: str) -> int:
    """ns of RFC 3339 text with at most microseconds."""
    moment = datetime.fromisoformat(text).astimezone(UTC)
    return (int(moment.timestamp()) * 1_000_000 + moment.microsecond) * 1000


def parsed(name: str, text: str, *, calendar: Calendar | None = None) -> LogLine | None:
    return FORMATS[name].parser(calendar or Calendar(not_after_ns=NOW_NS))(text)


CASES = {
    "HDFS": (
        "log4j",
        "081109 203615 148 INFO dfs.DataNode$PacketResponder: PacketResponder 1 for block blk_388 terminating",
        LogLine(
            "PacketResponder 1 for block blk_388 terminating",
            ns("2008-11-09T20:36:15Z"),
            "info",
            "dfs.DataNode$PacketResponder",
            {"logger": "dfs.DataNode$PacketResponder", "thread": "148"},
        ),
    ),
    "Hadoop": (
        "log4j",
        "2015-10-18 18:01:47,978 WARN [IPC Server handler 1 on 62270] org.apache.hadoop.Some: Address change: old a:1",
        LogLine(
            "Address change: old a:1",
            ns("2015-10-18T18:01:47.978Z"),
            "warn",
            "org.apache.hadoop.Some",
            {"logger": "org.apache.hadoop.Some", "thread": "IPC Server handler 1 on 62270"},
        ),
    ),
    "Spark": (
        "log4j",
        "17/06/09 20:10:40 ERROR executor.Executor: Exception in task 3.0",
        LogLine(
            "Exception in task 3.0",
            ns("2017-06-09T20:10:40Z"),
            "error",
            "executor.Executor",
            {"logger": "executor.Executor"},
        ),
    ),
    "logback": (
        "log4j",
        "2024-01-01 12:00:00.123 [main] INFO  c.e.Shop - started in 3 s",
        LogLine(
            "started in 3 s",
            ns("2024-01-01T12:00:00.123Z"),
            "info",
            "c.e.Shop",
            {"logger": "c.e.Shop", "thread": "main"},
        ),
    ),
    "Spring Boot": (
        "log4j",
        "2024-01-01T12:00:00.123+01:00  WARN 1234 --- [shop] [nio-8080-exec-1] c.e.Shop : slow",
        LogLine(
            "slow",
            ns("2024-01-01T11:00:00.123Z"),
            "warn",
            "c.e.Shop",
            {"logger": "c.e.Shop", "thread": "nio-8080-exec-1", "pid": 1234},
        ),
    ),
    "Python": (
        "log4j",
        "2024-01-01 12:00:00,123 - shop.cart - CRITICAL - no money",
        LogLine("no money", ns("2024-01-01T12:00:00.123Z"), "fatal", "shop.cart", {"logger": "shop.cart"}),
    ),
    "Python's basicConfig": ("log4j", "WARNING:root:hot", LogLine("hot", None, "warn", "root", {"logger": "root"})),
    "time and level only": (
        "log4j",
        "2024-01-01 12:00:00 [ERROR] no space left",
        LogLine("no space left", ns("2024-01-01T12:00:00Z"), "error"),
    ),
    "syslog, RFC 3164": (
        "syslog",
        "Jun 14 15:16:01 combo sshd(pam_unix)[19939]: authentication failure; user=root",
        LogLine(
            "authentication failure; user=root",
            ns("2026-06-14T15:16:01Z"),
            "",
            "sshd",
            {"host": "combo", "program": "sshd", "module": "pam_unix", "pid": 19939},
        ),
    ),
    "syslog with a priority": (
        "syslog",
        "<34>Oct 11 22:14:15 mymachine su: 'su root' failed",
        LogLine(
            "'su root' failed",
            ns("2026-10-11T22:14:15Z"),
            "fatal",
            "su",
            {"host": "mymachine", "facility": 4, "program": "su"},
        ),
    ),
    "syslog without a tag": (
        "syslog",
        "Dec  1 00:00:00 host last message repeated 2 times",
        LogLine("last message repeated 2 times", ns("2025-12-01T00:00:00Z"), "", "", {"host": "host"}),
    ),
    "rsyslog": (
        "syslog",
        "2024-05-01T10:00:00.123456+02:00 host kernel: oom",
        LogLine("oom", ns("2024-05-01T08:00:00.123456Z"), "", "kernel", {"host": "host", "program": "kernel"}),
    ),
    "syslog, RFC 5424": (
        "syslog",
        '<165>1 2003-10-11T22:14:15.003Z host.example app 12 ID47 [ex@1 k="v\\"w" n="3"][b@2] \ufeffAn event',
        LogLine(
            "An event",
            ns("2003-10-11T22:14:15.003Z"),
            "info",
            "app",
            {
                "facility": 20, "host": "host.example", "program": "app", "pid": 12, "message_id": "ID47",
                "sd.ex@1.k": 'v"w', "sd.ex@1.n": "3",
            },
        ),
    ),
    "syslog, RFC 5424, all nil": ("syslog", "<0>1 - - - - - -", LogLine("", None, "fatal", "", {"facility": 0})),
    "logcat threadtime": (
        "logcat",
        "03-17 16:13:38.811  1702  2395 D WindowManager: printFreezing: opening",
        LogLine(
            "printFreezing: opening",
            ns("2026-03-17T16:13:38.811Z"),
            "debug",
            "WindowManager",
            {"tag": "WindowManager", "pid": 1702, "tid": 2395},
        ),
    ),
    "logcat with year and zone": (
        "logcat",
        "2024-03-17 16:13:38.811 +0100  1702  2395 E a b  : c",
        LogLine("c", ns("2024-03-17T15:13:38.811Z"), "error", "a b", {"tag": "a b", "pid": 1702, "tid": 2395}),
    ),
    "logcat brief": ("logcat", "W/Tag( 17): text", LogLine("text", None, "warn", "Tag", {"tag": "Tag", "pid": 17})),
    "combined": (
        "combined",
        '10.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /a?b=1 HTTP/1.1" 404 12 "-" '
        '"Shop \\"b\\" \\xc3\\xa9" 0.004',
        LogLine(
            "GET /a?b=1 HTTP/1.1 404",
            ns("2000-10-10T20:55:36Z"),
            "warn",
            "",
            {
                "client": "10.0.0.1", "status": 404, "method": "GET", "path": "/a?b=1", "protocol": "HTTP/1.1",
                "bytes": 12, "user_agent": 'Shop "b" é', "extra": "0.004",
            },
            user="frank",
        ),
    ),
    "common": (
        "common",
        '::1 - - [10/Oct/2000:13:55:36 +0000] "\\x16\\x03" 400 -',
        LogLine("\x16\x03 400", ns("2000-10-10T13:55:36Z"), "warn", "", {"client": "::1", "status": 400}),
    ),
    "apache 2.2": (
        "apache-error",
        "[Sun Dec 04 04:47:44 2005] [error] mod_jk child workerEnv in error state 6",
        LogLine("mod_jk child workerEnv in error state 6", ns("2005-12-04T04:47:44Z"), "error"),
    ),
    "apache 2.4": (
        "apache-error",
        "[Fri Sep 09 10:42:29.902022 2011] [core:error] [pid 357:tid 43] [client 72.15.99.187:80] AH00128: no file",
        LogLine(
            "AH00128: no file",
            ns("2011-09-09T10:42:29.902022Z"),
            "error",
            "",
            {"module": "core", "pid": 357, "tid": 43, "client": "72.15.99.187:80"},
        ),
    ),
    "openstack": (
        "openstack",
        'nova-api.log 2017-05-16 00:00:00.008 257 INFO nova.api [req-38 u1 p1 - - -] 10.1.1.1 "GET /v2/x HTTP/1.1" '
        "status: 200 len: 18 time: 0.25",
        LogLine(
            '10.1.1.1 "GET /v2/x HTTP/1.1" status: 200 len: 18 time: 0.25',
            ns("2017-05-16T00:00:00.008Z"),
            "info",
            "nova.api",
            {
                "logger": "nova.api", "pid": 257, "source": "nova-api.log", "request": "req-38", "project": "p1",
                "client": "10.1.1.1", "method": "GET", "path": "/v2/x", "status": 200, "bytes": 18, "seconds": 0.25,
            },
            user="u1",
        ),
    ),
    "logfmt": (
        "logfmt",
        'time=2024-01-01T10:00:00Z level=warn msg="a \\"b\\"\\n" status=200 path=/x empty= id=007',
        LogLine(
            'a "b"\n',
            ns("2024-01-01T10:00:00Z"),
            "warn",
            "",
            {"status": 200, "path": "/x", "empty": "", "id": "007"},
        ),
    ),
    "JSON of zap": (
        "jsonlines",
        '{"level":"error","ts":1700000000.25,"logger":"a.b","msg":"no","n":5,"http":{"method":"GET"},"tags":["a"],"x":null}',
        LogLine(
            "no", 1_700_000_000_250_000_000, "error", "a.b", {"n": 5, "http.method": "GET", "tags": '["a"]'}
        ),
    ),
    "JSON of pino": (
        "jsonlines",
        '{"level":50,"time":1700000000123,"pid":7,"session_id":"s9","userId":42,"message":{"a":1}}',
        LogLine({"a": 1}, 1_700_000_000_123_000_000, "error", "", {"pid": 7}, session="s9", user="42"),
    ),
    "JSON without a message": ("jsonlines", '{"level":"info","a":1}', LogLine({"a": 1}, None, "info")),
    "JSON with a time that is none": (
        "jsonlines",
        '{"time":"yesterday","msg":"x"}',
        LogLine("x", None, "", "", {"time": "yesterday"}),
    ),
    "plain": ("plain", "anything: at all", LogLine("anything: at all")),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_a_line_is_read_as_its_format_says(case: str) -> None:
    name, text, expected = CASES[case]
    assert parsed(name, text) == expected


@pytest.mark.parametrize("case", [case for case in CASES if case != "JSON without a message"])
def test_the_format_of_a_line_is_guessed(case: str) -> None:
    name, text, _ = CASES[case]
    guessed = guess_format([text] * 3, Calendar(not_after_ns=NOW_NS))
    assert guessed == ("combined" if name == "common" else name)


NO_RECORDS = {
    "log4j": [
        "\tat org.apache.Some.method(Some.java:12)", "java.io.IOException: no", "", "2015-13-45 18:01:47,978 INFO a: b",
        "2015-10-18 18:01:47,978 HELLO a: b", "081109 203615 148 NOPE dfs.X: y",
    ],
    "syslog": [
        "Foo 14 15:16:01 combo a: b", "Feb 30 15:16:01 combo a: b", "plain text",
        "<34>1 2003-13-11T22:14:15Z a b c d -",
    ],
    "logcat": ["--------- beginning of main", "13-41 16:13:38.811  1702  2395 D A: b", "03-17 16:13:38.811 1 2 X A: b"],
    "combined": ["", '1.1.1.1 - - [10/Foo/2000:13:55:36 -0700] "GET / HTTP/1.1" 200 1', 'x - - [1] "GET /" 200 1'],
    "apache-error": [
        "[Sun Foo 04 04:47:44 2005] [error] a", "[Sun Dec 04 04:47:44 2005] [nonsense] a", "PHP Stack trace:",
    ],
    "openstack": ["2017-05-16 00:00:00.008 257 INFO nova.api no context", "Traceback (most recent call last):"],
    "logfmt": ["just words", "", "="],
    "jsonlines": ["{", "[1]", '"text"', "{}", '{"a":"\\ud800"}', "null"],
    "plain": ["", "  indented", "\tindented"],
}  # fmt: skip


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in NO_RECORDS.items() for text in texts])
def test_what_is_no_record_of_a_format_is_not_taken_for_one(name: str, text: str) -> None:
    assert parsed(name, text) is None


def test_prose_with_an_equals_sign_is_plain() -> None:
    lines = ["the result is x=1", "and then nothing", "more words"]
    assert guess_format(lines, Calendar(not_after_ns=NOW_NS)) == "plain"


def test_own_events_are_told_from_other_json_lines() -> None:
    calendar = Calendar(not_after_ns=NOW_NS)
    assert guess_format(['{"session":"s","key":"k","value":1}'], calendar) == "ndjson"
    assert guess_format(['{"session":"s","key":"k","value":1}', '{"msg":"a"}'], calendar) == "jsonlines"


def test_a_zone_applies_to_times_without_one_and_follows_summer_time() -> None:
    berlin = Calendar(ZoneInfo("Europe/Berlin"), not_after_ns=NOW_NS)
    summer = parsed("log4j", "2024-07-01 12:00:00,000 INFO a: b", calendar=berlin)
    winter = parsed("log4j", "2024-01-01 12:00:00,000 INFO a: b", calendar=berlin)
    own = parsed("syslog", "2024-07-01T12:00:00+00:00 host a: b", calendar=berlin)
    found = [line.time_ns for line in (summer, winter, own) if line is not None]
    assert found == [ns("2024-07-01T10:00:00Z"), ns("2024-01-01T11:00:00Z"), ns("2024-07-01T12:00:00Z")]


@pytest.mark.parametrize(
    ("date", "year", "expected"),
    [
        ("Nov 23 11:59:00", None, "2026-11-23T11:59:00Z"),  # within a day: another clock, another zone
        ("Nov 23 12:01:00", None, "2025-11-23T12:01:00Z"),
        ("Feb 29 00:00:00", None, "2024-02-29T00:00:00Z"),
        ("Nov 23 00:00:00", 2019, "2019-11-23T00:00:00Z"),
    ],
)
def test_a_date_without_a_year_is_the_latest_that_is_not_in_the_future(
    date: str, year: int | None, expected: str
) -> None:
    line = parsed("syslog", f"{date} host a: b", calendar=Calendar(year=year, not_after_ns=NOW_NS))
    assert line is not None and line.time_ns == ns(expected)


def test_surplus_attributes_stand_together_as_json_text() -> None:
    fields = ",".join(f'"n{i}":{i}' for i in range(300))
    line = parsed("jsonlines", f'{{"msg":"x",{fields}}}')
    assert line is not None and len(line.attributes) == 256
    assert str(line.attributes["more"]).startswith('{"n255":255,"n256":256')
