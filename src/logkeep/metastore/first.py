"""Keys, tokens and people of the time before there were teams, and of the first start: all in the first team."""

from logkeep.metastore.keys import Key
from logkeep.metastore.people import Person
from logkeep.metastore.teams import FIRST_TEAM
from logkeep.metastore.tokens import Token
from logkeep.metastore.writing import new_id

FIRST_NAME = "first start"


def first_key(app: str, prefix: str, now_ns: int) -> Key:
    return Key(new_id("key"), app, FIRST_NAME, prefix, "", now_ns, "", 0, 1)


def first_token(app: str, scope: str, prefix: str, now_ns: int) -> Token:
    """app: "" for all of the team."""
    return Token(new_id("tok"), FIRST_TEAM, app, "", FIRST_NAME, prefix, scope, now_ns, "", 0, 0)


def first_person(email: str, password_hash: str, now_ns: int) -> Person:
    name = email.partition("@")[0]
    return Person(new_id("per"), email, name, password_hash, "", "", 0, "", "", now_ns, 0, 1, 1)
