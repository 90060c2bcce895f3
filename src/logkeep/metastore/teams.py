"""Teams and their members. A team owns apps; a member's role counts in all of them, unless an app has another for them.

Owners can do everything; admins everything but to make owners, or to change them. A team keeps one owner at least
who is not disabled.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from logkeep.errors import InputError
from logkeep.metastore.audit import Actor, Entry, record
from logkeep.metastore.database import Transaction
from logkeep.metastore.inviters import end_of_inviter
from logkeep.metastore.people import Person, owners_in, person_in
from logkeep.metastore.roles import APP_ROLES, ROLES
from logkeep.metastore.shares import end_of_maker
from logkeep.metastore.starts import forget_starts
from logkeep.metastore.writing import Writer, not_found, refuse_stale, slug, title

FIRST_TEAM = "main"
TEAMS_MAX = 10_000
MEMBERS_MAX = 10_000  # of a team


class Team(msgspec.Struct, frozen=True):
    name: str
    title: str
    made_ns: int
    revision: int


class Member(msgspec.Struct, frozen=True):
    """app_roles: by app, where it is another one than `role`. disabled: nobody can sign in as this person."""

    person: str
    email: str
    name: str
    role: str
    app_roles: dict[str, str]
    made_ns: int
    revision: int
    totp: bool
    disabled: bool


class Joined(msgspec.Struct, frozen=True):
    """A person who accepted an invitation. role: theirs in the team now. before: what it was, "" for no member."""

    person: Person
    team: str
    role: str
    before: str


class Teams:
    """Raises BackendUnavailable, and InputError where a name is none (404), not as it was (409), or not allowed (403).

    is_owner: whether whoever asks is an owner of the team, and so may touch owners.
    """

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def some(self, names: Sequence[str] | None = None) -> list[Team]:
        """Those of `names` that exist, None for all; in the order in which they were made."""
        sql = "SELECT name, title, made_ns, revision FROM teams ORDER BY made_ns, name"
        found = [Team(*row) for row in self._writer.read(lambda transaction: transaction.rows(sql))]
        return [team for team in found if names is None or team.name in names]

    def create(self, by: Actor, *, name: str, title_: str, owner: str = "") -> Team:
        """owner: a person's id; "" for a team without members."""
        name, title_ = slug(name, "a team"), title(title_ or name, "the title of a team")
        now_ns = self._writer.clock.now_ns()

        def insert(transaction: Transaction) -> Team:
            if transaction.rows("SELECT 1 FROM teams WHERE name = :name", name=name):
                raise InputError(f"the name {name!r} is taken; names are unique here", code="name_taken", status=409)
            if transaction.rows("SELECT COUNT(*) FROM teams")[0][0] >= TEAMS_MAX:
                raise InputError(f"there are {TEAMS_MAX:,} teams, which is the limit", code="too_many")
            insert_team(transaction, name, now_ns, title_)
            if owner:
                insert_member(transaction, name, owner, "owner", now_ns)
            record(transaction, [Entry(by=by, what="team.created", made_ns=now_ns, team=name, target=name)])
            return Team(name, title_, now_ns, 1)

        return self._writer.change(insert)

    def rename(self, by: Actor, name: str, title_: str, revision: int | None) -> Team:
        title_, now_ns = title(title_, "the title of a team"), self._writer.clock.now_ns()

        def update(transaction: Transaction) -> Team:
            team = team_in(transaction, name)
            refuse_stale(f"the team {name!r}", team.revision, revision)
            changed = msgspec.structs.replace(team, title=title_, revision=team.revision + 1)
            transaction.change(
                "UPDATE teams SET title = :title, revision = :revision WHERE name = :name",
                title=title_, revision=changed.revision, name=name,
            )  # fmt: skip
            told = {"title": title_}
            record(
                transaction,
                [Entry(by=by, what="team.changed", made_ns=now_ns, team=name, target=name, detail=told)],
            )
            return changed

        return self._writer.change(update)

    # ── members ───────────────────────────────────────────────────────────────────────────────────────────────────

    def members(self, team: str) -> list[Member]:
        """By e-mail."""
        return self._writer.read(lambda transaction: _members(transaction, team))

    def add(self, by: Actor, team: str, person: str, role: str) -> None:
        """This person is a member from now on. Raises InputError (409) for one who is already."""
        now_ns = self._writer.clock.now_ns()

        def insert(transaction: Transaction) -> None:
            team_in(transaction, team)
            added = person_in(transaction, person)
            before = transaction.rows(
                "SELECT role, made_ns FROM memberships WHERE team = :team AND person = :person",
                team=team, person=person,
            )  # fmt: skip
            if before and before[0][1] != now_ns:  # else this transaction was done before, and its answer was lost
                raise InputError(
                    f"{added.email} is in the team {team!r} already, as {before[0][0]}; change the role instead "
                    "(`logkeep admin team role`)",
                    code="conflict",
                    status=409,
                )
            self.add_in(transaction, by, team, added, role, now_ns)

        self._writer.change(insert)

    def joining(self, by: Actor, team: str, role: str) -> Callable[[Transaction, Person], None]:
        """For `People.create`: the new person is a member from the first moment, or there is none."""
        now_ns = self._writer.clock.now_ns()

        def join(transaction: Transaction, person: Person) -> None:
            team_in(transaction, team)
            self.add_in(transaction, by, team, person, role, now_ns)

        return join

    def add_in(self, transaction: Transaction, by: Actor, team: str, person: Person, role: str, now_ns: int) -> None:
        checked_role(role)
        if _role_of(transaction, team, person.id) is not None:
            return
        if transaction.rows("SELECT COUNT(*) FROM memberships WHERE team = :team", team=team)[0][0] >= MEMBERS_MAX:
            raise InputError(f"the team has {MEMBERS_MAX:,} members, which is the limit", code="too_many")
        insert_member(transaction, team, person.id, role, now_ns)
        record(transaction, [_entry(by, "member.added", team, person, now_ns, role=role)])

    def join_in(self, transaction: Transaction, by: Actor, team: str, person: Person, role: str, now_ns: int) -> Joined:
        """This person is a member with this role at least: who is one already gets a higher role, never a lower one."""
        before = _role_of(transaction, team, person.id)
        if before is None:
            self.add_in(transaction, by, team, person, role, now_ns)
            return Joined(person, team, role, "")
        if ROLES.index(checked_role(role)) >= ROLES.index(before):  # the strongest is first
            return Joined(person, team, before, before)
        transaction.change(
            "UPDATE memberships SET role = :role, revision = revision + 1 WHERE team = :team AND person = :person",
            role=role, team=team, person=person.id,
        )  # fmt: skip
        record(transaction, [_entry(by, "member.changed", team, person, now_ns, role=role, before=before)])
        return Joined(person, team, role, before)

    def change_member(
        self,
        by: Actor,
        team: str,
        person: str,
        *,
        role: str | None,
        app_roles: Mapping[str, str | None],
        revision: int | None,
        is_owner: bool,
    ) -> Member:
        """app_roles: by app; None takes the one of an app away, so that `role` counts there again."""
        now_ns = self._writer.clock.now_ns()

        def update(transaction: Transaction) -> Member:
            member = _member(transaction, team, person)
            refuse_stale(f"the member {member.email}", member.revision, revision)
            new_role = checked_role(role) if role is not None else member.role
            _refuse_owners_matters(transaction, team, member, new_role, is_owner)
            transaction.change(
                "UPDATE memberships SET role = :role, revision = :revision WHERE team = :team AND person = :person",
                role=new_role, revision=member.revision + 1, team=team, person=person,
            )  # fmt: skip
            _set_app_roles(transaction, team, person, app_roles)
            told = {"role": new_role, "before": member.role, "apps": dict(app_roles)}
            record(transaction, [_entry(by, "member.changed", team, person_in(transaction, person), now_ns, **told)])
            return _member(transaction, team, person)

        return self._writer.change(update)

    def remove(self, by: Actor, team: str, person: str, *, is_owner: bool, revision: int | None = None) -> None:
        """Not a member any more; their tokens, invitations, shared links and starts in this team are gone too."""
        now_ns = self._writer.clock.now_ns()

        def delete(transaction: Transaction) -> None:
            member = _member(transaction, team, person)
            refuse_stale(f"the member {member.email}", member.revision, revision)
            _refuse_owners_matters(transaction, team, member, "none", is_owner)
            values = {"team": team, "person": person}
            transaction.change("DELETE FROM memberships WHERE team = :team AND person = :person", **values)
            invitations = end_of_inviter(transaction, team, person)
            transaction.change("DELETE FROM tokens WHERE team = :team AND person = :person", **values)
            _set_app_roles(transaction, team, person, dict.fromkeys(member.app_roles))
            forget_starts(transaction, person, _apps_of(transaction, team))
            told: dict[str, Any] = {"before": member.role}
            if invitations:
                told["invitations_ended"] = invitations
            if links := end_of_maker(transaction, team, person):
                told["shared_links_ended"] = links
            record(transaction, [_entry(by, "member.removed", team, person_in(transaction, person), now_ns, **told)])

        self._writer.change(delete)


