"""People: who may sign in, by password, by a provider, or both."""

import secrets
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec

from logkeep.errors import InputError
from logkeep.metastore import passwords
from logkeep.metastore.audit import Actor, Entry, record
from logkeep.metastore.database import Transaction
from logkeep.metastore.starts import refuse_unreadable, starts_of
from logkeep.metastore.writing import EMAIL_CHARS_MAX, Writer, clean_email, email_address, new_id, not_found, title

_COLUMNS = (
    "id, email, name, password, totp, totp_pending, totp_step, provider, subject, made_ns, disabled_ns, epoch, "
    "revision, default_app"
)

T = TypeVar("T")


class Person(msgspec.Struct, frozen=True):
    """password: its hash, "" for none. totp: the secret of the second factor, "" for none; pending: not confirmed yet.

    provider, subject: who it is with an OpenID provider. epoch: counts what ends all sign-ins.
    default_app: the one that is the first of theirs, "" for none chosen.
    """

    id: str
    email: str
    name: str
    password: str
    totp: str
    totp_pending: str
    totp_step: int
    provider: str
    subject: str
    made_ns: int
    disabled_ns: int
    epoch: int
    revision: int
    default_app: str = ""


class People:
    """Raises BackendUnavailable, and InputError where an id is none (404)."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    # ── looking ───────────────────────────────────────────────────────────────────────────────────────────────────

    def get(self, id: str) -> Person:
        return self._writer.read(lambda transaction: person_in(transaction, id))

    def with_starts(self, id: str) -> tuple[Person, dict[str, str]]:
        """And the searches that they begin with, by app."""
        return self._writer.read(lambda transaction: (person_in(transaction, id), starts_of(transaction, id)))

    def by_email(self, email: str) -> Person | None:
        clean = clean_email(email)
        if not clean or len(clean) > EMAIL_CHARS_MAX or not clean.isprintable():
            return None  # what no database could look for
        return self._writer.read(lambda transaction: person_by_email(transaction, clean))

    def by_subject(self, provider: str, subject: str) -> Person | None:
        sql = "provider = :provider AND subject = :subject"
        found = self._writer.read(lambda t: _select(t, sql, provider=provider, subject=subject))
        return found[0] if found else None

    def all(self) -> list[Person]:
        """By e-mail."""
        return sorted(self._writer.read(lambda transaction: _select(transaction, "1 = 1")), key=lambda one: one.email)

    def verify(self, email: str, password: str) -> Person | None:
        """Who has this e-mail and password and is not disabled. Slow on purpose, for those who do not exist too."""
        person = self.by_email(email)
        if not passwords.is_password(password, person.password if person is not None else ""):
            return None
        assert person is not None
        if passwords.is_outdated(person.password):
            self._renew(person, password)
        return person if not person.disabled_ns else None

    def _renew(self, person: Person, password: str) -> None:
        """The same password with a hash of today; nothing when it was changed meanwhile."""
        made = passwords.hashed_password(password)
        sql = "UPDATE people SET password = :made WHERE id = :id AND password = :kept"
        self._writer.write(lambda transaction: transaction.change(sql, made=made, id=person.id, kept=person.password))

    # ── changing ──────────────────────────────────────────────────────────────────────────────────────────────────

    def create(
        self,
        by: Actor,
        *,
        email: str,
        name: str = "",
        password: str = "",
        provider: str = "",
        subject: str = "",
        join: Callable[[Transaction, Person], None] | None = None,
    ) -> Person:
        """password: "" for none: then only a link or a provider lets this person in. join: is done as one with it, such
        as `Teams.joining` tells. Raises InputError (409), what `join` raises; then nobody was made."""
        person = self.new(email=email, name=name, password=password, provider=provider, subject=subject)

        def insert(transaction: Transaction) -> Person:
            if (there := person_by_email(transaction, person.email)) is not None:
                if there.id == person.id:
                    return there
                raise InputError(f"{person.email} is known here already", code="name_taken", status=409)
            insert_person(transaction, person)
            record(transaction, [self.entry(by, "person.created", person)])
            if join is not None:
                join(transaction, person)
            return person

        return self._writer.change(insert)

    def new(self, *, email: str, name: str = "", password: str = "", provider: str = "", subject: str = "") -> Person:
        """Not kept yet. Raises InputError."""
        clean = email_address(email)
        if password:
            passwords.refuse_weak(password, clean)
        return Person(
            new_id("per"), clean, title(name or clean.partition("@")[0], "your name"),
            passwords.hashed_password(password) if password else "", "", "", 0, provider, subject,
            self._writer.clock.now_ns(), 0, 1, 1,
        )  # fmt: skip

    def set(
        self,
        by: Actor,
        id: str,
        *,
        name: str | None = None,
        password: str | None = None,
        default_app: str | None = None,
    ) -> Person:
        """What is given, all of it or nothing. default_app: "" for none. Raises InputError (a bad name, a weak
        password; 404: an app that they may not read).

        A new password counts from now on, and all sign-ins made before are worth nothing.
        """
        changes: dict[str, Any] = {}
        if name is not None:
            changes["name"] = title(name, "your name")
        if password is not None:
            passwords.refuse_weak(password, self.get(id).email)
            changes["password"] = passwords.hashed_password(password)
        if default_app is not None:
            changes["default_app"] = default_app

        def update(transaction: Transaction) -> Person:
            person = person_in(transaction, id)
            if default_app:
                refuse_unreadable(transaction, id, default_app)
            epoch = person.epoch + (1 if password is not None else 0)
            changed = msgspec.structs.replace(person, **changes, epoch=epoch, revision=person.revision + 1)
            keep_person(transaction, changed)
            entries = [self.entry(by, "person.changed", changed, {"name": changed.name})] if name is not None else []
            if password is not None:
                entries.append(self.entry(by, "person.password_changed", changed))
            record(transaction, entries)
            return changed

        return self._writer.change(update)

    def sign_out_everywhere(self, by: Actor, id: str) -> Person:
        return self.change(by, id, "person.signed_out_everywhere", lambda person: {"epoch": person.epoch + 1})

    def set_disabled(self, by: Actor, id: str, disabled: bool) -> Person:
        """Disabled, a person can do nothing, nor can the tokens that are theirs. It can be undone.

        Who is so already stays as they are, signed in too. Raises InputError (409) for the last owner of a team who is
        not disabled.
        """
        what = "person.disabled" if disabled else "person.enabled"

        def update(transaction: Transaction) -> Person:
            person = person_in(transaction, id)
            if bool(person.disabled_ns) == disabled:
                return person
            if disabled:
                _refuse_last_owner(transaction, person)
            now_ns = self._writer.clock.now_ns() if disabled else 0
            changed = msgspec.structs.replace(
                person, disabled_ns=now_ns, epoch=person.epoch + 1, revision=person.revision + 1
            )
            keep_person(transaction, changed)
            record(transaction, [self.entry(by, what, changed)])
            return changed

        return self._writer.change(update)

    def connect(self, by: Actor, id: str, *, provider: str, subject: str) -> Person:
        """From now on the provider's word is enough to sign in."""
        told = {"provider": provider}
        return self.change(by, id, "person.connected", lambda person: {"provider": provider, "subject": subject}, told)

    def change(
        self,
        by: Actor,
        id: str,
        what: str,
        changes: Callable[[Person], dict[str, Any]],
        told: dict[str, Any] | None = None,
    ) -> Person:
        """The person with what `changes` returns; with an entry `what` in the audit log that tells `told`."""

        def update(transaction: Transaction) -> Person:
            person = person_in(transaction, id)
            changed = msgspec.structs.replace(person, **changes(person), revision=person.revision + 1)
            keep_person(transaction, changed)
            record(transaction, [self.entry(by, what, changed, told)])
            return changed

        return self._writer.change(update)

    def entry(self, by: Actor, what: str, person: Person, told: dict[str, Any] | None = None) -> Entry:
        detail = {"email": person.email} | (told or {})
        return Entry(by=by, what=what, made_ns=self._writer.clock.now_ns(), target=person.id, detail=detail)


