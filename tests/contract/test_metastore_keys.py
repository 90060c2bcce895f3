"""Keys and tokens, on SQLite and on real MariaDB and PostgreSQL servers."""

from typing import Any

import msgspec
import pytest
from tests.contract.metastores import Shared, There, rows

from logkeep.clock import NS_PER_DAY, NS_PER_S
from logkeep.errors import InputError
from logkeep.metastore.audit import CONSOLE, Actor
from logkeep.metastore.key_use import KeyUse
from logkeep.metastore.tokens import Token


@pytest.fixture
def it(it: Shared) -> There:
    return There(it)


class CountingWrites:
    """A database whose writes are counted."""

    def __init__(self, database: Any, writes: list[str]) -> None:
        self._database, self._writes = database, writes

    def write(self, work: Any) -> Any:
        self._writes.append("write")
        return self._database.write(work)


def test_a_key_of_web_pages_brings_no_datagrams(it: There) -> None:
    _, pages = it.directory.keys.create(CONSOLE, "default", name="web", origins=("https://shop.example",))
    _, anyone = it.directory.keys.create(CONSOLE, "default", name="server", origins=())
    secrets = (pages, anyone, it.first.api_token, "nobody's")
    assert [it.accounts.app_of_datagrams(secret) for secret in secrets] == [None, "default", None, None]


def test_a_key_tells_its_last_day_written_once_a_day(it: There) -> None:
    written: list[str] = []
    database, use = it.shared.open(), KeyUse(it.shared.open(), it.clock)
    use._database = CountingWrites(database, written)
    used = it.shared.accounts(it.clock, key_used=use.note)
    used.look()

    def day() -> int:
        return it.directory.keys.list("default")[0].used_day

    today = it.clock.now_ns() // NS_PER_DAY
    assert (day(), used.credential(it.first.api_token) is not None, use._noted) == (0, True, {})
    for _ in range(3):
        assert used.credential(it.first.app_key) and used.app_of_datagrams(it.first.app_key)
        use.flush()
    assert (day(), len(written)) == (today, 1)
    it.clock.jump(-3 * 86_400)
    assert used.credential(it.first.app_key)
    use.flush()
    assert day() == today  # whatever a clock that is wrong says
    it.clock.jump(4 * 86_400)
    assert used.credential(it.first.app_key)
    use.flush()
    assert day() == today + 1


def test_a_key_that_ends_already_is_not_rotated_to_go_on_longer(it: There) -> None:
    keys = it.directory.keys
    key, _ = keys.create(CONSOLE, "default", name="web")
    new, _ = keys.rotate(CONSOLE, "default", key.id, keep_s=60)
    before = keys.list("default")
    with pytest.raises(InputError, match="ends in 60 s already") as refused:
        keys.rotate(CONSOLE, "default", key.id, keep_s=86_400)
    assert (refused.value.status, keys.list("default")) == (409, before)
    keys.rotate(CONSOLE, "default", key.id, keep_s=30)  # sooner it can end
    it.clock.advance(30)
    with pytest.raises(InputError, match="has ended already"):
        keys.rotate(CONSOLE, "default", key.id, keep_s=1)
    assert keys.rotate(CONSOLE, "default", new.id, keep_s=86_400)


def test_a_rotated_key_goes_on_for_as_long_as_it_was_told(it: There) -> None:
    key, secret = it.directory.keys.create(CONSOLE, "default", name="web", origins=("https://Shop.example/",))
    assert (key.origins, key.prefix, secret[:8]) == ("https://shop.example", secret[:8], key.prefix)
    new, other = it.directory.keys.rotate(CONSOLE, "default", key.id, keep_s=100)
    assert (new.name, new.origins) == ("web", "https://shop.example") and new.id != key.id
    (entry,) = rows(it, what="key.rotated")
    told = {"name": "web", "prefix": key.prefix, "origins": key.origins, "keep_s": 100, "successor": new.id}
    assert (entry.target, msgspec.json.decode(entry.detail)) == (key.id, told)
    it.clock.advance(99)
    it.accounts.look()
    assert it.accounts.credential(secret) is not None and it.accounts.credential(other) is not None
    it.clock.advance(1)
    it.accounts.look()
    assert it.accounts.credential(secret) is None and it.accounts.credential(other) is not None
    again, _ = it.directory.keys.rotate(CONSOLE, "default", new.id, keep_s=0)
    assert it.accounts.credential(other) is None
    changed = it.directory.keys.change(CONSOLE, "default", again.id, name="wöb", origins=(), revision=1)
    assert (changed.name, changed.origins, changed.revision) == ("wöb", "", 2)
    assert {one.name for one in it.directory.keys.list("default")} == {"first start", "web", "wöb"}
    with pytest.raises(InputError):
        it.directory.keys.change(CONSOLE, "other", again.id, name="x", origins=None, revision=None)


