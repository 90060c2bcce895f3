"""Nobody waits for a database that is known to be away."""

import threading
from collections.abc import Iterator

import pytest
from tests.service import wait_for

from logkeep.errors import BackendUnavailable, InputError
from logkeep.metastore import breaker as breaker_module
from logkeep.metastore.breaker import Breaker
from logkeep.metastore.database import NoAnswer


class Server:
    """What the breaker stands before. looks, calls: how many there were."""

    def __init__(self) -> None:
        self.away, self.looks, self.calls = False, 0, 0
        self.back = threading.Event()
        self.breaker = Breaker(self.look)

    def look(self) -> None:
        self.looks += 1
        if self.away and not self.back.wait(30):
            raise NoAnswer("still away")
        self.away = False

    def answer(self) -> str:
        self.calls += 1
        if self.away:
            raise NoAnswer("the metastore does not answer", code="metastore_unavailable")
        return "answered"

    def ask(self) -> str:
        return self.breaker.passed(self.answer)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(breaker_module, "LOOK_EVERY_S", 0.01)
    made = Server()
    yield made
    made.back.set()
    made.breaker.close()


def test_a_call_passes_and_so_does_its_error(server: Server) -> None:
    def refuse() -> None:
        raise InputError("no")

    def meet() -> None:
        raise BackendUnavailable("others were in the way")

    assert server.ask() == "answered"
    for call, error in ((refuse, InputError), (meet, BackendUnavailable)):
        with pytest.raises(error):
            server.breaker.passed(call)
    assert (server.ask(), server.calls, server.looks) == ("answered", 2, 0)


def test_after_a_call_without_an_answer_no_other_is_made_until_a_look_was_answered(server: Server) -> None:
    server.away = True
    for _ in range(5):
        with pytest.raises(NoAnswer) as told:
            server.ask()
        assert (told.value.message, told.value.code) == ("the metastore does not answer", "metastore_unavailable")
    assert server.calls == 1
    server.back.set()
    wait_for(lambda: server.breaker._away is None, 20, "the look to be answered")
    assert (server.ask(), server.calls, server.looks) == ("answered", 2, 1)


def test_looks_go_on_whatever_they_raise(server: Server) -> None:
    failures: list[Exception] = [NoAnswer("away"), BackendUnavailable("lets us not in"), ValueError("a bug")]

    def look() -> None:
        if failures:
            raise failures.pop(0)

    server.breaker = Breaker(look)
    server.away = True
    with pytest.raises(NoAnswer):
        server.ask()
    wait_for(lambda: server.breaker._away is None, 20, "the look to be answered")
    assert failures == []


def test_one_thread_looks_however_many_had_no_answer_and_none_once_it_is_closed(server: Server) -> None:
    server.away = True
    others = set(threading.enumerate())  # of tests before may still look
    gate = threading.Barrier(4)

    def ask() -> None:
        def fail() -> None:
            gate.wait(20)
            raise NoAnswer("away")

        with pytest.raises(NoAnswer):
            server.breaker.passed(fail)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    wait_for(lambda: server.looks == 1, 20, "the look")
    server.breaker.close()
    server.back.set()
    wait_for(
        lambda: not any(thread.name == "metastore away" for thread in {*threading.enumerate()} - others),
        20,
        "the thread to end",
    )
    assert server.looks == 1
