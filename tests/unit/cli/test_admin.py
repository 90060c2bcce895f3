"""`logkeep admin` on the metastore of a folder, without a service."""

import fcntl
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.service import free_port

from logkeep import wiring
from logkeep.cli.app import run
from logkeep.clock import SystemClock
from logkeep.metastore.accounts import Accounts
from logkeep.metastore.directory import make_directory
from logkeep.metastore.port import SignIn
from logkeep.settings import Api, Settings
from logkeep.supervisor import LOCK_FILE, SETTINGS_FILE


class Console:
    """Runs commands; `out` is what the last one printed."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self._capsys = folder, capsys
        self.out = self.err = ""

    def run(self, *arguments: str) -> int:
        code = run(["admin", *arguments, "--data", str(self.folder)])
        self.out, self.err = self._capsys.readouterr()
        return code

    def json(self, *arguments: str) -> Any:
        assert self.run(*arguments, "--json") == 0, self.err
        return json.loads(self.out)

    def caller(self, secret: str) -> Any:
        with wiring.open_database(Settings(data=str(self.folder))) as database:
            accounts = Accounts(database, SystemClock(), refresh_s=60, valid_s=60)
            accounts.look()
            return accounts.caller(secret)


@pytest.fixture
def console(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Console:
    folder = tmp_path / "data"
    folder.mkdir()
    wiring.prepare_metastore(Settings(data=str(folder)))
    return Console(folder, capsys)


def test_a_key_is_printed_once_and_works(console: Console) -> None:
    assert console.run("key", "create", "--app", "default", "--origin", "https://shop.example") == 0
    secret = console.out.strip()
    assert secret.startswith("lkw_") and console.caller(secret).apps == {"default": {"write"}}
    listed = console.json("key", "list", "--app", "default")
    (made,) = (key for key in listed if key["name"] == "command line")
    assert (made["prefix"], made["origins"]) == (secret[:8], "https://shop.example") and secret not in console.out
    rotated = console.json("key", "rotate", made["key"], "--app", "default", "--keep-s", "0")
    assert console.caller(secret) is None and console.caller(rotated["secret"]) is not None
    assert console.run("key", "revoke", rotated["key"], "--app", "default") == 0
    assert console.caller(rotated["secret"]) is None
    assert console.run("key", "create", "--app", "nothing") == 2 and "no app 'nothing'" in console.err


def test_a_token_has_the_scopes_it_was_made_with(console: Console) -> None:
    secret = console.json("token", "create", "--scope", "read", "--scope", "keys", "--days", "1")["secret"]
    assert console.caller(secret).teams == {"main": {"read", "keys"}}
    made = next(one for one in console.json("token", "list") if one["name"] == "command line")
    assert made["scopes"] == "read keys" and made["expires"] is not None
    assert console.run("token", "revoke", made["token"]) == 0 and console.caller(secret) is None
    assert console.run("token", "create", "--scope", "write") == 2


def test_people_teams_and_apps_are_made_and_changed(console: Console) -> None:
    made = console.json("people", "create", "anna@example.org", "--role", "admin")
    assert len(made["password"]) >= 16 and made["role"] == "admin"
    assert console.run("people", "create", "anna@example.org") == 2
    for command in (
        ("team", "create", "two", "--owner", "anna@example.org"),
        ("app", "create", "shop", "--team", "two", "--title", "The shop"),
        ("team", "add", "two", "admin@localhost", "--role", "read_only"),
        ("team", "role", "two", "admin@localhost", "admin", "--app", "shop"),
        ("app", "archive", "shop"),
        ("people", "sign-out", "anna@example.org"),
        ("people", "create", "eve@example.org", "--team", "two", "--role", "owner"),
        ("people", "disable", "anna@example.org"),
    ):
        assert console.run(*command) == 0, console.err
    members = {one["email"]: (one["role"], one["apps"]) for one in console.json("team", "members", "two")}
    assert members == {
        "anna@example.org": ("owner", ""), "eve@example.org": ("owner", ""),
        "admin@localhost": ("read_only", "shop=admin"),
    }  # fmt: skip
    people = {one["email"]: one["disabled"] for one in console.json("people", "list")}
    assert people == {"anna@example.org": True, "eve@example.org": False, "admin@localhost": False}
    (shop,) = (app for app in console.json("app", "list") if app["app"] == "shop")
    assert (shop["title"], shop["team"], bool(shop["archived"])) == ("The shop", "two", True)
    assert console.run("team", "remove", "two", "eve@example.org") == 2 and "last owner" in console.err
    assert console.run("people", "list") == 0 and "anna@example.org" in console.out


def test_who_is_in_a_team_already_is_not_added_again(console: Console) -> None:
    assert console.run("people", "create", "anna@example.org", "--role", "member") == 0
    before = console.json("team", "members", "main"), console.json("audit", "list")
    assert console.run("team", "add", "main", "anna@example.org", "--role", "admin") == 2
    assert "already, as member" in console.err and "logkeep admin team role" in console.err
    assert (console.json("team", "members", "main"), console.json("audit", "list")) == before


@pytest.mark.parametrize("where", [("--team", "nosuch"), ("--role", "god")])
def test_who_cannot_be_put_into_the_team_is_not_made_at_all(console: Console, where: tuple[str, str]) -> None:
    assert console.run("people", "create", "anna@example.org", *where) == 2 and where[1] in console.err
    assert [one["email"] for one in console.json("people", "list")] == ["admin@localhost"]
    assert console.run("people", "create", "anna@example.org") == 0


def test_invitations_are_listed_and_withdrawn(console: Console) -> None:
    made = console.json("invite", "bert@example.org", "--no-mail")
    (waiting,) = console.json("invitation", "list")
    assert (waiting["invitation"], waiting["email"], waiting["role"]) == (
        made["invitation"], "bert@example.org", "member",
    )  # fmt: skip
    assert console.run("invitation", "withdraw", made["invitation"]) == 0
    assert console.json("invitation", "list") == []
    assert console.run("invitation", "withdraw", made["invitation"]) == 2


def test_titles_and_keys_are_changed(console: Console) -> None:
    assert console.run("team", "title", "main", "The team") == 0
    assert console.run("app", "title", "default", "The app") == 0
    assert [one["title"] for one in console.json("team", "list")] == ["The team"]
    assert [one["title"] for one in console.json("app", "list")] == ["The app"]
    key = console.json("key", "create", "--app", "default")["key"]

    def changed(*options: str) -> tuple[str, str]:
        assert console.run("key", "change", key, "--app", "default", *options) == 0, console.err
        (found,) = (one for one in console.json("key", "list", "--app", "default") if one["key"] == key)
        return found["name"], found["origins"]

    assert changed("--origin", "https://shop.example") == ("command line", "https://shop.example")
    assert changed("--name", "web") == ("web", "https://shop.example")
    assert changed("--any-origin") == ("web", "")
    assert console.run("key", "change", key, "--app", "default") == 2


def test_sign_ins_are_listed_and_ended_one_by_one(console: Console) -> None:
    with wiring.open_database(Settings(data=str(console.folder))) as database:
        directory = make_directory(database, SystemClock(), lambda: None)
        owner, now_ns = directory.people.all()[0], SystemClock().now_ns()
        for letter, used_ns in (("a", now_ns), ("b", now_ns - 1), ("c", 5)):
            row = SignIn(letter * 64, owner.id, "", owner.email, used_ns, used_ns, "192.0.2.1", "a browser")
            directory.sign_ins.put(row, made_after_ns=0, used_after_ns=0, rows_max=10)
    listed = console.json("people", "sign-ins", "admin@localhost")
    assert [one["sign_in"] for one in listed] == ["sig_" + "a" * 16, "sig_" + "b" * 16]  # the third is too old
    assert console.run("people", "sign-out", "admin@localhost", "--sign-in", "sig_" + "a" * 16) == 0
    assert console.run("people", "sign-out", "admin@localhost", "--sign-in", "sig_none") == 2
    assert [one["sign_in"] for one in console.json("people", "sign-ins", "admin@localhost")] == ["sig_" + "b" * 16]
    assert len(console.json("audit", "list", "--what", "sign_in.ended")) == 1
    assert console.run("people", "sign-out", "admin@localhost") == 0
    assert console.json("people", "sign-ins", "admin@localhost") == []


@pytest.mark.parametrize(
    "command",
    [
        ("team", "members", "nosuch"), ("token", "list", "--team", "nosuch"), ("audit", "list", "--team", "nosuch"),
        ("audit", "export", "--team", "nosuch"), ("invitation", "list", "--team", "nosuch"),
        ("app", "create", "shop", "--team", "nosuch"), ("token", "create", "--team", "nosuch"),
        ("team", "add", "nosuch", "admin@localhost"), ("team", "role", "nosuch", "admin@localhost", "member"),
        ("team", "remove", "nosuch", "admin@localhost"), ("invite", "bert@example.org", "--team", "nosuch"),
    ],
)  # fmt: skip
def test_a_team_that_is_none_is_named_and_nothing_is_made(console: Console, command: tuple[str, ...]) -> None:
    before = console.json("app", "list"), console.json("token", "list")
    assert console.run(*command) == 2 and "there is no team 'nosuch'" in console.err
    assert (console.json("app", "list"), console.json("token", "list")) == before


@pytest.mark.parametrize(
    "command",
    [
        ("token", "create", "--team", "two", "--person", "admin@localhost"),
        ("team", "role", "two", "admin@localhost", "member"), ("team", "remove", "two", "admin@localhost"),
    ],
)  # fmt: skip
def test_who_is_not_in_a_team_is_named_by_their_address(console: Console, command: tuple[str, ...]) -> None:
    assert console.run("team", "create", "two") == 0
    assert console.run(*command) == 2 and "admin@localhost is no member of the team 'two'" in console.err


@pytest.mark.parametrize("command", ["list", "export"])
def test_the_audit_log_of_an_app_that_is_none_says_so(console: Console, command: str) -> None:
    assert console.run("audit", command, "--app", "nosuch") == 2 and "there is no app 'nosuch'" in console.err


def test_links_are_printed_and_kept_as_mails(console: Console) -> None:
    invited = console.json("invite", "bert@example.org", "--role", "member")
    assert invited["link"].startswith("http://127.0.0.1:7301/invitation?secret=")
    (mail,) = (console.folder / "mail").glob("*.eml")
    assert invited["link"].encode() in mail.read_bytes().replace(b"=\r\n", b"").replace(b"=3D", b"=")
    assert [one["mail"] for one in console.json("invitation", "list")] == ["sent"]
    assert console.run("reset-password", "admin@localhost") == 0
    assert console.out.startswith("http://127.0.0.1:7301/password-reset?secret=")
    assert console.run("reset-password", "nobody@example.org") == 2


def test_links_are_of_the_service_that_runs_on_the_folder(console: Console) -> None:
    (console.folder / SETTINGS_FILE).parent.mkdir(exist_ok=True)
    (console.folder / SETTINGS_FILE).write_bytes(
        msgspec.json.encode(Settings(data=str(console.folder), api=Api(port=28301)))
    )
    with open(console.folder / LOCK_FILE, "ab") as lock:  # as a running one holds it
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert console.run("reset-password", "admin@localhost") == 0
        assert console.out.startswith("http://127.0.0.1:28301/password-reset?secret=")


def test_what_became_of_the_mail_of_an_invitation_is_kept(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    assert console.run("invite", "anna@example.org", "--no-mail") == 0
    monkeypatch.setenv("LOGKEEP_MAIL_KIND", "smtp")
    monkeypatch.setenv("LOGKEEP_MAIL_HOST", "127.0.0.1")
    monkeypatch.setenv("LOGKEEP_MAIL_PORT", str(free_port()))
    assert console.run("invite", "bert@example.org") != 0
    anna, bert = console.json("invitation", "list")
    assert anna["mail"] == "" and bert["mail"].startswith("failed: ")
    (entry,) = console.json("audit", "list", "--what", "mail.failed")
    assert entry["target"] == bert["invitation"]


def test_what_was_done_is_in_the_log_which_is_whole(console: Console) -> None:
    secret = console.json("key", "create", "--app", "default")["secret"]
    (entry,) = console.json("audit", "list", "--what", "key.created")
    assert entry["who"].startswith("logkeep admin") and entry["app"] == "default" and secret not in console.out
    verified = console.json("audit", "verify")
    assert verified["entries"] == 2 and len(verified["hash"]) == 64
    with wiring.open_database(Settings(data=str(console.folder))) as database:
        database.write(lambda transaction: transaction.change("UPDATE audit SET ip = 'x' WHERE number = 1"))
    assert console.run("audit", "verify") == 1 and "entry 1 does not fit" in console.err


def test_a_folder_without_a_metastore_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["admin", "app", "list", "--data", str(tmp_path / "nothing")]) == 2
    assert "start the service once" in capsys.readouterr().err and not (tmp_path / "nothing").exists()
