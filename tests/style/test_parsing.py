"""That style tests do not depend on what tests before them left behind."""

import ast
import gc
from collections.abc import Iterator

import pytest


class Parsing:
    """Garbage in a circle, which parses when it is collected."""

    def __init__(self) -> None:
        self.itself = self

    def __del__(self) -> None:
        ast.parse("a + b")


@pytest.fixture
def collected_often() -> Iterator[None]:
    before = gc.get_threshold()
    gc.set_threshold(10)
    yield
    gc.set_threshold(*before)


@pytest.mark.usefixtures("collected_often")
def test_a_module_is_parsed_whatever_is_there_to_be_collected() -> None:
    for _ in range(10):
        Parsing()
        assert len(ast.parse("a = [1, 2, 3]\n" * 100).body) == 100
