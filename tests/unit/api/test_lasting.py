"""Whoever has an answer that lasts is told that it is over, whichever of its watchers sees it first."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from logkeep.api import lasting
from logkeep.api.auth import SignInNeeded
from logkeep.api.lasting import Admission
from logkeep.clock import ManualClock
from logkeep.errors import BackendUnavailable, InputError, LogkeepError


class Guard:
    """Stands for `still_admitted`, and for the metastore whose change makes it look."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.error: Exception | None = None
        self.changes, self.asked = 0, 0
        monkeypatch.setattr(lasting, "still_admitted", self._still_admitted)
        metastore = SimpleNamespace(change=lambda: self.changes)
        context = SimpleNamespace(backend=SimpleNamespace(metastore=metastore), clock=ManualClock())
        connection = SimpleNamespace(headers={"authorization": "Bearer x"}, cookies={})
        self.admission = Admission(cast(Any, connection), cast(Any, context))

    async def _still_admitted(self, _: object) -> None:
        self.asked += 1
        await asyncio.sleep(0)  # a thread looks
        if self.error is not None:
            raise self.error

    def looks(self, count: int) -> list[str]:
        """What so many who look at once are told: the code of the error, "" for none."""

        async def look() -> str:
            try:
                await self.admission.look()
            except LogkeepError as error:
                return error.code
            return ""

        async def together() -> list[str]:
            return await asyncio.gather(*(look() for _ in range(count)))

        return asyncio.run(together())


@pytest.fixture
def guard(monkeypatch: pytest.MonkeyPatch) -> Guard:
    return Guard(monkeypatch)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InputError("no", code="forbidden", status=403), "forbidden"),
        (BackendUnavailable("away"), "unavailable"),
        (SignInNeeded("/"), "unauthorized"),
    ],
)
def test_everybody_who_looks_is_told_that_it_is_over(guard: Guard, error: Exception, code: str) -> None:
    assert guard.looks(1) == [""] and guard.asked == 0
    guard.changes, guard.error = 1, error
    assert guard.looks(1) + guard.looks(1) == [code, code]
    guard.changes, guard.error = 2, None  # allowed again, and the answer is over all the same
    assert guard.looks(1) == [code] and guard.asked == 1


def test_who_looks_while_another_does_is_told_too(guard: Guard) -> None:
    guard.changes, guard.error = 1, InputError("no", code="forbidden", status=403)
    assert guard.looks(2) == ["forbidden", "forbidden"]


def test_who_may_go_on_is_looked_at_closely_once_a_change(guard: Guard) -> None:
    guard.changes = 1
    assert guard.looks(1) + guard.looks(1) == ["", ""] and guard.asked == 1
