"""The embedded engine asked by many threads at once: each has the answer to its own question."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

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