def checked_role(role: str) -> str:
    """Raises InputError."""
    if role not in ROLES:
        raise InputError(f"{role[:40]!r} is no role; roles are {', '.join(ROLES)}", code="bad_role")
    return role


def team_in(transaction: Transaction, name: str) -> Team:
    """Raises InputError (404)."""
    found = transaction.rows("SELECT name, title, made_ns, revision FROM teams WHERE name = :name", name=name)
    if not found:
        raise not_found("team", name)
    return Team(*found[0])


def refuse_no_member(transaction: Transaction, team: str, person: str) -> None:
    """Raises InputError (404), which names them by their address."""
    if _role_of(transaction, team, person) is None:
        email = person_in(transaction, person).email
        raise InputError(f"{email} is no member of the team {team!r}", code="not_found", status=404)


def insert_team(transaction: Transaction, name: str, now_ns: int, title: str) -> None:
    transaction.change(
        "INSERT INTO teams (name, title, made_ns, revision) VALUES (:name, :title, :now, 1)",
        name=name, title=title, now=now_ns,
    )  # fmt: skip


def insert_member(transaction: Transaction, team: str, person: str, role: str, now_ns: int) -> None:
    transaction.change(
        "INSERT INTO memberships (team, person, role, made_ns, revision) VALUES (:team, :person, :role, :now, 1)",
        team=team, person=person, role=role, now=now_ns,
    )  # fmt: skip


