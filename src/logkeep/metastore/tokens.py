"""API tokens: of a team, or of a person and then worth no more than that person is. Only a hash of each is kept.

A token made with another one is part of it: it ends with it at the latest, is revoked with it, and belongs to whom that
one belongs to. As its scopes are some of its maker's, it never may do more.
"""

from collections.abc import Sequence

import msgspec

from logkeep.clock import NS_PER_DAY, NS_PER_S
from logkeep.errors import InputError
from logkeep.metastore.accounts import new_secret, prefix_of, sha256_of
from logkeep.metastore.audit import Actor, Entry, record
from logkeep.metastore.database import Transaction
from logkeep.metastore.roles import TOKEN_SCOPES
from logkeep.metastore.teams import refuse_no_member, team_in
from logkeep.metastore.writing import Writer, new_id, not_found, title

TOKENS_MAX = 1000  # of a team
EXPIRES_S_MAX = 10 * 366 * 86_400
_COLUMNS = "id, team, app, person, name, prefix, scopes, made_ns, made_by, expires_ns, used_day"


class Token(msgspec.Struct, frozen=True):
    """app: "" for all of the team. person: "" for the team's own. scopes: with spaces. used_day: since 1970, or 0."""

    id: str
    team: str
    app: str
    person: str
    name: str
    prefix: str
    scopes: str
    made_ns: int
    made_by: str
    expires_ns: int
    used_day: int


