"""Cookies: only what was given out counts, and only for its time."""

from pathlib import Path
from typing import Any

import pytest
from tests.metastore import new_metastore
from tests.reading import NOW_NS, OWNER, READ_TOKEN, Accounts

from logkeep.api import sign_ins
from logkeep.api.sign_ins import FRESH_S, IDLE_S, LIFETIME_S, SignIns
from logkeep.clock import ManualClock
from logkeep.errors import BackendUnavailable
from logkeep.metastore.audit import CONSOLE

VALID_S = 3600


class There:
    """Accounts, and any number of instances that share their sign-ins."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock(NOW_NS)
        self.accounts = Accounts(new_metastore(folder), self.clock)

    def instance(self, rows: Any = None) -> SignIns:
        return SignIns(rows or self.accounts.directory.sign_ins, self.accounts, self.clock, valid_s=VALID_S)

    def who(self, signed: SignIns, secret: str) -> str | None:
        self.accounts.look()
        caller = signed.caller(secret)
        return caller.id if caller is not None else None


@pytest.fixture
def there(tmp_path: Path) -> There:
    return There(tmp_path)


class Away:
    """Rows of a metastore that does not answer."""

    def __getattr__(self, name: str) -> Any:
        def fail(*_: Any, **__: Any) -> Any:
            raise BackendUnavailable("away")

        return fail


def open_one(signed: SignIns) -> str:
    return signed.open(name="the owner", person=OWNER)


def test_a_cookie_stands_for_whoever_signed_in_until_signed_out(there: There) -> None:
    signed = there.instance()
    secret = open_one(signed)
    assert there.who(signed, secret) == OWNER
    assert there.who(signed, secret[:-1] + ("x" if secret[-1] != "x" else "y")) is None
    assert there.who(signed, "no cookie of ours") is None
    signed.close(secret)
    assert there.who(signed, secret) is None


def test_a_cookie_ends_when_it_is_not_used_and_when_it_is_old(there: There) -> None:
    signed = there.instance()
    idle, busy = open_one(signed), open_one(signed)
    for _ in range(LIFETIME_S // (IDLE_S - 1)):
        there.clock.advance(IDLE_S - 1)
        assert there.who(signed, busy) == OWNER
    assert there.who(signed, idle) is None
    there.clock.advance(IDLE_S - 1)
    assert there.who(signed, busy) is None


def test_a_clock_that_is_set_back_makes_no_cookie_last_for_ever(there: There) -> None:
    signed = there.instance()
    secret = open_one(signed)
    there.clock.jump(-3600)
    assert there.who(signed, secret) == OWNER
    there.clock.jump(3600 + LIFETIME_S + 1)
    assert there.who(signed, secret) is None


def test_a_revoked_token_ends_its_cookies(there: There) -> None:
    signed = there.instance()
    secret = signed.open(name="a token", token=READ_TOKEN)
    assert there.who(signed, secret) == "tok_reader"
    there.accounts.revoke(READ_TOKEN)
    assert there.who(signed, secret) is None


def test_signed_out_everywhere_is_signed_out_everywhere_at_once(there: There) -> None:
    first, second = there.instance(), there.instance()
    secrets = [open_one(first), open_one(second)]
    person = there.accounts.directory.people.sign_out_everywhere(CONSOLE, OWNER)
    assert [there.who(first, secret) for secret in secrets] == [None, None]
    again = first.open(name="the owner", person=OWNER, epoch=person.epoch)
    assert there.who(second, again) == OWNER


def test_a_person_who_is_disabled_can_do_nothing_until_enabled(there: There) -> None:
    signed, people = there.instance(), there.accounts.directory.people
    other = people.create(CONSOLE, email="other@example.org")
    there.accounts.directory.teams.add(CONSOLE, "main", other.id, "owner")  # one must stay
    secret = open_one(signed)
    people.set_disabled(CONSOLE, OWNER, True)
    assert there.who(signed, secret) is None
    people.set_disabled(CONSOLE, OWNER, False)
    assert there.who(signed, secret) is None  # it has ended; signing in again is possible


def test_signed_in_with_one_instance_is_signed_in_with_all_and_signed_out_soon_too(there: There) -> None:
    first, second = there.instance(), there.instance()
    secret = open_one(first)
    assert not second.is_fresh(secret) and there.who(second, secret) == OWNER and second.is_fresh(secret)
    first.close(secret)
    assert there.who(first, secret) is None
    there.clock.advance(FRESH_S + 1)
    assert not second.is_fresh(secret) and there.who(second, secret) is None


def test_one_of_them_is_ended_by_its_id_and_only_by_whose_it_is(there: There) -> None:
    signed = there.instance()
    mine, other = open_one(signed), open_one(signed)
    ids = [row.id for row in signed.of_person(OWNER)]
    assert len(ids) == 2 and sum(signed.is_id_of(one, mine) for one in ids) == 1
    (other_id,) = (one for one in ids if signed.is_id_of(one, other))
    assert not signed.close_one("per_somebody", other_id)
    assert signed.close_one(OWNER, other_id) and not signed.close_one(OWNER, other_id)
    assert (there.who(signed, mine), there.who(signed, other)) == (OWNER, None)


def test_what_was_seen_goes_on_for_a_while_without_the_metastore(there: There) -> None:
    signed = there.instance()
    secret, unseen = open_one(signed), open_one(there.instance())
    signed._rows = Away()
    there.clock.advance(VALID_S - 1)
    assert there.who(signed, secret) == OWNER
    with pytest.raises(BackendUnavailable):
        signed.caller(unseen)
    there.clock.advance(2)
    with pytest.raises(BackendUnavailable):
        signed.caller(secret)


def test_the_one_unused_for_longest_makes_room(there: There, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sign_ins, "SIGN_INS_MAX", 2)
    signed = there.instance()
    first, second = open_one(signed), open_one(signed)
    there.clock.advance(sign_ins.TOUCH_S)
    there.who(signed, first)
    third = open_one(signed)
    there.clock.advance(FRESH_S + 1)
    assert [there.who(signed, secret) for secret in (first, second, third)] == [OWNER, None, OWNER]


def test_nobody_ends_the_sign_ins_of_others_by_signing_in_often(there: There, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sign_ins, "SIGN_INS_MAX", 2)
    signed = there.instance()
    anna = there.accounts.directory.people.create(CONSOLE, email="anna@example.org")
    there.accounts.directory.teams.add(CONSOLE, "main", anna.id, "member")
    mine, by_token = signed.open(name="anna", person=anna.id), signed.open(name="token", token=READ_TOKEN)
    for _ in range(3):
        open_one(signed)
    there.clock.advance(FRESH_S + 1)
    assert there.who(signed, mine) == anna.id and there.who(signed, by_token) is not None
