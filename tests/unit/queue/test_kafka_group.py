"""A call of Kafka's client that may never end is waited for so long and no longer."""

import threading

import pytest

from logkeep.queue.kafka_group import ends_within


def test_a_call_that_never_ends_is_left_to_itself() -> None:
    never = threading.Event()
    assert not ends_within(0.01, lambda: never.wait(20) and None)
    never.set()


def test_a_call_that_ends_tells_what_it_raised() -> None:
    done: list[int] = []
    assert ends_within(20, lambda: done.append(1))
    assert done == [1]
    with pytest.raises(ValueError, match="refused"):
        ends_within(20, lambda: int("refused"))  # type: ignore[arg-type,return-value]
