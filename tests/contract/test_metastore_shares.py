"""What shared links promise, on SQLite and on real MariaDB and PostgreSQL servers."""

import msgspec
import pytest
from tests.contract.metastores import Shared

from logkeep.clock import NS_PER_S, ManualClock
from logkeep.errors import InputError
from logkeep.metastore import shares as module
from logkeep.metastore.accounts import sha256_of
from logkeep.metastore.audit import CONSOLE, Audit, Entry, Wanted
from logkeep.metastore.erasures import Erasure
from logkeep.metastore.roles import APP_ROLES
from logkeep.metastore.shares import Share, ShareEraser, Shares
from logkeep.metastore.shares import Shared as What
from logkeep.metastore.trimming import Trimming

OF_SHOP = "SELECT body FROM shares WHERE app = 'shop'"
NOW_NS = 1_785_578_400_000_000_000
WHAT = What(
    session="s é 🙂\0", from_ns=1, to_ns=9, redact=True, salt="00" * 16, made_by="ann@x.test", shown_by="Ann"
)  # fmt: skip


def entry(share: Share) -> Entry:
    return Entry(by=CONSOLE, what="share.made", made_ns=NOW_NS, team="main", app=share.app, target=share.share)


def ended(share: str, app: str = "shop") -> Entry:
    return Entry(by=CONSOLE, what="share.revoked", made_ns=NOW_NS, team="main", app=app, target=share)


def test_a_link_shows_what_was_shared_until_it_ends_and_its_secret_is_nowhere(begun: Shared) -> None:
    database, clock = begun.open(), ManualClock(NOW_NS)
    shares = Shares(database, clock)
    first, secret = shares.make("shop", WHAT, valid_s=60, entry=entry)
    clock.advance(1)
    second, other = shares.make("shop", WHAT, valid_s=600, entry=entry)
    assert (first.made_ns, first.expires_ns, first.shared) == (NOW_NS, NOW_NS + 60 * NS_PER_S, WHAT)
    assert Shares(begun.open(), clock).opened_by(secret) == first and shares.opened_by(other) == second
    assert shares.of_app("shop") == [second, first] and shares.of_app("Shop") == []
    kept = database.read(lambda transaction: transaction.rows("SELECT * FROM shares"))
    assert secret not in repr(kept) and sha256_of(secret) in repr(kept)
    for wrong in ("", secret[:-1], sha256_of(secret), first.share, "x" * 5000, "' OR 1=1 --"):
        assert shares.opened_by(wrong) is None
    clock.advance(59)
    assert (shares.opened_by(secret), shares.opened_by(other), shares.of_app("shop")) == (None, second, [second])
    Trimming(database, clock).trim()
    kept = database.read(lambda transaction: transaction.rows("SELECT share FROM shares"))
    assert [share for (share,) in kept] == [second.share]


def test_an_end_counts_at_once_for_its_app_alone_and_the_audit_log_is_told(begun: Shared) -> None:
    database = begun.open()
    shares = Shares(database, ManualClock(NOW_NS))
    made, secret = shares.make("shop", WHAT, valid_s=60, entry=entry)
    for app, name in (("other", made.share), ("shop", "shr_0123456789abcdef"), ("shop", "%"), ("shop", "a\0")):
        with pytest.raises(InputError) as caught:
            shares.revoke(app, name, entry=ended(name, app))
        assert caught.value.status == 404
    assert shares.opened_by(secret) == made
    shares.revoke("shop", made.share, entry=ended(made.share))
    assert shares.opened_by(secret) is None and shares.of_app("shop") == []
    told = Audit(database, ManualClock(NOW_NS)).list(Wanted(teams=("main",)))
    assert [(row.what, row.target) for row in told if row.what.startswith("share.")] == [
        ("share.revoked", made.share),
        ("share.made", made.share),
    ]