def test_a_token_of_a_person_is_worth_what_the_person_is(it: There) -> None:
    anna = it.person("anna@example.org", "admin")

    def make(person: str, app: str, *scopes: str, expires_s: int | None = None) -> str:
        return it.directory.tokens.create(
            CONSOLE, team="main", app=app, person=person, name="ci", scopes=scopes, expires_s=expires_s
        )[1]

    own, team_s, short = make(anna.id, "", "admin"), make("", "default", "erase"), make("", "", "read", expires_s=60)

    def scopes(secret: str) -> set[str]:
        caller = it.accounts.caller(secret)
        return set(caller.scopes_in("default")) if caller is not None else {"unknown"}

    assert "keys" in scopes(own) and scopes(team_s) == {"read", "erase"} and scopes(short) == {"read"}
    it.directory.teams.change_member(
        CONSOLE, "main", anna.id, role="read_only", app_roles={}, revision=None, is_owner=False
    )
    assert scopes(own) == {"read"}
    it.directory.people.set_disabled(CONSOLE, anna.id, True)
    assert scopes(own) == set()
    it.clock.advance(61)
    it.accounts.look()
    assert scopes(short) == {"unknown"} and it.accounts.credential(short) is None
    (token,) = it.directory.tokens.list("main", anna.id)
    assert (token.name, token.scopes, token.used_day) == ("ci", "admin", 0)
    it.directory.tokens.used([token.id], it.clock.now_ns())
    assert it.directory.tokens.list("main", anna.id)[0].used_day == it.clock.now_ns() // (86_400 * NS_PER_S)
    with pytest.raises(InputError):
        it.directory.tokens.revoke(CONSOLE, "main", token.id, "per_somebody")
    it.directory.tokens.revoke(CONSOLE, "main", token.id, anna.id)
    assert scopes(own) == {"unknown"}
    for bad in ((), ("write",), ("read", "owner")):
        with pytest.raises(InputError):
            make("", "", *bad)


def test_a_token_made_with_a_token_ends_with_it(it: There) -> None:
    anna = it.person("anna@example.org", "admin")

    def make(by: Actor, expires_s: int | None = None, person: str = anna.id) -> tuple[Token, str]:
        return it.directory.tokens.create(
            by, team="main", app="", person=person, name="ci", scopes=["read"], expires_s=expires_s
        )

    def by(token: Token) -> Actor:
        return Actor(token.id, token.name)

    def good(*secrets: str) -> list[bool]:
        it.accounts.look()
        return [it.accounts.caller(secret) is not None for secret in secrets]

    short, own = make(CONSOLE, 60)
    ever, second = make(by(short))
    _, third = make(by(ever), 3600)
    assert {token.expires_ns for token in it.directory.tokens.list("main", anna.id)} == {short.expires_ns}
    assert ever.expires_ns == short.expires_ns
    assert good(own, second, third) == [True] * 3
    with pytest.raises(InputError) as for_the_team:
        make(by(short), person="")
    assert (for_the_team.value.status, for_the_team.value.code) == (403, "forbidden")
    it.clock.advance(60)
    assert good(own, second, third) == [False] * 3
    with pytest.raises(InputError) as ended:
        make(by(short))
    assert (ended.value.status, ended.value.code) == (401, "unauthorized")
    maker, own = make(CONSOLE)
    ever, second = make(by(maker))
    _, third = make(by(ever))
    _, another = make(CONSOLE)
    other, _ = it.directory.tokens.create(
        CONSOLE, team="main", app="", person=maker.person, name="other", scopes=("read",), expires_s=None
    )
    with pytest.raises(InputError) as foreign:
        it.directory.tokens.revoke(Actor(maker.id, "maker"), "main", other.id, maker.person)
    assert foreign.value.status == 403
    it.directory.tokens.revoke(CONSOLE, "main", maker.id)
    assert good(own, second, third, another) == [False, False, False, True]
    assert len(rows(it, what="token.revoked")) == 3
    with pytest.raises(InputError) as revoked:
        make(by(maker))
    assert revoked.value.status == 401