class Tokens:
    """Raises BackendUnavailable, and InputError."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def list(self, team: str, person: str | None = None) -> list[Token]:
        """Oldest first; of this person alone, None for all."""
        sql = f"SELECT {_COLUMNS} FROM tokens WHERE team = :team ORDER BY made_ns, id"  # noqa: S608
        found = [Token(*row) for row in self._writer.read(lambda transaction: transaction.rows(sql, team=team))]
        return [token for token in found if person is None or token.person == person]

    def create(
        self,
        by: Actor,
        *,
        team: str,
        app: str,
        person: str,
        name: str,
        scopes: Sequence[str],
        expires_s: int | None,
    ) -> tuple[Token, str]:
        """The token and its secret, which nobody can tell any more afterwards. expires_s: None for never.

        Made with a token it ends with that one, whatever `expires_s` says. Raises InputError: 401 when that one has
        ended meanwhile, 403 when the new one would be somebody else's, 404 where there is no such team, member or app.
        """
        checked = checked_scopes(scopes)
        if expires_s is not None and not 60 <= expires_s <= EXPIRES_S_MAX:
            raise InputError(f"expires_s of {expires_s:,} is not within 60 to {EXPIRES_S_MAX:,}", code="bad_input")
        secret, now_ns = new_secret("read"), self._writer.clock.now_ns()
        until_ns = now_ns + expires_s * NS_PER_S if expires_s is not None else 0
        token = Token(
            new_id("tok"), team, app, person, title(name, "the name of a token"), prefix_of(secret), " ".join(checked),
            now_ns, by.id, until_ns, 0,
        )  # fmt: skip

        def insert(transaction: Transaction) -> Token:
            made = _within_maker(token, _maker(transaction, by, now_ns))
            if transaction.rows("SELECT 1 FROM tokens WHERE sha256 = :sha256", sha256=sha256_of(secret)):
                return made  # this transaction was done before, and its answer was lost
            team_in(transaction, team)
            if person:
                refuse_no_member(transaction, team, person)
            _refuse_foreign_app(transaction, team, app)
            if transaction.rows("SELECT COUNT(*) FROM tokens WHERE team = :team", team=team)[0][0] >= TOKENS_MAX:
                raise InputError(f"the team has {TOKENS_MAX:,} tokens, which is the limit", code="too_many")
            insert_token(transaction, sha256_of(secret), made)
            record(transaction, [_entry(by, "token.created", made, now_ns)])
            return made

        return self._writer.change(insert), secret

    def revoke(self, by: Actor, team: str, id: str, person: str | None = None) -> None:
        """And all made with it. person: only if it is this person's, and where `by` is a token, that one or made with
        it; None for any. Raises InputError (404; 403)."""
        now_ns = self._writer.clock.now_ns()

        def delete(transaction: Transaction) -> None:
            sql = f"SELECT {_COLUMNS} FROM tokens WHERE team = :team"  # noqa: S608
            of_team = [Token(*row) for row in transaction.rows(sql, team=team)]
            found = next((token for token in of_team if token.id == id), None)
            if found is None or (person is not None and found.person != person):
                raise not_found("token", id)
            asks = next((token for token in of_team if token.id == by.id), None)
            if person is not None and asks is not None and found not in _with_all_made(asks, of_team):
                raise InputError(
                    "a token revokes itself and what was made with it; sign in, or use one with the scope `admin`",
                    code="forbidden",
                    status=403,
                )
            gone = _with_all_made(found, of_team)
            transaction.change_many("DELETE FROM tokens WHERE id = :id", [{"id": token.id} for token in gone])
            record(transaction, [_entry(by, "token.revoked", token, now_ns) for token in gone])

        self._writer.change(delete)

    def used(self, ids: Sequence[str], now_ns: int) -> None:
        """These were used today."""
        day = now_ns // NS_PER_DAY
        sql = "UPDATE tokens SET used_day = :day WHERE id = :id AND used_day < :day"
        self._writer.write(
            lambda transaction: transaction.change_many(sql, [{"id": id, "day": day} for id in sorted(ids)])
        )


def checked_scopes(scopes: Sequence[str]) -> list[str]:
    """Raises InputError."""
    if not scopes or not set(scopes) <= set(TOKEN_SCOPES):
        odd = next((scope for scope in scopes if scope not in TOKEN_SCOPES), "")
        raise InputError(
            f"scopes of a token are one or more of {', '.join(TOKEN_SCOPES)}; {odd[:40]!r} is none", code="bad_scope"
        )
    return [scope for scope in TOKEN_SCOPES if scope in scopes]


def _maker(transaction: Transaction, by: Actor, now_ns: int) -> Token | None:
    """The token that makes another one; None for whoever is no token. Raises InputError (401)."""
    if not by.id.startswith("tok_"):
        return None
    rows = transaction.rows(f"SELECT {_COLUMNS} FROM tokens WHERE id = :id", id=by.id)  # noqa: S608
    found = [Token(*row) for row in rows]
    if not found or 0 < found[0].expires_ns <= now_ns:
        raise InputError("your token has ended; ask for another one", code="unauthorized", status=401)
    return found[0]


def _within_maker(token: Token, maker: Token | None) -> Token:
    if maker is None:
        return token
    if token.person != maker.person:
        raise InputError(
            "a token that is yours makes none of the team, as that would stay when you leave; leave out `of_team`, or "
            "make it signed in",
            code="forbidden",
            status=403,
        )
    ends = [ns for ns in (token.expires_ns, maker.expires_ns) if ns]
    return msgspec.structs.replace(token, expires_ns=min(ends, default=0))


def _with_all_made(maker: Token, tokens: Sequence[Token]) -> list[Token]:
    """This one, those made with it, and those made with them."""
    found = [maker]
    for each in found:  # which grows meanwhile
        found += [token for token in tokens if token.made_by == each.id]
    return found


def _refuse_foreign_app(transaction: Transaction, team: str, app: str) -> None:
    if app and not transaction.rows("SELECT 1 FROM apps WHERE name = :app AND team = :team", app=app, team=team):
        raise not_found("app", app)


def _entry(by: Actor, what: str, token: Token, now_ns: int) -> Entry:
    told = {"name": token.name, "prefix": token.prefix, "scopes": token.scopes, "person": token.person}
    return Entry(by=by, what=what, made_ns=now_ns, team=token.team, app=token.app, target=token.id, detail=told)


def insert_token(transaction: Transaction, sha256: str, token: Token) -> None:
    transaction.change(
        "INSERT INTO tokens "
        "(id, team, app, person, name, prefix, sha256, scopes, made_ns, made_by, expires_ns, used_day) "
        "VALUES (:id, :team, :app, :person, :name, :prefix, :sha256, :scopes, :made, :by, :expires, :used)",
        id=token.id, team=token.team, app=token.app, person=token.person, name=token.name, prefix=token.prefix,
        sha256=sha256, scopes=token.scopes, made=token.made_ns, by=token.made_by, expires=token.expires_ns,
        used=token.used_day,
    )  # fmt: skip
