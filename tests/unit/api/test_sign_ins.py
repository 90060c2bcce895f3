"""Cookies: only what was given out counts, and only for its time."""

import pytest
from tests.reading import READ_TOKEN, Accounts

from logkeep.api import sign_ins
from logkeep.api.sign_ins import IDLE_S, LIFETIME_S, SignInAttempts, SignIns
from logkeep.clock import ManualClock
from logkeep.errors import QuotaExceeded
from logkeep.metastore.port import Credential

READER = Credential("shop", "read")


def test_a_cookie_stands_for_whoever_signed_in_until_signed_out() -> None:
    signed = SignIns(Accounts(), ManualClock())
    secret = signed.open(READER)
    assert signed.credential(secret) == READER
    assert signed.credential(secret + "x") is None
    signed.close(secret)
    assert signed.credential(secret) is None


def test_a_cookie_ends_when_it_is_not_used_and_when_it_is_old() -> None:
    clock = ManualClock()
    signed = SignIns(Accounts(), clock)
    idle, busy = signed.open(READER), signed.open(READER)
    for _ in range(LIFETIME_S // (IDLE_S - 1)):
        clock.advance(IDLE_S - 1)
        assert signed.credential(busy) == READER
    assert signed.credential(idle) is None
    clock.advance(IDLE_S - 1)
    assert signed.credential(busy) is None


def test_a_revoked_token_ends_its_cookies() -> None:
    accounts = Accounts()
    signed = SignIns(accounts, ManualClock())
    secret = signed.open(READER, READ_TOKEN)
    assert signed.credential(secret) == READER
    accounts.revoke(READ_TOKEN)
    assert signed.credential(secret) is None


def test_the_one_unused_for_longest_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sign_ins, "SIGN_INS_MAX", 2)
    signed = SignIns(Accounts(), ManualClock())
    first, second = signed.open(READER), signed.open(READER)
    signed.credential(first)
    third = signed.open(READER)
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
