"""What limits leave out of a large body: not on the loop, and told by the places it was sent in."""

import asyncio
import json
import threading
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from tests.limiting import Alone, Blocks, Given, events

from logkeep.clock import ManualClock, SystemClock
from logkeep.decode.frame import unpack_frame
from logkeep.errors import BackendUnavailable
from logkeep.metastore.blocks import Blocked
from logkeep.metastore.limits import ComponentLimits, Limits
from logkeep.queue.memory import MemoryQueue
from logkeep.receiver import limiting
from logkeep.receiver.admission import Admission
from logkeep.receiver.commit import Exchange
from logkeep.receiver.intake import Intake
from logkeep.receiver.limiter import Limiter
from logkeep.receiver.reading import PLAIN_INLINE_BYTES_MAX, PreparedBody, SentBody
from logkeep.receiver.refused import Refusals
from logkeep.receiver.replays import CUT_EVENTS_MAX, KEPT_S, SLOTS, WAYS, Replays
from logkeep.receiver.sender_limits import Sender
from logkeep.settings import Intake as IntakeSettings
from logkeep.settings import LimitSettings
from logkeep.telemetry import Telemetry

TELEMETRY = Telemetry()


def limiter_that_blocks(component: str) -> Limiter:
    blocks, clock, settings = Blocks(), SystemClock(), LimitSettings()
    blocks.set("shop", Blocked(components={component: "a loop"}))
    alone: Any = Alone({})
    return Limiter(Given(settings, shop=Limits()), settings, alone, clock, TELEMETRY, Refusals(), blocks)


async def answered(intake: Intake, sent: SentBody) -> Exchange:
    """The exchange of a request, once it has its answer."""
    done = asyncio.Event()
    exchange = Exchange(SimpleNamespace(send_ready=done.set), sent.app)

    def read(result: Any) -> None:
        assert isinstance(result, PreparedBody)
        exchange.body, exchange.count, exchange.form = result.body, result.checked.count, result.checked.form
        exchange.marks, exchange.rejected, exchange.kind = result.marks, result.checked.rejected, sent.kind
        exchange.issues = result.issues
        exchange.batch_id, exchange.repeatable = result.batch_id, bool(result.batch_id)
        intake.submit(exchange, Sender(sent.app), "")

    intake.readers.read(sent, read)
    await asyncio.wait_for(done.wait(), 30)
    return exchange


