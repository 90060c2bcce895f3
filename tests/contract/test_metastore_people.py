"""People, their links and passwords, and signing in, on SQLite and on real MariaDB and PostgreSQL servers."""

import contextlib
import hashlib

import msgspec
import pyotp
import pytest
from tests.contract.metastores import PASSWORD, Shared, There, at_once, rows

from logkeep.clock import NS_PER_S, ManualClock
from logkeep.errors import InputError, QuotaExceeded
from logkeep.metastore import steps as steps_module
from logkeep.metastore.attempts import WAIT_MAX_S
from logkeep.metastore.audit import CONSOLE, Actor
from logkeep.metastore.links import INVITATION_S, MAIL_S, RESET_S, Link, mail_state
from logkeep.metastore.steps import STEP_S, TRIES_MAX
from logkeep.metastore.tokens import Token


@pytest.fixture
def it(it: Shared) -> There:
    return There(it)


# ── people ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_invitation_is_good_once_and_for_a_week(it: There) -> None:
    links = it.directory.links
    link, secret = links.invite(CONSOLE, team="main", email="Bert@example.org", role="member")
    assert links.invitation(secret) == link and [one.id for one in links.invitations("main")] == [link.id]
    bert = links.accept("192.0.2.1", secret, name="Bert", password=PASSWORD).person
    assert (bert.email, it.scopes(bert.id)) == ("bert@example.org", {"read", "edit"})
    for again in (secret, "guessed", "x" * 5000, ""):
        with pytest.raises(InputError) as refused:
            links.accept("192.0.2.1", again, name="Eve", password=PASSWORD)
        assert (refused.value.status, refused.value.code) == (404, "link_not_good")
    _, late = links.invite(CONSOLE, team="main", email="carla@example.org", role="admin")
    it.clock.advance(INVITATION_S)
    it.accounts.look()
    with pytest.raises(InputError):
        links.accept("192.0.2.1", late, name="Carla", password=PASSWORD)
    assert links.invitations("main") == []


def test_an_invitation_for_somebody_who_is_known_is_for_them_alone(it: There) -> None:
    links, anna, bert = it.directory.links, it.person("anna@example.org"), it.person("bert@example.org")
    _, secret = links.invite(CONSOLE, team="main", email="anna@example.org", role="read_only")
    with pytest.raises(InputError) as known:
        links.accept("", secret, name="Eve", password=PASSWORD)
    assert (known.value.status, known.value.code) == (409, "sign_in_first")
    with pytest.raises(InputError) as another:
        links.accept("", secret, signed_in=bert.id)
    assert another.value.status == 403
    assert links.accept("", secret, signed_in=anna.id).person == anna and it.scopes(anna.id) == {"read"}
    older, newer = (links.invite(CONSOLE, team="main", email="d@example.org", role="member") for _ in range(2))
    with pytest.raises(InputError):
        links.invitation(older[1])
    links.withdraw(CONSOLE, "main", newer[0].id)
    with pytest.raises(InputError):
        links.invitation(newer[1])


