"""Cookies: only what was given out counts, and only for its time."""

from pathlib import Path
from typing import Any

import pytest
from tests.metastore import new_metastore
from tests.reading import READ_TOKEN, Accounts

from logkeep.api import sign_ins
from logkeep.api.sign_ins import FRESH_S, IDLE_S, LIFETIME_S, SignInAttempts, SignIns
from logkeep.clock import ManualClock
from logkeep.errors import BackendUnavailable, QuotaExceeded
from logkeep.metastore.port import Credential
from logkeep.metastore.sign_ins import SignIns as Rows

READER = Credential("shop", "read")
VALID_S = 3600


@pytest.fixture
def rows(tmp_path: Path) -> Rows:
    return Rows(new_metastore(tmp_path))


class Away:
    """Rows of a metastore that does not answer."""

    def __getattr__(self, name: str) -> Any:
        def fail(*_: Any, **__: Any) -> Any:
            raise BackendUnavailable("away")

        return fail


def instance(rows: Any, clock: ManualClock, accounts: Accounts | None = None) -> SignIns:
    return SignIns(rows, accounts or Accounts(), clock, valid_s=VALID_S)


def test_a_cookie_stands_for_whoever_signed_in_until_signed_out(rows: Rows) -> None:
    signed = instance(rows, ManualClock())
    secret = signed.open(READER)
    assert signed.credential(secret) == READER
    assert signed.credential(secret[:-1] + ("x" if secret[-1] != "x" else "y")) is None
    assert signed.credential("no cookie of ours") is None
    signed.close(secret)
    assert signed.credential(secret) is None


def test_a_cookie_ends_when_it_is_not_used_and_when_it_is_old(rows: Rows) -> None:
    clock = ManualClock()
    signed = instance(rows, clock)
    idle, busy = signed.open(READER), signed.open(READER)
    for _ in range(LIFETIME_S // (IDLE_S - 1)):
        clock.advance(IDLE_S - 1)
        assert signed.credential(busy) == READER
    assert signed.credential(idle) is None
    clock.advance(IDLE_S - 1)
    assert signed.credential(busy) is None


def test_a_revoked_token_ends_its_cookies(rows: Rows) -> None:
    accounts = Accounts()
    signed = instance(rows, ManualClock(), accounts)
    secret = signed.open(READER, READ_TOKEN)
    assert signed.credential(secret) == READER
    accounts.revoke(READ_TOKEN)
    assert signed.credential(secret) is None


def test_signed_in_with_one_instance_is_signed_in_with_all_and_signed_out_soon_too(rows: Rows) -> None:
    clock = ManualClock()
    first, second = instance(rows, clock), instance(rows, clock)
    secret = first.open(READER)
    assert not second.is_fresh(secret) and second.credential(secret) == READER and second.is_fresh(secret)
    first.close(secret)
    assert first.credential(secret) is None
    clock.advance(FRESH_S + 1)
    assert not second.is_fresh(secret) and second.credential(secret) is None


def test_what_was_seen_goes_on_for_a_while_without_the_metastore(rows: Rows) -> None:
    clock = ManualClock()
    signed = instance(rows, clock)
    secret, unseen = signed.open(READER), instance(rows, clock).open(READER)
    signed._rows = Away()  # type: ignore[assignment]
    clock.advance(VALID_S - 1)
    assert signed.credential(secret) == READER
    with pytest.raises(BackendUnavailable):
        signed.credential(unseen)
    clock.advance(2)
    with pytest.raises(BackendUnavailable):
        signed.credential(secret)


def test_the_one_unused_for_longest_makes_room(rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sign_ins, "SIGN_INS_MAX", 2)
    clock = ManualClock()
    signed = instance(rows, clock)
    first, second = signed.open(READER), signed.open(READER)
    clock.advance(sign_ins.TOUCH_S)
    signed.credential(first)
    third = signed.open(READER)
    clock.advance(FRESH_S + 1)
    assert [signed.credential(secret) for secret in (first, second, third)] == [READER, None, READER]


def test_a_guesser_is_stopped_and_others_are_not() -> None:
    clock = ManualClock()
    attempts = SignInAttempts(clock)
    for _ in range(sign_ins.FAILURES_MAX):
        attempts.begin("192.0.2.1")
    with pytest.raises(QuotaExceeded) as stopped:
        attempts.begin("192.0.2.1")
    assert stopped.value.retry_after_s == 60
    attempts.begin("192.0.2.2")
    clock.advance(61)
    attempts.begin("192.0.2.1")


def test_a_right_password_forgives_the_wrong_ones() -> None:
    attempts = SignInAttempts(ManualClock())
    for _ in range(3):
        for _ in range(sign_ins.FAILURES_MAX):
            attempts.begin("192.0.2.1")
        attempts.succeeded("192.0.2.1")


def test_addresses_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sign_ins, "ADDRESSES_MAX", 3)
    attempts = SignInAttempts(ManualClock())
    for index in range(3):
        attempts.begin(str(index))
    with pytest.raises(QuotaExceeded):
        attempts.begin("3")