def test_an_app_has_so_many_links_in_force_and_no_more(begun: Shared, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SHARES_MAX", 2)
    clock = ManualClock(NOW_NS)
    shares = Shares(begun.open(), clock)
    for _ in range(2):
        shares.make("shop", WHAT, valid_s=60, entry=entry)
    with pytest.raises(InputError, match="2 are the most") as caught:
        shares.make("shop", WHAT, valid_s=60, entry=entry)
    assert caught.value.status == 409
    shares.make("other", WHAT, valid_s=60, entry=entry)
    clock.advance(60)
    shares.make("shop", WHAT, valid_s=60, entry=entry)


def test_erasing_a_session_ends_its_links_of_that_app(begun: Shared) -> None:
    database = begun.open()
    shares = Shares(database, ManualClock(NOW_NS))
    made = {
        (app, name): shares.make(app, msgspec.structs.replace(WHAT, session=name), valid_s=60, entry=entry)[1]
        for app in ("shop", "other")
        for name in ("s1", "s2")
    }
    for query, dry, count in (("session=s1", True, 1), ("user=s1", False, 0), ("session=s1 level=error", False, 0)):
        assert ShareEraser(database).remove(job(query), dry=dry) == {"shares": count}
        assert all(shares.opened_by(secret) for secret in made.values())
    for count in (1, 0):
        assert ShareEraser(database).remove(job('session=s1 or user=ann or "ann b"'), dry=False) == {"shares": count}
        assert [one for one, secret in made.items() if not shares.opened_by(secret)] == [("shop", "s1")]
    assert "s1" not in repr(database.read(lambda transaction: transaction.rows(OF_SHOP)))


class Makers:
    """Ann and Bob, of whose team `main` the app is; Ann is in another team too, with an app of its own."""

    def __init__(self, begun: Shared) -> None:
        self.directory = begun.directory(begun.accounts())
        self.app = self.directory.apps.all()[0].name
        self.directory.teams.create(CONSOLE, name="side", title_="")
        self.other = self.directory.apps.create(CONSOLE, team="side", name="side-app", title_="").name
        self.ann, self.bob = (
            self.directory.people.create(CONSOLE, email=f"{name}@x.test", name=name).id for name in ("ann", "bob")
        )
        for team, person in (("main", self.ann), ("side", self.ann), ("main", self.bob)):
            self.directory.teams.add(CONSOLE, team, person, "member")
        self.shares = Shares(begun.open(), ManualClock(NOW_NS))

    def share(self, app: str, maker: str) -> str:
        """The secret."""
        what = msgspec.structs.replace(WHAT, maker=maker)
        return self.shares.make(app, what, valid_s=60, entry=entry)[1]

    def leave(self, person: str) -> None:
        self.directory.teams.remove(CONSOLE, "main", person, is_owner=True)


def test_a_link_ends_when_its_maker_leaves_the_team_and_no_other_does(begun: Shared) -> None:
    it = Makers(begun)
    left = it.share(it.app, it.ann)
    others = [it.share(it.app, it.bob), it.share(it.other, it.ann), it.share(it.app, "")]
    assert it.shares.opened_by(left) is not None
    it.leave(it.ann)
    assert it.shares.opened_by(left) is None
    assert [it.shares.opened_by(secret) is not None for secret in others] == [True] * 3
    assert sorted(one.shared.maker for one in it.shares.of_app(it.app)) == sorted(["", it.bob])
    told = next(
        row for row in Audit(begun.open(), ManualClock(NOW_NS)).list(Wanted(teams=("main",)))
        if row.what == "member.removed"
    )  # fmt: skip
    assert msgspec.json.decode(told.detail)["shared_links_ended"] == 1
    it.directory.teams.add(CONSOLE, "main", it.ann, "member")
    assert it.shares.opened_by(left) is None
    late = it.share(it.app, it.ann)
    assert it.shares.opened_by(late) is not None


def test_a_link_made_while_its_maker_was_leaving_shows_nothing(begun: Shared) -> None:
    it = Makers(begun)
    it.leave(it.ann)
    assert it.shares.opened_by(it.share(it.app, it.ann)) is None


def test_links_of_a_disabled_person_show_nothing_for_as_long(begun: Shared) -> None:
    it = Makers(begun)
    secret = it.share(it.app, it.bob)
    it.directory.people.set_disabled(CONSOLE, it.bob, True)
    assert it.shares.opened_by(secret) is None
    assert it.shares.is_kept(secret) and not it.shares.is_kept(secret + "x") and not it.shares.is_kept("")
    other = it.share(it.app, it.ann)
    assert {one.shared.maker: one.paused for one in it.shares.of_app(it.app)} == {it.bob: True, it.ann: False}
    assert it.shares.opened_by(other) is not None
    it.directory.people.set_disabled(CONSOLE, it.bob, False)
    assert it.shares.opened_by(secret) is not None


def test_links_show_nothing_for_as_long_as_their_maker_may_make_none_in_the_app(begun: Shared) -> None:
    it = Makers(begun)
    of_bob, of_ann, elsewhere = it.share(it.app, it.bob), it.share(it.app, it.ann), it.share(it.other, it.ann)
    members = it.directory.teams
    shown = {}
    for role in (*APP_ROLES, None):  # in the app; None: the one of the team counts again, which is `member`
        members.change_member(
            CONSOLE, "main", it.bob, role=None, app_roles={it.app: role}, revision=None, is_owner=True
        )  # fmt: skip
        shown[role] = it.shares.opened_by(of_bob) is not None
    assert shown == {"admin": True, "member": True, "read_only": False, "none": False, None: True}
    members.change_member(CONSOLE, "main", it.ann, role="read_only", app_roles={}, revision=None, is_owner=True)
    assert [it.shares.opened_by(one) is not None for one in (of_bob, of_ann, elsewhere)] == [True, False, True]


def job(query: str) -> Erasure:
    return Erasure(
        job="era_0123456789abcdef", app="shop", state="confirmed", query=query, from_ns=0, to_ns=1 << 62, matches=0,
        asked_by="eve", asked_ns=0, expires_ns=0, confirm_sha256="",
    )  # fmt: skip