def test_an_invitation_grants_no_more_than_its_maker_may_at_that_time(it: There) -> None:
    links, teams = it.directory.links, it.directory.teams
    anna, owner = it.person("anna@example.org", "owner"), it.owner

    def invite(by: str, email: str, role: str) -> str:
        return links.invite(Actor(by, "anna"), team="main", email=email, role=role)[1]

    def token(*scopes: str, person: str = "", expires_s: int | None = None) -> Token:
        return it.directory.tokens.create(
            Actor(owner.id, "the owner"), team="main", app="", person=person, name="ci", scopes=scopes,
            expires_s=expires_s,
        )[0]  # fmt: skip

    def good() -> list[str]:
        """Who is invited still, as the links themselves and the list say."""
        found = []
        for secret in secrets.values():
            with contextlib.suppress(InputError):
                found.append(links.invitation(secret).email)
        assert {link.email for link in links.invitations("main")} == set(found)
        return [email.partition("@")[0] for email in secrets if email in found]

    def role(name: str) -> None:
        teams.change_member(CONSOLE, "main", anna.id, role=name, app_roles={}, revision=None, is_owner=True)

    short, hers = token("admin", expires_s=60), token("admin", person=anna.id)
    secrets = {
        f"{name}@example.org": invite(by, f"{name}@example.org", granted)
        for name, by, granted in (
            ("o", anna.id, "owner"), ("m", anna.id, "member"), ("t", hers.id, "admin"), ("s", short.id, "member"),
            ("c", CONSOLE.id, "owner"), ("x", owner.id, "owner"),
        )
    }  # fmt: skip
    assert good() == ["o", "m", "t", "s", "c", "x"]
    it.clock.advance(60)
    assert good() == ["o", "m", "t", "c", "x"]
    role("admin")
    assert good() == ["m", "t", "c", "x"]
    role("member")
    assert good() == ["c", "x"]
    for email in ("o@example.org", "m@example.org", "t@example.org"):
        with pytest.raises(InputError) as refused:
            links.accept("", secrets[email], name="Eve", password=PASSWORD)
        assert (refused.value.status, refused.value.code) == (404, "link_not_good")
    role("admin")
    it.directory.people.set_disabled(CONSOLE, anna.id, True)
    assert good() == ["c", "x"]
    it.directory.people.set_disabled(CONSOLE, anna.id, False)
    assert (
        links.accept("", secrets.pop("m@example.org"), name="Emma", password=PASSWORD).person.email == "m@example.org"
    )
    assert good() == ["t", "c", "x"]
    teams.remove(CONSOLE, "main", anna.id, is_owner=True)
    teams.add(CONSOLE, "main", anna.id, "owner")  # back, and what she left behind is not
    assert good() == ["c", "x"]
    assert msgspec.json.decode(rows(it, what="member.removed")[0].detail)["invitations_ended"] == 2


def test_an_invitation_raises_the_role_of_a_member_and_never_lowers_it(it: There) -> None:
    links, anna = it.directory.links, it.person("anna@example.org")
    it.directory.teams.add(CONSOLE, "main", anna.id, "read_only")
    found = []
    for role in ("read_only", "admin", "member", "owner", "admin"):
        _, secret = links.invite(CONSOLE, team="main", email="anna@example.org", role=role)
        joined = links.accept("", secret, signed_in=anna.id)
        found.append((joined.team, joined.before, joined.role))
    assert found == [
        ("main", "read_only", "read_only"), ("main", "read_only", "admin"), ("main", "admin", "admin"),
        ("main", "admin", "owner"), ("main", "owner", "owner"),
    ]  # fmt: skip
    (member,) = [one for one in it.directory.teams.members("main") if one.person == anna.id]
    assert (member.role, member.revision) == ("owner", 3) and "owner" in it.scopes(anna.id)
    told = [msgspec.json.decode(row.detail) for row in rows(it, what="member.changed")]
    assert [(one["before"], one["role"]) for one in told] == [("admin", "owner"), ("read_only", "admin")]


def test_two_who_accept_the_same_invitation_at_once_are_one_person(it: There) -> None:
    _, secret = it.directory.links.invite(CONSOLE, team="main", email="bert@example.org", role="member")
    instances = [it.shared.directory(clock=it.clock).links for _ in range(2)]

    def accept(index: int) -> str:
        try:
            return instances[index].accept("", secret, name="Bert", password=PASSWORD).person.id
        except InputError as error:
            return error.code

    found = at_once(lambda: accept(0), lambda: accept(1))
    assert sum(one.startswith("per_") for one in found) == 1 and len(it.directory.teams.members("main")) == 2


def test_a_link_for_a_new_password_is_good_once_and_for_an_hour(it: There) -> None:
    links, anna = it.directory.links, it.person("anna@example.org")
    first, second = links.ask_reset(Actor("", "anna"), anna), links.ask_reset(Actor("", "anna"), anna)
    with pytest.raises(InputError) as weak:
        links.reset("", first, "short")
    assert weak.value.code == "weak_password"
    changed = links.reset("", first, PASSWORD)
    assert changed.epoch == anna.epoch + 1 and it.accounts.person(anna.id, anna.epoch) is None
    assert it.directory.people.verify("anna@example.org", PASSWORD) is not None
    for used in (first, second):
        with pytest.raises(InputError):
            links.reset("", used, PASSWORD)
    late = links.ask_reset(Actor("", "anna"), anna)
    it.clock.advance(RESET_S)
    with pytest.raises(InputError):
        links.reset("", late, PASSWORD)
    it.clock.jump(-2 * RESET_S)  # a clock that is set back makes no used link good again
    with pytest.raises(InputError):
        links.reset("", first, PASSWORD)