def new_password() -> str:
    """For a person to be told once."""
    return secrets.token_urlsafe(12)


def person_in(transaction: Transaction, id: str) -> Person:
    """Raises InputError (404)."""
    found = _select(transaction, "id = :id", id=id)
    if not found:
        raise not_found("person", id)
    return found[0]


def person_by_email(transaction: Transaction, email: str) -> Person | None:
    found = _select(transaction, "email = :email", email=email)
    return found[0] if found else None


def owners_in(transaction: Transaction, team: str) -> set[str]:
    """The ids of those who can act as owners of this team: who is disabled cannot."""
    sql = (
        "SELECT m.person FROM memberships m JOIN people p ON p.id = m.person "
        "WHERE m.team = :team AND m.role = 'owner' AND p.disabled_ns = 0"
    )
    return {str(person) for (person,) in transaction.rows(sql, team=team)}


def _refuse_last_owner(transaction: Transaction, person: Person) -> None:
    sql = "SELECT team FROM memberships WHERE person = :person AND role = 'owner' ORDER BY team"
    for (team,) in transaction.rows(sql, person=person.id):
        if owners_in(transaction, team) == {person.id}:
            raise InputError(
                f"this is the last owner of the team {team!r} who can sign in; make another one first",
                code="last_owner",
                status=409,
            )


def _select(transaction: Transaction, where: str, **values: str) -> list[Person]:
    return [Person(*row) for row in transaction.rows(f"SELECT {_COLUMNS} FROM people WHERE {where}", **values)]  # noqa: S608


def insert_person(transaction: Transaction, person: Person) -> None:
    values = ", ".join(f":{name}" for name in _COLUMNS.split(", "))
    sql = f"INSERT INTO people ({_COLUMNS}) VALUES ({values})"  # noqa: S608
    transaction.change(sql, **msgspec.structs.asdict(person))


def keep_person(transaction: Transaction, person: Person) -> None:
    columns: Sequence[str] = _COLUMNS.split(", ")[1:]
    changes = ", ".join(f"{name} = :{name}" for name in columns)
    transaction.change(f"UPDATE people SET {changes} WHERE id = :id", **msgspec.structs.asdict(person))  # noqa: S608