@pytest.mark.parametrize("kind", ["", "issues"])
def test_what_is_left_out_of_a_large_body_is_left_out_in_a_thread(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[threading.Thread] = []
    without = limiting.without

    def watched(*given: Any) -> Any:
        threads.append(threading.current_thread())
        return without(*given)

    monkeypatch.setattr(limiting, "without", watched)
    text = "x" * (PLAIN_INLINE_BYTES_MAX // 20)
    sent = [
        {"session": str(number), "key": "k", "value": text, "title": "t", "component": ("calm", "noisy")[number % 2]}
        for number in range(40)
    ]
    if kind:
        sent = [{name: each[name] for name in ("session", "title", "component")} | {"stack": text} for each in sent]
    queue, nobody = MemoryQueue(), cast(Any, None)

    async def run() -> Exchange:
        intake = Intake(
            IntakeSettings(), queue, "http-0", Admission(nobody), TELEMETRY, SystemClock(), limiter_that_blocks("noisy")
        )  # fmt: skip
        try:
            return await answered(intake, SentBody("shop", json.dumps(sent).encode(), limited=True, kind=kind))
        finally:
            intake.close()

    exchange = asyncio.run(run())
    assert len(threads) == 1 and threads[0] is not threading.main_thread()
    assert exchange.answer is not None and exchange.answer.startswith(b"HTTP/1.1 202")
    answer = json.loads(exchange.answer.partition(b"\r\n\r\n")[2])
    assert answer["accepted"] == 20
    assert [(one["index"], one["reason"]) for one in answer["rejected"]] == [(n, "blocked") for n in range(1, 40, 2)]
    assert [link["session"] for link in answer.get("links", [])] == (
        [f"/sessions/{number}?app=shop" for number in range(0, 40, 2)] if kind else []
    )
    (record,) = queue.read("any", records_max=10, bytes_max=1 << 30)
    header, body = unpack_frame(record.payload)
    assert (header.count, header.rejected) == (20, {"blocked": 20})
    assert header.named == (("noisy", "" if kind else "k", 20),)
    assert [json.loads(line)["session"] for line in body.split(b"\n")] == [str(n) for n in range(0, 40, 2)]


@pytest.mark.parametrize("text", ["x", "x" * 2 * PLAIN_INLINE_BYTES_MAX])
def test_a_limiter_that_fails_leaves_no_sender_without_an_answer(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*given: Any) -> Any:
        raise OverflowError("a bug")

    monkeypatch.setattr(Limiter, "rule", fails)
    body = json.dumps([{"session": "s", "key": "k", "value": text[:200_000]}] * (1 + len(text) // 200_000)).encode()

    async def run() -> tuple[Exchange, int]:
        intake = Intake(
            IntakeSettings(), MemoryQueue(), "http-0", Admission(cast(Any, None)), TELEMETRY, SystemClock(),
            limiter_that_blocks("noisy"),
        )  # fmt: skip
        try:
            return await answered(intake, SentBody("shop", body, limited=True)), intake.pending_bytes
        finally:
            intake.close()

    exchange, pending = asyncio.run(run())
    assert exchange.answer is not None and exchange.answer.startswith(b"HTTP/1.1 503")
    assert json.loads(exchange.answer.partition(b"\r\n\r\n")[2])["error"]["code"] == "internal" and pending == 0


def test_a_request_sent_again_under_its_key_is_neither_refused_nor_counted_again(tmp_path: Path) -> None:
    """Also by another receiver of the machine, and after a restart of it."""
    clock, settings, queue = SystemClock(), LimitSettings(), MemoryQueue()

    def receiver(replays: Replays) -> Intake:
        alone: Any = Alone({})
        given = Given(settings, shop=Limits(events_per_second=0.001, burst_events=5))
        limiter = Limiter(given, settings, alone, clock, TELEMETRY, Refusals(), Blocks(), replays)
        return Intake(IntakeSettings(), queue, "http-0", Admission(cast(Any, None)), TELEMETRY, clock, limiter)

    def sent(key: bytes, value: str, count: int) -> SentBody:
        body = b"\n".join([json.dumps({"session": "s", "key": "k", "value": value}).encode()] * count)
        return SentBody("shop", body, idempotency_key=key, limited=True)

    async def statuses(intake: Intake, *requests: SentBody) -> list[str]:
        try:
            found = [(await answered(intake, each)).answer for each in requests]
        finally:
            intake.close()
        return [answer[9:12].decode() for answer in found if answer is not None]

    with closing(Replays(tmp_path / "replays", clock)) as here, closing(Replays(tmp_path / "replays", clock)) as there:
        first, other, new = sent(b"abc", "a", 3), sent(b"abc", "b", 3), sent(b"def", "a", 2)

        async def run() -> list[list[str]]:
            return [
                await statuses(receiver(here), first, first, first, new, other),
                await statuses(receiver(there), first, other, first, new),
            ]

        # `other` is another body under the same key: a request of its own
        assert asyncio.run(run()) == [["202", "202", "202", "202", "429"], ["202", "202", "202", "202"]]


def test_a_request_sent_again_and_again_is_known_from_its_first_time_and_takes_one_place(tmp_path: Path) -> None:
    """The store remembers it from then, and stores it once more when it has forgotten it."""
    clock = ManualClock()
    with closing(Replays(tmp_path / "replays", clock)) as replays:
        replays.taken(f"{'0f' * 4}{1:016x}")
        for _ in range(WAYS):
            clock.advance(60)
            replays.taken("0f" * 12)
        assert replays.knows(f"{'0f' * 4}{1:016x}")
        clock.advance(KEPT_S - (WAYS - 1) * 60)
        assert not replays.knows("0f" * 12)


def test_a_replay_is_known_for_a_day_and_the_newest_are_kept(tmp_path: Path) -> None:
    clock = ManualClock()
    with closing(Replays(tmp_path / "replays", clock)) as replays:
        replays.taken("0f" * 12)
        assert (replays.knows("0f" * 12), replays.knows("0e" * 12)) == (True, False)
        for number in range(WAYS - 1):
            clock.advance(1)
            replays.taken(f"{'0f' * 4}{number:016x}")
        assert replays.knows("0f" * 12)
        clock.advance(1)
        replays.taken(f"{'0f' * 4}{WAYS:016x}")
        assert not replays.knows("0f" * 12) and replays.knows(f"{'0f' * 4}{0:016x}")
        clock.advance(KEPT_S)
        assert not replays.knows(f"{'0f' * 4}{WAYS:016x}")
    with pytest.raises(BackendUnavailable):
        Replays(tmp_path / "replays" / "none", clock)


def test_a_request_sent_again_is_answered_as_it_was_though_part_of_it_was_left_out(tmp_path: Path) -> None:
    """By other receivers too, and when nothing is limited any more; of the oldest it is told that it is not known."""
    clock, settings, queue = SystemClock(), LimitSettings(), MemoryQueue()

    def receiver(replays: Replays, **limits: Any) -> Intake:
        alone: Any = Alone({})
        given = Given(settings, shop=Limits(**limits))
        limiter = Limiter(given, settings, alone, clock, TELEMETRY, Refusals(), Blocks(), replays)
        return Intake(IntakeSettings(), queue, "http-0", Admission(cast(Any, None)), TELEMETRY, clock, limiter)

    lines = [json.dumps({"session": "s", "key": "k", "value": i, "component": f"c{i % 2}"}) for i in range(6)]
    lines.insert(1, "bad")
    body = "\n".join(lines).encode()

    async def told(replays: Replays, **limits: Any) -> tuple[str, dict[str, Any]]:
        intake = receiver(replays, **limits)
        used = events(1, None, "c1")
        assert intake.limiter is not None and intake.limiter.rule(Sender("shop"), "", 1, 100, lambda: used) is None
        request = SentBody("shop", body, idempotency_key=b"abc", limited=bool(limits))
        try:
            answer = (await answered(intake, request)).answer
        finally:
            intake.close()
        assert answer is not None
        return answer[9:12].decode(), json.loads(answer.partition(b"\r\n\r\n")[2])

    path = tmp_path / "replays"
    with closing(Replays(path, clock)) as here, closing(Replays(path, clock)) as there:
        own = {"components": {"c1": ComponentLimits(events_per_second=0.001)}}
        status, first = asyncio.run(told(here, **own))
        assert (status, first["accepted"]) == ("202", 3)
        assert [(one["index"], one["reason"]) for one in first["rejected"]] == [
            (1, "invalid_json"), (2, "over_quota"), (4, "over_quota"), (6, "over_quota"),
        ]  # fmt: skip
        for limits in (own, {}):
            status, then = asyncio.run(told(there, **limits))
            assert (status, then["accepted"]) == ("202", 3)
            assert [one["index"] for one in then["rejected"]] == [1, 2, 4, 6]
            assert {one["reason"] for one in then["rejected"][1:]} == {"over_quota"}
        with path.open("r+b") as file:
            file.seek(SLOTS * 16)
            file.write(bytes(path.stat().st_size - SLOTS * 16))
        status, then = asyncio.run(told(there, **own))
        assert (status, then["error"]["code"]) == ("409", "taken_in_part")


def test_what_was_left_out_of_a_large_request_is_known_to_its_last_event(tmp_path: Path) -> None:
    with closing(Replays(None, ManualClock())) as replays:
        replays.taken("0a" * 12, [0, 9, CUT_EVENTS_MAX - 1])
        replays.taken("0b" * 12, [CUT_EVENTS_MAX])
        replays.taken("0c" * 12)
        assert replays.left_out("0a" * 12) == {0, 9, CUT_EVENTS_MAX - 1}
        assert (replays.left_out("0b" * 12), replays.left_out("0c" * 12)) == (None, frozenset())
