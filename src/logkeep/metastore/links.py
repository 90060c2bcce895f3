"""Links that are good once and for a time: invitations into a team, and new passwords. Only a hash of each is kept.

An invitation is good for as long as whoever made it may grant its role.
"""

import secrets
from typing import Literal

import msgspec

from logkeep.clock import NS_PER_S
from logkeep.errors import InputError
from logkeep.metastore import passwords
from logkeep.metastore.accounts import sha256_of
from logkeep.metastore.audit import Actor, Entry, record
from logkeep.metastore.database import Transaction
from logkeep.metastore.inviters import Grant, may_grant
from logkeep.metastore.people import People, Person, insert_person, keep_person, person_by_email, person_in
from logkeep.metastore.teams import Joined, Teams, checked_role, team_in
from logkeep.metastore.writing import Writer, email_address, new_id, not_found

INVITATION_S = 7 * 86_400
RESET_S = 3600  # as OWASP has it: long enough to find the mail, short enough for one that is found later
LINKS_MAX = 1000  # that wait, of a team or (resets) of a person
RESETS_MAX = 5
SECRET_CHARS_MAX = 100
_COLUMNS = "sha256, id, kind, team, person, email, role, made_by, made_ns, expires_ns, used_ns, mail, mail_error"

MAIL_S = 900  # what waits longer was forgotten at the end of a process
MAIL_ERROR_CHARS_MAX = 255

Kind = Literal["invitation", "reset"]


class Link(msgspec.Struct, frozen=True):
    """person: of a reset. team, email, role: of an invitation. used_ns: 0 while it is good.

    mail: what became of the one with the link, `waiting`, `sent` or `failed`; "" where none was to be sent. mail_error:
    why it failed.
    """

    sha256: str
    id: str
    kind: str
    team: str
    person: str
    email: str
    role: str
    made_by: str
    made_ns: int
    expires_ns: int
    used_ns: int
    mail: str = ""
    mail_error: str = ""


