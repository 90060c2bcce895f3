"""With which search people begin, from memory: asked for once, until an account changes."""

from typing import Any, cast

import pytest

from logkeep.api import known_starts
from logkeep.api.known_starts import KnownStarts


class Metastore:
    """One that counts what it is asked for."""

    def __init__(self) -> None:
        self.number, self.asked = 1, 0

    def change(self) -> int:
        return self.number

    def find(self, person: str, app: str) -> str:
        self.asked += 1
        return f"q={person}+{app}"


def test_a_start_is_known_until_an_account_changes_and_the_last_one_after_it_too() -> None:
    metastore = Metastore()
    starts = KnownStarts(cast(Any, metastore), cast(Any, metastore))
    assert (starts.known("ann", "shop"), starts.last_known("ann", "shop")) == (None, "")
    assert starts.look("ann", "shop") == starts.known("ann", "shop") == "q=ann+shop"
    assert starts.known("ann", "wiki") is None and starts.known("bob", "shop") is None
    metastore.number += 1
    assert (starts.known("ann", "shop"), starts.last_known("ann", "shop")) == (None, "q=ann+shop")
    assert metastore.asked == 1


def test_what_is_written_while_it_is_looked_for_is_looked_for_again() -> None:
    metastore = Metastore()

    class Overtaken(Metastore):
        def find(self, person: str, app: str) -> str:
            metastore.number += 1
            return ""

    starts = KnownStarts(cast(Any, Overtaken()), cast(Any, metastore))
    assert starts.look("ann", "shop") == "" and starts.known("ann", "shop") is None


def test_no_more_are_known_than_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_starts, "KNOWN_MAX", 2)
    metastore = Metastore()
    starts = KnownStarts(cast(Any, metastore), cast(Any, metastore))
    for app in ("a", "b", "a", "c"):
        starts.look("ann", app)
    assert [starts.known("ann", app) for app in "abc"] == ["q=ann+a", None, "q=ann+c"]
