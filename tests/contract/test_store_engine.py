"""The embedded engine asked by many threads at once: each has the answer to its own question."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from logkeep.errors import BackendUnavailable, LogkeepError
from logkeep.store.embedded_engine import Engine
from logkeep.store.reading import Reading

READERS, QUESTIONS = 8, 60
MIB = 1 << 20


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = Engine(
        tmp_path, memory_bytes_max=512 * MIB, mark_cache_bytes=16 * MIB, merge_threads=1, readers=READERS
    )  # fmt: skip
    yield engine
    engine.close()


def test_every_answer_is_that_to_its_own_question(engine: Engine) -> None:
    """Parameters, texts and plain checks by turns, while another thread writes: an app must never see another's."""
    wrong: list[tuple[str, bytes]] = []
    done = threading.Event()

    def ask(reader: int) -> None:
        for number in range(QUESTIONS):
            name = f"{reader}-{number}"
            for sql, parameters, expected in (
                ("SELECT {name:String}", {"name": name}, f'["{name}"]\n'),
                (f"SELECT '{name}'", {}, f'["{name}"]\n'),
                ("SELECT 1", {}, "[1]\n"),
                ("SELECT count() FROM named WHERE name = {name:String}", {"name": name}, "[0]\n"),
            ):
                answer = engine.read(Reading(), sql, parameters)
                if answer != expected.encode():
                    wrong.append((f"{sql} {parameters}", answer))

    def write() -> None:
        while not done.is_set():
            engine.write("INSERT INTO named SELECT 'nobody' FROM numbers(100)")

    engine.write("CREATE TABLE named (name String) ENGINE = MergeTree ORDER BY name")
    writing = threading.Thread(target=write)
    asking = [threading.Thread(target=ask, args=(reader,)) for reader in range(READERS)]
    for thread in (writing, *asking):
        thread.start()
    for thread in asking:
        thread.join()
    done.set()
    writing.join()
    assert wrong == []


FAILING = "SELECT 'of another app', throwIf(number = 500000) FROM numbers(1000000)"


def test_what_was_answered_before_a_failure_is_not_in_the_next_answer(engine: Engine) -> None:
    for _ in range(2 * READERS):
        with pytest.raises(LogkeepError):
            engine.read(Reading(), FAILING, {})
        assert engine.read(Reading(), "SELECT 'mine'", {}) == b'["mine"]\n'
    with pytest.raises(LogkeepError):
        engine.write(FAILING, rows=True)
    assert engine.write("SELECT 'mine'") == b"mine\n"


class Mixing:
    """A connection that answers each question with the answer to the one before."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._before: list[Any] = [connection.query("SELECT 'of another app'", "TSV")]

    def query(self, sql: str, form: str, params: Any) -> Any:
        self._before.append(self._connection.query(sql, form, params=params))
        return self._before.pop(0)

    def close(self) -> None:
        self._connection.close()


@pytest.mark.parametrize("form", ["rows", "text"])
def test_an_answer_to_another_question_is_given_to_nobody(
    engine: Engine, form: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    readers = engine._readers
    for reader in readers:
        reader._connection = Mixing(reader._connection)
    for number in range(2 * len(readers)):
        try:
            assert engine.read(Reading(), f"SELECT {number}", {}, form).strip(b"[]\n") == str(number).encode()
        except BackendUnavailable as error:
            assert error.code == "store_answer_mixed"
    assert not any(isinstance(reader._connection, Mixing) for reader in readers[-1:])  # the last one is asked first
    assert engine.read(Reading(), "SELECT 'mine'", {}) == b'["mine"]\n'
    assert "of another app" not in capsys.readouterr().out


def test_a_writer_is_not_told_what_another_asked(engine: Engine) -> None:
    assert engine._writer is not None
    engine._writer._connection = Mixing(engine._writer._connection)
    with pytest.raises(BackendUnavailable, match="another question"):
        engine.write("SELECT 1", rows=True)
    assert engine.write("SELECT {a:String}", rows=True, parameters={"a": "x"}) == b'["x"]\n'


def test_a_read_has_several_threads_in_little_memory(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """By itself the engine wants 1 GiB for each, and has half of that here."""
    monkeypatch.setattr("os.cpu_count", lambda: 3)
    plan = "EXPLAIN PIPELINE SELECT sum(number) FROM numbers_mt(10000000)"
    assert "× 3" in engine.read(Reading(), plan, {}, "text").decode()
