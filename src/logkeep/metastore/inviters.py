"""Whether an invitation is still good for what it grants: as long as whoever made it may grant that."""

import msgspec

from logkeep.metastore.audit import CONSOLE
from logkeep.metastore.database import Transaction
from logkeep.metastore.roles import NOTHING, ROLE_SCOPES, Scopes, scopes_of_token


class Grant(msgspec.Struct, frozen=True):
    """A role in a team, by a person or token (an id) or the command line."""

    team: str
    role: str
    by: str


def may_grant(transaction: Transaction, grant: Grant, now_ns: int) -> bool:
    """Whether they may do so now: owners all, admins all but owners; disabled, gone or expired ones nothing."""
    if grant.by == CONSOLE.id:
        return True
    needed = "owner" if grant.role == "owner" else "admin"
    return needed in _scopes(transaction, grant.team, grant.by, now_ns)


def end_of_inviter(transaction: Transaction, team: str, person: str) -> int:
    """Invitations into the team by this person or their tokens, which are there still, are gone; how many waited."""
    tokens = transaction.rows("SELECT id FROM tokens WHERE team = :team AND person = :person", team=team, person=person)
    sql = "DELETE FROM links WHERE kind = 'invitation' AND team = :team AND made_by = :by AND used_ns = 0"
    return sum(transaction.change(sql, team=team, by=by) for by in [person, *(str(id) for (id,) in tokens)])


def _scopes(transaction: Transaction, team: str, by: str, now_ns: int) -> Scopes:
    sql = (
        "SELECT person, scopes FROM tokens WHERE id = :by AND team = :team AND app = '' "
        "AND (expires_ns = 0 OR expires_ns > :now)"
    )
    for person, scopes in transaction.rows(sql, by=by, team=team, now=now_ns):
        given = scopes_of_token(scopes.split())
        return given & _scopes_of_person(transaction, team, person) if person else given
    return _scopes_of_person(transaction, team, by)


def _scopes_of_person(transaction: Transaction, team: str, person: str) -> Scopes:
    sql = (
        "SELECT m.role FROM memberships m JOIN people p ON p.id = m.person "
        "WHERE m.team = :team AND m.person = :person AND p.disabled_ns = 0"
    )
    found = transaction.rows(sql, team=team, person=person)
    return ROLE_SCOPES[str(found[0][0])] if found else NOTHING
