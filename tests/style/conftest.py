"""Style tests parse all of the code."""

import gc
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def collects_nothing() -> Iterator[None]:
    """Python 3.11 counts the depth of `ast.parse` in one place. A finaliser that parses too, as printing a traceback
    does, ends the call in which it is collected in `SystemError: AST constructor recursion depth mismatch`; what tests
    before left behind may be such. Since 3.12 nothing is collected in the middle of C code.
    """
    gc.disable()
    yield
    gc.enable()