def test_an_invitation_tells_what_became_of_its_mail(it: There) -> None:
    links, by = it.directory.links, CONSOLE  # who may invite for as long as there is a team

    def invited(email: str, mail: str = "waiting") -> Link:
        return links.invite(by, team="main", email=email, role="member", mail=mail)[0]

    sent, failed = invited("a@example.org"), invited("b@example.org")
    invited("c@example.org")
    invited("d@example.org", "")
    links.mailed(by, sent)
    links.mailed(by, failed, "no such mailbox " + "x" * 300)
    it.clock.advance(MAIL_S + 1)  # nobody is there any more who would send the third
    states = [mail_state(link, it.clock.now_ns()) for link in links.invitations("main")]
    assert sorted((state, why[:15]) for state, why in states) == [
        ("", ""), ("failed", "no such mailbox"), ("failed", "the service end"), ("sent", ""),
    ]  # fmt: skip
    (told,) = rows(it, what="mail.failed")
    assert (told.who, told.target, told.team) == (CONSOLE.id, failed.id, "main")


def test_passwords_are_argon2id_and_older_hashes_are_made_anew(it: There) -> None:
    people, anna = it.directory.people, it.person("anna@example.org")
    assert people.verify("anna@example.org", "") is None  # who has no password is let in by none
    salt = bytes(16)
    scrypt = f"scrypt${salt.hex()}${hashlib.scrypt(PASSWORD.encode(), salt=salt, n=2**14, r=8, p=1).hex()}"
    set_hash = "UPDATE people SET password = :kept WHERE id = :id"
    it.shared.open().write(lambda transaction: transaction.change(set_hash, kept=scrypt, id=anna.id))
    assert people.verify("anna@example.org", PASSWORD + "x") is None
    assert people.get(anna.id).password == scrypt
    assert people.verify("anna@example.org", PASSWORD) is not None
    assert people.get(anna.id).password.startswith("$argon2id$v=19$m=47104,t=1,p=1$")
    assert people.verify("anna@example.org", PASSWORD) is not None
    for weak in ("short", "a" * 20, "anna@example.org", "x" * 2000):
        with pytest.raises(InputError):
            people.set(CONSOLE, anna.id, password=weak)


def test_a_code_of_the_device_is_good_once_and_a_recovery_code_too(it: There) -> None:
    totp, anna, by = it.directory.totp, it.person("anna@example.org"), Actor("per_anna", "anna")
    secret, uri = totp.enrol(by, anna.id)
    device = pyotp.TOTP(secret)
    assert uri.startswith("otpauth://totp/Logkeep:anna%40example.org?secret=" + secret)
    assert not totp.check(by, anna.id, code_of(device, it.clock))  # not before it is confirmed
    with pytest.raises(InputError):
        totp.confirm(by, anna.id, "000000" if code_of(device, it.clock) != "000000" else "111111")
    codes = totp.confirm(by, anna.id, code_of(device, it.clock))
    assert len(codes) == 10 and it.directory.people.get(anna.id).totp == secret
    assert not totp.check(by, anna.id, code_of(device, it.clock))  # it confirmed, and is used up
    it.clock.advance(30)
    assert [totp.check(by, anna.id, code_of(device, it.clock)) for _ in range(2)] == [True, False]
    assert totp.check(by, anna.id, code_of(device, it.clock, steps=1))  # the device's clock is ahead
    assert not totp.check(by, anna.id, code_of(device, it.clock))  # what is older than one that was used
    it.clock.advance(90)
    assert not totp.check(by, anna.id, code_of(device, it.clock, steps=2))
    assert [totp.check(by, anna.id, one) for one in (codes[0], codes[0], codes[1].upper(), "0000")] == [
        True, False, True, False,
    ]  # fmt: skip
    totp.remove(by, anna.id)
    assert not totp.check(by, anna.id, codes[2])