def _members(transaction: Transaction, team: str) -> list[Member]:
    app_roles: dict[str, dict[str, str]] = {}
    sql = "SELECT r.person, r.app, r.role FROM app_roles r JOIN apps a ON a.name = r.app WHERE a.team = :team"
    for person, app, role in transaction.rows(sql, team=team):
        app_roles.setdefault(person, {})[app] = role
    found = transaction.rows(
        "SELECT p.id, p.email, p.name, m.role, m.made_ns, m.revision, p.totp, p.disabled_ns "
        "FROM memberships m JOIN people p ON p.id = m.person WHERE m.team = :team ORDER BY p.email",
        team=team,
    )
    return [
        Member(id, email, name, role, app_roles.get(id, {}), made_ns, revision, bool(totp), bool(disabled_ns))
        for id, email, name, role, made_ns, revision, totp, disabled_ns in found
    ]


def _member(transaction: Transaction, team: str, person: str) -> Member:
    found = next((one for one in _members(transaction, team) if one.person == person), None)
    if found is None:
        raise not_found("member", person)
    return found


def _role_of(transaction: Transaction, team: str, person: str) -> str | None:
    sql = "SELECT role FROM memberships WHERE team = :team AND person = :person"
    found = transaction.rows(sql, team=team, person=person)
    return str(found[0][0]) if found else None


def _refuse_owners_matters(transaction: Transaction, team: str, member: Member, after: str, is_owner: bool) -> None:
    if "owner" not in (member.role, after):
        return
    if not is_owner:
        raise InputError("only an owner of the team makes, changes or removes owners", code="forbidden", status=403)
    if member.role == "owner" and after != "owner" and not owners_in(transaction, team) - {member.person}:
        raise InputError(
            "this is the last owner of the team who can sign in; make another one first", code="last_owner", status=409
        )


def _set_app_roles(transaction: Transaction, team: str, person: str, app_roles: Mapping[str, str | None]) -> None:
    for app, role in app_roles.items():
        if not transaction.rows("SELECT 1 FROM apps WHERE name = :app AND team = :team", app=app, team=team):
            raise not_found("app", app)
        transaction.change("DELETE FROM app_roles WHERE app = :app AND person = :person", app=app, person=person)
        if role is None:
            continue
        if role not in APP_ROLES:
            raise InputError(f"{role[:40]!r} is no role in an app; they are {', '.join(APP_ROLES)}", code="bad_role")
        sql = "INSERT INTO app_roles (app, person, role) VALUES (:app, :person, :role)"
        transaction.change(sql, app=app, person=person, role=role)
        if role == "none":
            forget_starts(transaction, person, [app])


def _apps_of(transaction: Transaction, team: str) -> list[str]:
    return [str(app) for (app,) in transaction.rows("SELECT name FROM apps WHERE team = :team", team=team)]


def _entry(by: Actor, what: str, team: str, person: Person, now_ns: int, **told: object) -> Entry:
    detail = {"email": person.email} | told
    return Entry(by=by, what=what, made_ns=now_ns, team=team, target=person.id, detail=detail)