class Links:
    """Raises BackendUnavailable, and InputError where a link or id is not good (404)."""

    def __init__(self, writer: Writer, people: People, teams: Teams) -> None:
        self._writer, self._people, self._teams = writer, people, teams

    # ── invitations ───────────────────────────────────────────────────────────────────────────────────────────────

    def invite(self, by: Actor, *, team: str, email: str, role: str, mail: str = "") -> tuple[Link, str]:
        """The invitation and the secret of its link. One for the same address takes the place of the one before.

        mail: `waiting` where one will be sent, and `mailed` says what became of it.
        """
        email, role = email_address(email), checked_role(role)
        secret, now_ns = secrets.token_urlsafe(32), self._writer.clock.now_ns()
        link = Link(
            sha256_of(secret), new_id("inv"), "invitation", team, "", email, role, by.id, now_ns,
            now_ns + INVITATION_S * NS_PER_S, 0, mail,
        )  # fmt: skip

        def insert(transaction: Transaction) -> None:
            team_in(transaction, team)
            _drop_old(transaction, now_ns)
            sql = "DELETE FROM links WHERE kind = 'invitation' AND team = :team AND email = :email"
            transaction.change(sql, team=team, email=email)
            sql = "SELECT COUNT(*) FROM links WHERE kind = 'invitation' AND team = :team"
            if transaction.rows(sql, team=team)[0][0] >= LINKS_MAX:
                raise InputError(f"{LINKS_MAX:,} invitations wait, which is the limit", code="too_many")
            _insert(transaction, link)
            record(transaction, [_entry(by, "invitation.created", link, now_ns)])

        self._writer.write(insert)
        return link, secret

    def invitations(self, team: str) -> list[Link]:
        """Those that wait and are good, oldest first."""
        now_ns = self._writer.clock.now_ns()
        sql = f"SELECT {_COLUMNS} FROM links WHERE kind = 'invitation' AND team = :team ORDER BY made_ns, id"  # noqa: S608

        def look(transaction: Transaction) -> list[Link]:
            found = [link for row in transaction.rows(sql, team=team) if _is_good(link := Link(*row), now_ns)]
            may = {grant: may_grant(transaction, grant, now_ns) for grant in {_grant(link) for link in found}}
            return [link for link in found if may[_grant(link)]]

        return self._writer.read(look)

    def mailed(self, by: Actor, link: Link, error: str = "") -> None:
        """The mail with it was sent; or was not, and why. That it was not is in the audit log too."""
        now_ns, why = self._writer.clock.now_ns(), error[:MAIL_ERROR_CHARS_MAX]
        told = {"email": link.email, "error": why}
        entry = Entry(by=by, what="mail.failed", made_ns=now_ns, team=link.team, target=link.id, detail=told)

        def update(transaction: Transaction) -> None:
            sql = "UPDATE links SET mail = :mail, mail_error = :why WHERE sha256 = :sha256"
            transaction.change(sql, mail="failed" if error else "sent", why=why, sha256=link.sha256)
            record(transaction, [entry] if error else [])

        self._writer.write(update)

    def withdraw(self, by: Actor, team: str, id: str) -> None:
        now_ns = self._writer.clock.now_ns()

        def delete(transaction: Transaction) -> None:
            sql = f"SELECT {_COLUMNS} FROM links WHERE kind = 'invitation' AND id = :id AND team = :team"  # noqa: S608
            found = [Link(*row) for row in transaction.rows(sql, id=id, team=team)]
            if not found:
                raise not_found("invitation", id)
            transaction.change("DELETE FROM links WHERE id = :id", id=id)
            record(transaction, [_entry(by, "invitation.withdrawn", found[0], now_ns)])

        self._writer.write(delete)

    def accept(self, ip: str, secret: str, *, name: str = "", password: str = "", signed_in: str = "") -> Joined:
        """Who is a member now: a new person with this name and password, or the one who is `signed_in` (an id). Who
        was one before has the higher of both roles.

        Raises InputError: 404 the link is not good, 409 the address is somebody's who has to sign in first.
        """
        now_ns = self._writer.clock.now_ns()
        link = self._found("invitation", secret)
        fresh = None if signed_in else self._people.new(email=link.email, name=name, password=_given(password))

        def join(transaction: Transaction) -> Joined:
            good = _good(transaction, "invitation", secret, now_ns)
            person = self._person(transaction, good, fresh, signed_in)
            by = Actor(person.id, person.email, ip)
            _use(transaction, good, now_ns)
            joined = self._teams.join_in(transaction, by, good.team, person, good.role, now_ns)
            record(transaction, [_entry(by, "invitation.accepted", good, now_ns)])
            return joined

        return self._writer.change(join)

    def _person(self, transaction: Transaction, link: Link, fresh: Person | None, signed_in: str) -> Person:
        if signed_in:
            person = person_in(transaction, signed_in)
            if person.email != link.email:
                raise InputError(
                    "this invitation is for another e-mail address than yours; sign out, then open its link again",
                    code="forbidden",
                    status=403,
                )
            return person
        if person_by_email(transaction, link.email) is not None:
            raise InputError(
                "this address has an account already; sign in, then open the link again",
                code="sign_in_first",
                status=409,
            )
        assert fresh is not None
        insert_person(transaction, fresh)
        record(transaction, [self._people.entry(Actor(fresh.id, fresh.email), "person.created", fresh)])
        return fresh

    def invitation(self, secret: str) -> Link:
        """What it invites to. Raises InputError (404)."""
        return self._found("invitation", secret)

    # ── new passwords ─────────────────────────────────────────────────────────────────────────────────────────────

    def ask_reset(self, by: Actor, person: Person) -> str:
        """The secret of a link with which this person sets a new password; the newest RESETS_MAX are good."""
        secret, now_ns = secrets.token_urlsafe(32), self._writer.clock.now_ns()
        link = Link(
            sha256_of(secret), new_id("res"), "reset", "", person.id, person.email, "", by.id, now_ns,
            now_ns + RESET_S * NS_PER_S, 0,
        )  # fmt: skip

        def insert(transaction: Transaction) -> None:
            _drop_old(transaction, now_ns)
            sql = "SELECT sha256 FROM links WHERE kind = 'reset' AND person = :person ORDER BY made_ns DESC, id"
            surplus = transaction.rows(sql, person=person.id)[RESETS_MAX - 1 :]
            transaction.change_many("DELETE FROM links WHERE sha256 = :sha256", [{"sha256": one[0]} for one in surplus])
            _insert(transaction, link)
            record(transaction, [_entry(by, "password_reset.asked", link, now_ns)])

        self._writer.write(insert)
        return secret

    def password_reset(self, secret: str) -> Link:
        """Whose password it lets choose. Raises InputError (404)."""
        return self._found("reset", secret)

    def reset(self, ip: str, secret: str, password: str) -> Person:
        """Who has this password now; all sign-ins and other links of this person are worth nothing any more.

        Raises InputError: 404 the link is not good, 400 a weak password (the link stays good).
        """
        now_ns = self._writer.clock.now_ns()
        passwords.refuse_weak(password, self._found("reset", secret).email)
        made = passwords.hashed_password(password)

        def update(transaction: Transaction) -> Person:
            link = _good(transaction, "reset", secret, now_ns)
            person = person_in(transaction, link.person)
            changed = msgspec.structs.replace(
                person, password=made, epoch=person.epoch + 1, revision=person.revision + 1
            )
            keep_person(transaction, changed)
            transaction.change("DELETE FROM links WHERE kind = 'reset' AND person = :person", person=person.id)
            by = Actor(person.id, person.email, ip)
            record(transaction, [_entry(by, "password_reset.done", link, now_ns)])
            return changed

        return self._writer.change(update)

    def _found(self, kind: Kind, secret: str) -> Link:
        now_ns = self._writer.clock.now_ns()
        return self._writer.read(lambda transaction: _good(transaction, kind, secret, now_ns))