def code_of(device: pyotp.TOTP, clock: ManualClock, steps: int = 0) -> str:
    return device.at(clock.now_ns() // NS_PER_S + 30 * steps)


# ── signing in ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_who_fails_waits_longer_each_time_whichever_instance_is_asked(it: There) -> None:
    instances = [it.shared.directory(clock=it.clock).attempts for _ in range(2)]
    waits = []
    for number in range(20):
        try:
            instances[number % 2].begin("192.0.2.1", "anna@example.org")
        except QuotaExceeded as refused:
            waits.append(refused.retry_after_s)
            it.clock.advance(refused.retry_after_s)
    assert waits[:4] == [2, 3, 5, 9] and waits == sorted(waits)
    instances[0].begin("192.0.2.2", "anna@example.org")  # from elsewhere it is let in: nobody locks anna out
    it.clock.advance(WAIT_MAX_S)
    instances[0].begin("192.0.2.1", "bert@example.org")
    instances[0].succeeded("192.0.2.1", "anna@example.org")
    it.clock.advance(WAIT_MAX_S)  # of the address, from which others have failed too
    instances[1].begin("192.0.2.1", "anna@example.org")
    it.clock.jump(-86_400)  # a clock that was wrong
    with pytest.raises(QuotaExceeded) as bounded:
        for _ in range(30):
            instances[0].begin("192.0.2.1", "anna@example.org")
    assert bounded.value.retry_after_s <= WAIT_MAX_S + 1


def test_a_guesser_with_an_account_of_his_own_wins_nothing_by_signing_in(it: There) -> None:
    attempts = it.directory.attempts
    with pytest.raises(QuotaExceeded):
        for number in range(60):
            attempts.begin("2001:db8::1", f"victim-{number}@example.org")
            attempts.begin("2001:db8::ffff", "eve@example.org")  # of the same household
            attempts.succeeded("2001:db8::ffff", "eve@example.org")


def test_tries_at_once_count_all(it: There) -> None:
    instances = [it.shared.directory(clock=it.clock).attempts for _ in range(4)]

    def tries(index: int) -> int:
        done = 0
        for _ in range(6):
            try:
                instances[index].begin("192.0.2.1", "anna@example.org")
                done += 1
            except QuotaExceeded:
                pass
        return done

    assert sum(at_once(*(lambda index=index: tries(index) for index in range(4)))) == 5


def test_steps_push_out_no_steps_of_another_kind_or_person(it: There, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps_module, "STEPS_MAX", 4)
    monkeypatch.setattr(steps_module, "PERSON_STEPS_MAX", 2)
    steps = it.directory.steps
    waiting = steps.begin("totp", person="per_1")
    for _ in range(5):
        steps.begin("oidc")
    assert steps.attempt("totp", waiting) is not None
    made = []
    for _ in range(3):
        made.append(steps.begin("totp", person="per_2"))
        it.clock.advance(1)
    assert [steps.attempt("totp", secret) is not None for secret in (waiting, *made)] == [True, False, True, True]


def test_a_step_of_a_sign_in_is_good_for_some_tries_and_minutes(it: There) -> None:
    steps = it.directory.steps
    secret, other = steps.begin("totp", person="per_1"), steps.begin("oidc", body="näxt")
    found = [steps.attempt("totp", secret) for _ in range(TRIES_MAX + 1)]
    assert [one and one.person for one in found] == ["per_1"] * TRIES_MAX + [None]
    assert steps.attempt("totp", other) is None and steps.attempt("totp", "guessed") is None
    step = steps.attempt("oidc", other)
    assert step is not None and step.body == "näxt"
    steps.end(other)
    assert steps.attempt("oidc", other) is None
    late = steps.begin("totp", person="per_1")
    it.clock.advance(STEP_S)
    assert steps.attempt("totp", late) is None
