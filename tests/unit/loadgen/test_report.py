import pytest

from logkeep.errors import InputError
from logkeep.loadgen.http import RETRY_AFTER_MAX_S, retry_wait_s, tally
from logkeep.loadgen.report import Latencies, LoadPlan, LoadReport
from logkeep.loadgen.target import Target, resolve_target


def test_quantiles_are_told_within_one_in_a_hundred() -> None:
    latencies = Latencies()
    for duration_us in range(1, 100_001):
        latencies.add(duration_us)

    summary = latencies.summary_ms()
    assert summary.pop("max") == 100.0
    assert summary == pytest.approx({"p50": 50.0, "p90": 90.0, "p99": 99.0}, rel=0.01)


def test_small_and_absurd_durations_have_a_place() -> None:
    latencies = Latencies()
    for duration_us in (0, 1, 255, 256, 1 << 60):
        latencies.add(duration_us)

    assert latencies.summary_ms()["p50"] == 0.255
    assert latencies.summary_ms()["max"] == (1 << 60) / 1000
    assert Latencies().summary_ms() == {}


def after(status: int, body: bytes, events: int = 3) -> LoadReport:
    report = LoadReport(protocol="http")
    tally(report, events, status, body)
    return report


def test_an_answer_is_counted_as_it_says() -> None:
    assert after(202, b'{"accepted":3,"rejected":[],"durable":"disk"}') == LoadReport(protocol="http", acknowledged=3)
    assert after(202, b'{"accepted":2,"rejected":[{"index":1,"reason":"missing_key","message":"x"}]}') == LoadReport(
        protocol="http", acknowledged=2, rejected={"missing_key": 1}
    )
    assert after(400, b'{"accepted":0,"rejected":[{"reason":"a"},{"reason":"a"},{"reason":"b"}]}') == LoadReport(
        protocol="http", rejected={"a": 2, "b": 1}
    )
    assert after(503, b"") == LoadReport(protocol="http", refused={"503": 3})
    assert after(202, b"<html>") == LoadReport(protocol="http", refused={"202 without a readable answer": 3})
    assert after(202, b'{"accepted":1}') == LoadReport(
        protocol="http", acknowledged=1, failed={"not told in the answer": 2}
    )


def test_a_run_is_complete_only_when_nothing_went_wrong() -> None:
    assert LoadReport(protocol="http", acknowledged=3).complete
    assert not after(503, b"").complete
    assert not after(202, b'{"accepted":1}').complete


@pytest.mark.parametrize(
    ("header", "wait_s"), [(b"2", 2.0), (b" 0.5 ", 0.5), (b"999999", RETRY_AFTER_MAX_S), (b"", 1.0), (b"-1", 1.0)]
)
def test_retry_after_is_read_in_bounds(header: bytes, wait_s: float) -> None:
    assert retry_wait_s(header) == wait_s


@pytest.mark.parametrize("key", ["", "a b", "a\r\nX: 1", 'a"', "ä", "a%"])
def test_a_key_that_could_change_the_request_is_refused(key: str) -> None:
    with pytest.raises(InputError, match="the key holds characters that no key has"):
        LoadPlan(url="http://127.0.0.1:1", key=key, events=1)


def test_a_load_without_an_end_is_refused() -> None:
    with pytest.raises(InputError, match="without an end"):
        LoadPlan(url="http://127.0.0.1:1", key="k")


def test_only_loopback_is_loaded_unless_asked() -> None:
    assert resolve_target("http://127.0.0.1:7300", allow_remote=False) == Target("127.0.0.1", "127.0.0.1", 7300, False)
    assert resolve_target("https://[::1]", allow_remote=False) == Target("::1", "::1", 443, True)
    with pytest.raises(InputError, match=r"192\.0\.2\.1.*takes --allow-remote"):
        resolve_target("http://192.0.2.1:7300", allow_remote=False)
    assert resolve_target("http://192.0.2.1:7300", allow_remote=True).address == "192.0.2.1"


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:7300", "ftp://127.0.0.1", "http://127.0.0.1:7300/v1", "http://:1", "http://127.0.0.1:x"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(InputError, match="is no address to load"):
        resolve_target(url, allow_remote=True)