def _given(password: str) -> str:
    if not password:
        raise InputError("a new account needs a password", code="weak_password")
    return password


def _good(transaction: Transaction, kind: Kind, secret: str, now_ns: int) -> Link:
    """Raises InputError (404), with the same words whatever is wrong."""
    found = []
    if len(secret) <= SECRET_CHARS_MAX:
        sql = f"SELECT {_COLUMNS} FROM links WHERE sha256 = :sha256 AND kind = :kind"  # noqa: S608
        found = [Link(*row) for row in transaction.rows(sql, sha256=sha256_of(secret), kind=kind)]
    may = found and (kind != "invitation" or may_grant(transaction, _grant(found[0]), now_ns))
    if not may or not _is_good(found[0], now_ns):
        raise InputError(
            "this link is not good any more: it was used, has expired, or a newer one was made; ask for another",
            code="link_not_good",
            status=404,
        )
    return found[0]


def _grant(link: Link) -> Grant:
    return Grant(link.team, link.role, link.made_by)


def mail_state(link: Link, now_ns: int) -> tuple[str, str]:
    """`waiting`, `sent`, `failed` or "", and why it failed: also where nobody is there any more who would send it."""
    if link.mail == "waiting" and now_ns - link.made_ns > MAIL_S * NS_PER_S:
        return "failed", "the service ended before it was sent"
    return link.mail, link.mail_error


def _is_good(link: Link, now_ns: int) -> bool:
    return not link.used_ns and now_ns < link.expires_ns


def _use(transaction: Transaction, link: Link, now_ns: int) -> None:
    transaction.change("UPDATE links SET used_ns = :now WHERE sha256 = :sha256", now=now_ns, sha256=link.sha256)


def _drop_old(transaction: Transaction, now_ns: int) -> None:
    transaction.change("DELETE FROM links WHERE expires_ns <= :now OR used_ns > 0", now=now_ns)


def _insert(transaction: Transaction, link: Link) -> None:
    if transaction.rows("SELECT 1 FROM links WHERE sha256 = :sha256", sha256=link.sha256):
        return  # this transaction was done before, and its answer was lost
    values = ", ".join(f":{name}" for name in _COLUMNS.split(", "))
    transaction.change(f"INSERT INTO links ({_COLUMNS}) VALUES ({values})", **msgspec.structs.asdict(link))  # noqa: S608


def _entry(by: Actor, what: str, link: Link, now_ns: int) -> Entry:
    told = {"email": link.email} | ({"role": link.role} if link.role else {})
    target = link.person or link.id  # a new password is of no team: told to those of its person
    return Entry(by=by, what=what, made_ns=now_ns, team=link.team, target=target, detail=told)
