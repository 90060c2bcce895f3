"""Starts, moves, known keys and writers at once: on SQLite and on real MariaDB and PostgreSQL servers."""

import hashlib
import json
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.contract.metastores import KINDS, Shared, ask, at_once, sample, shared
from tests.metastore import make_read_only, make_writable
from tests.service import wait_for

from logkeep import wiring
from logkeep.clock import ManualClock, SystemClock
from logkeep.disk import SystemDisk
from logkeep.errors import BackendUnavailable, CorruptData, InputError
from logkeep.metastore import moving
from logkeep.metastore.audit import CONSOLE
from logkeep.metastore.database import HEAD, NoAnswer, Transaction, bump
from logkeep.metastore.erasures import Erased, Erasures
from logkeep.metastore.migrate import VERSIONS, migrate, migrate_sqlite
from logkeep.metastore.port import Credential, SignIn
from logkeep.metastore.samples import Samples
from logkeep.metastore.server import ServerDatabase
from logkeep.metastore.sign_ins import SignIns
from logkeep.metastore.start import prepare
from logkeep.settings import MetastoreSettings, Settings

SERVERS = [kind for kind in KINDS if kind != "sqlite"]


@pytest.fixture(params=SERVERS)
def on_server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Shared, Any]]:
    """An empty database, and the server that has it."""
    with shared(request.param, tmp_path / "data", request) as found:
        found.folder.mkdir()
        yield found, request.getfixturevalue(request.param)


# ── the first start, and the ones after it ────────────────────────────────────────────────────────────────────────────


def test_the_first_start_makes_an_app_its_keys_and_a_sign_in(empty: Shared) -> None:
    first = empty.prepare()
    assert first is not None and first.app == "default"
    kept = empty.folder / "first-run.json"
    assert msgspec.json.decode(kept.read_bytes()) == msgspec.structs.asdict(first)
    assert kept.stat().st_mode & 0o777 == 0o600
    accounts = empty.accounts().open()
    assert (accounts.app_names(), accounts.default_app()) == (["default"], "default")
    key = accounts.credential(first.app_key)
    assert key is not None and key == Credential("default", "write", "key first start", key.id)
    owner = accounts.credential(first.api_token)
    assert owner is not None and (owner.app, owner.scope) == ("default", "admin")
    assert accounts.credential(first.app_key + "x") is None
    people = empty.directory().people
    person = people.verify(" Admin@localhost ", first.admin_password)
    assert person is not None and person.email == "admin@localhost"
    assert people.verify("admin@localhost", first.admin_password + "x") is None
    caller = accounts.person(person.id, person.epoch)
    assert caller is not None and "owner" in caller.teams["main"] and "admin" in caller.apps["default"]
    accounts.close()
    assert empty.prepare() is None


@pytest.mark.parametrize("email", ["", "nobody@localhost", "a\0b", "\ud800", "x" * 5000, "' OR '1'='1", "ärger@☃.de"])
def test_nobody_signs_in_with_an_odd_name(it: Shared, email: str) -> None:
    it.prepare()
    assert it.directory().people.verify(email, "password") is None


def test_many_instances_that_start_at_once_make_one_app(empty: Shared) -> None:
    folders = [empty.folder if empty.kind == "sqlite" else empty.folder / str(number) for number in range(4)]
    made = at_once(*(lambda folder=folder: empty.prepare(folder) for folder in folders))
    assert len([first for first in made if first is not None]) == 1
    assert [folder for folder, first in zip(folders, made, strict=True) if (folder / "first-run.json").exists()] == (
        folders if empty.kind == "sqlite" else [folders[index] for index, first in enumerate(made) if first]
    )
    accounts = empty.accounts()
    accounts._watched.look()
    (first,) = (first for first in made if first is not None)
    assert accounts.app_names() == ["default"] and accounts.credential(first.app_key) is not None


def test_tables_of_a_newer_logkeep_are_refused(it: Shared) -> None:
    it.prepare()
    it.open().write(lambda transaction: transaction.change("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(InputError) as refused:
        it.prepare()
    assert refused.value.code == "metastore_too_new" and "9999" in refused.value.message


@pytest.mark.parametrize("revision", sorted(path.name[:4] for path in (VERSIONS / "versions").glob("*.py")))
def test_tables_of_every_revision_are_brought_up_to_date(empty: Shared, revision: str) -> None:
    database = empty.open()
    if isinstance(database, ServerDatabase):
        with database._engine.begin() as connection:
            migrate(connection, revision)
    else:
        migrate_sqlite(empty.folder / "metastore.db", timeout_s=5, to=revision)
    assert database.revision() == revision
    assert empty.prepare() is not None
    assert database.revision() == HEAD


def test_the_head_is_the_last_of_the_migrations() -> None:
    names = sorted(path.name for path in (VERSIONS / "versions").glob("*.py"))
    assert names[-1].startswith(HEAD + "_")


def test_every_table_is_moved_to_a_server_or_named_as_one_that_is_not(tmp_path: Path) -> None:
    """With all columns but the numbers that a database gives by itself."""
    migrate_sqlite(tmp_path / "metastore.db", timeout_s=5)
    with sqlite3.connect(tmp_path / "metastore.db") as connection:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        columns = {name: {row[1] for row in connection.execute(f"PRAGMA table_info({name})")} for name in tables}
    moved = {table: set(names.split(", ")) for table, names, _ in moving.TABLES}
    assert set(moved) | set(moving.NOT_MOVED) == tables and set(moved).isdisjoint(moving.NOT_MOVED)
    assert {
        name: columns[name] - moved[name] - {"number"} for name in moved if columns[name] - moved[name] - {"number"}
    } == {}


def test_a_new_file_is_what_all_migrations_make(tmp_path: Path) -> None:
    migrate_sqlite(tmp_path / "migrated.db", timeout_s=5)
    with shared("sqlite", tmp_path, None) as made:  # type: ignore[arg-type]
        made.open().upgrade()
    dumps = []
    for name in ("migrated.db", "metastore.db"):
        connection = sqlite3.connect(tmp_path / name)
        dumps.append([" ".join(line.split()) for line in connection.iterdump()])
        connection.close()
    assert dumps[0] == dumps[1]


def test_a_start_on_a_file_that_can_only_be_read_changes_nothing(tmp_path: Path) -> None:
    with shared("sqlite", tmp_path, None) as it:  # type: ignore[arg-type]
        first = it.prepare()
        assert first is not None
    make_read_only(tmp_path)
    with shared("sqlite", tmp_path, None) as again:  # type: ignore[arg-type]
        assert again.prepare() is None
        accounts = again.accounts()
        accounts.look()
        assert accounts.credential(first.app_key) is not None
        database = again.open()
        assert database.problem() is None
        with pytest.raises(BackendUnavailable):
            database.write(lambda transaction: bump(transaction, "accounts"))
        assert "refused every change" in (database.problem() or "") and str(tmp_path) not in (database.problem() or "")
        database.close()
        make_writable(tmp_path)
        database.write(lambda transaction: bump(transaction, "accounts"))
        assert database.problem() is None


def test_older_tables_in_a_file_that_can_only_be_read_are_unavailable(tmp_path: Path) -> None:
    migrate_sqlite(tmp_path / "metastore.db", timeout_s=5, to="0001")
    with shared("sqlite", tmp_path, None) as it:  # type: ignore[arg-type]
        assert it.open().revision() == "0001"
    make_read_only(tmp_path)
    with shared("sqlite", tmp_path, None) as it, pytest.raises(BackendUnavailable, match="brought up to date"):  # type: ignore[arg-type]
        it.prepare()


# ── what an older Logkeep kept in files ───────────────────────────────────────────────────────────────────────────────


def write_old_files(folder: Path) -> None:
    """As the version before the database wrote them."""
    salt = bytes(range(16))
    scrypt = hashlib.scrypt(b"correct horse", salt=salt, n=2**14, r=8, p=1).hex()
    keys = [("lkw_old", "write"), ("lkr_old", "admin")]
    accounts = {
        "apps": ["shop", "other"],
        "keys": [{"sha256": hashlib.sha256(k.encode()).hexdigest(), "app": "shop", "scope": s} for k, s in keys],
        "people": [{"email": "admin@localhost", "salt": salt.hex(), "scrypt": scrypt, "app": "shop"}],
    }
    (folder / "accounts.json").write_text(json.dumps(accounts))
    job = {
        "job": "era_0123456789abcdef", "app": "shop", "state": "done", "query": "user=anna", "from_ns": 0,
        "to_ns": 10, "matches": 3, "asked_by": "admin", "asked_ns": 1, "expires_ns": 2, "confirm_sha256": "00",
        "erased": {"events": 3, "rejected_samples": 0, "dead_letters": 0, "patterns": 0},
    }  # fmt: skip
    (folder / "erasures.json").write_text(json.dumps([job]))
    (folder / "rejected").mkdir()
    (folder / "rejected" / (b"shop".hex() + ".ndjson.1")).write_text('{"n":1}\n')
    (folder / "rejected" / (b"shop".hex() + ".ndjson")).write_text('{"n":2}\n{"n":3}\n')
    (folder / "rejected" / "unknown.ndjson").write_text('{"n":4}\n')
    (folder / "dead-letters.ndjson").write_text('{"n":5}\n')


def test_the_files_of_an_older_logkeep_are_taken_over_once(empty: Shared) -> None:
    write_old_files(empty.folder)
    assert empty.prepare() is None
    accounts = empty.accounts()
    accounts._watched.look()
    assert accounts.app_names() == ["shop", "other"]
    key = accounts.credential("lkw_old")
    assert key is not None and (key.app, key.scope) == ("shop", "write")
    people = empty.directory().people
    person = people.verify("admin@localhost", "correct horse")
    assert person is not None and person.password.startswith("scrypt$")
    assert people.get(person.id).password.startswith("$argon2id$")  # made anew while the password was at hand
    assert people.verify("admin@localhost", "correct horse") is not None
    caller = accounts.person(person.id, person.epoch)
    assert caller is not None and list(caller.apps) == ["shop", "other"] and "owner" in caller.teams["main"]
    token = accounts.caller("lkr_old")
    assert token is not None and list(token.apps) == ["shop", "other"]  # the owner's: of all the team from now on
    (job,) = Erasures(empty.open(), SystemClock(), refresh_s=1).jobs("shop")
    assert (job.state, job.query, job.erased) == ("done", "user=anna", Erased(events=3))
    samples = Samples(empty.open(), SystemClock())
    assert samples.rejected("shop").newest(10) == [b'{"n":3}', b'{"n":2}', b'{"n":1}']
    assert samples.rejected("").newest(10) == [b'{"n":4}'] and samples.dead_letters.newest(10) == [b'{"n":5}']
    left = {path.name for path in empty.folder.rglob("*") if path.is_file()}
    assert {name for name in left if not name.startswith("metastore.db")} == {"accounts.json.taken-over"}


def test_the_metastore_of_the_data_folder_moves_to_an_empty_server(on_server: tuple[Shared, Any]) -> None:
    it, _ = on_server
    settings = Settings(data=str(it.folder))
    first = wiring.prepare_metastore(settings)
    assert first is not None
    with wiring.open_database(settings) as database:
        ask(Erasures(database, SystemClock(), refresh_s=1))
        Samples(database, SystemClock()).rejected("shop").append([sample("änna 1"), sample("änna 2")])
        row = SignIn("a" * 64, "per_1", "", "anna", 1, 2)
        SignIns(database).put(row, made_after_ns=0, used_after_ns=0, rows_max=10)
    shared_settings = Settings(data=str(it.folder), metastore=MetastoreSettings(url=it.url))
    for _ in range(2):  # what was moved is found the second time
        assert wiring.prepare_metastore(shared_settings) is None
    accounts = it.accounts()
    accounts._watched.look()
    assert accounts.credential(first.app_key) is not None and accounts.app_names() == ["default"]
    assert it.directory().people.verify(first.admin_email, first.admin_password) is not None
    assert [job.query for job in Erasures(it.open(), SystemClock(), refresh_s=1).jobs("shop")] == ["user=änna"]
    texts = [msgspec.json.decode(line)["text"] for line in Samples(it.open(), SystemClock()).rejected("shop").newest(9)]
    assert texts == ["änna 2", "änna 1"] and SignIns(it.open()).find(row.sha256) == row
    left = [path for path in it.folder.iterdir() if path.name.startswith("metastore")]
    assert [path.name for path in left] == ["metastore.db.moved"] and "änna 1".encode() not in left[0].read_bytes()
    assert (it.folder / "first-run.json").exists()


def test_a_start_that_was_killed_before_the_files_were_put_away_is_finished(it: Shared) -> None:
    write_old_files(it.folder)
    it.prepare()
    (it.folder / "accounts.json.taken-over").rename(it.folder / "accounts.json")
    (it.folder / "erasures.json").write_text("[]")
    it.prepare()
    assert not (it.folder / "erasures.json").exists() and not (it.folder / "accounts.json").exists()
    assert len(Erasures(it.open(), SystemClock(), refresh_s=1).jobs("shop")) == 1


def test_files_of_other_accounts_than_the_database_has_stay(it: Shared) -> None:
    it.prepare()
    write_old_files(it.folder)
    it.prepare()
    assert (it.folder / "accounts.json").exists() and (it.folder / "erasures.json").exists()


def test_a_damaged_file_is_named_and_nothing_is_made(it: Shared) -> None:
    (it.folder / "accounts.json").write_text("{}")
    with pytest.raises(CorruptData, match=r"accounts\.json"):
        it.prepare()
    assert it.open().read(lambda transaction: transaction.rows("SELECT name FROM apps")) == []


@pytest.mark.parametrize("tables", [False, True])
def test_accounts_that_are_gone_are_not_made_anew_beside_the_keys_known_before(empty: Shared, tables: bool) -> None:
    """They would lock out every sender, and nobody would be told."""
    known, first_run = empty.folder / "known-keys-http-0.json", empty.folder / "first-run.json"
    known.write_text("{}")
    first_run.write_text("{}")
    if tables:
        empty.open().upgrade()
    before = sorted(empty.folder.iterdir())
    with pytest.raises(CorruptData, match=r"known-keys-http-0\.json\); restore it from a backup"):
        empty.prepare()
    assert first_run.read_text() == "{}" and sorted(empty.folder.iterdir()) == before
    known.unlink()
    assert empty.prepare() is not None


def test_accounts_that_are_there_go_on_beside_the_keys_known_before(it: Shared) -> None:
    it.prepare()
    (it.folder / "known-keys-http-0.json").write_text("{}")
    assert it.prepare() is None


# ── keys ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_key_made_or_revoked_elsewhere_counts_after_the_next_look(it: Shared) -> None:
    it.prepare()
    here, there = it.accounts(), it.accounts()
    here.look()
    keys = it.directory(there).keys
    key, secret = keys.create(CONSOLE, "default", name="a sender")
    assert here.credential(secret) is None and there.credential(secret) is not None
    here.look()
    assert here.credential(secret) == Credential("default", "write", "key a sender", key.id)
    keys.revoke(CONSOLE, "default", key.id)
    with pytest.raises(InputError):
        keys.revoke(CONSOLE, "default", key.id)
    assert there.credential(secret) is None and here.credential(secret) is not None
    here.look()
    assert here.credential(secret) is None
    with pytest.raises(InputError):
        keys.create(CONSOLE, "no such app", name="a sender")


def test_it_looks_by_itself(it: Shared) -> None:
    it.prepare()
    here = it.accounts().open()
    _, secret = it.directory().keys.create(CONSOLE, "default", name="a sender")
    wait_for(lambda: here.credential(secret) is not None, 20, "the new key to be known")
    here.close()


def test_while_the_server_is_away_known_keys_go_on_and_unknown_ones_are_not_refused(
    on_server: tuple[Shared, Any], tmp_path: Path
) -> None:
    it, server = on_server
    first = it.prepare()
    assert first is not None
    clock = ManualClock()
    here = it.accounts(clock, cache=tmp_path / "known-keys.json", timeout_s=1).open()
    assert here.problem() is None and here.credential("lkw_unknown") is None
    server.server.kill()
    try:
        clock.advance(100)
        assert here.credential(first.app_key) is not None and "100 s" in (here.problem() or "")
        assert here.outdated() is None
        with pytest.raises(BackendUnavailable) as unknown:
            here.credential("lkw_unknown")
        assert unknown.value.code == "metastore_unavailable"
        with pytest.raises(BackendUnavailable):
            it.directory(here, timeout_s=1).people.verify("admin@localhost", first.admin_password)
        # A process that starts now knows what this one knew, as old as it is; one without that cannot start.
        started = it.accounts(clock, cache=tmp_path / "known-keys.json", timeout_s=1).open()
        assert started.credential(first.app_key) is not None and "100 s" in (started.problem() or "")
        with pytest.raises(BackendUnavailable):
            it.accounts(clock, timeout_s=1).open()
        clock.advance(3600)
        for accounts in (here, started):
            with pytest.raises(BackendUnavailable):
                accounts.credential(first.app_key)
            assert accounts.last_known(first.app_key) is not None
            assert "keys count for 3,600 s" in (accounts.outdated() or "")
            assert "go on" not in (accounts.problem() or "")
    finally:
        server.server.start()
    wait_for(lambda: answers(here.look), 20, "the server to be used again")
    assert here.credential(first.app_key) is not None and here.problem() is None
    for accounts in (here, started):
        accounts.close()


def test_a_connection_lost_between_two_calls_is_made_again(on_server: tuple[Shared, Any]) -> None:
    it, server = on_server
    it.prepare()
    database = it.open()
    names = database.read(lambda transaction: transaction.rows("SELECT name FROM apps"))
    server.server.kill()
    server.server.start()
    assert database.read(lambda transaction: transaction.rows("SELECT name FROM apps")) == names


def answers(call: Callable[[], Any]) -> bool:
    try:
        call()
    except BackendUnavailable:
        return False
    return True


def test_a_server_that_answers_nothing_any_more_is_waited_for_once(on_server: tuple[Shared, Any]) -> None:
    it, server = on_server
    it.prepare()
    database, fresh = it.open(timeout_s=1), it.open(timeout_s=1)
    assert isinstance(database, ServerDatabase)
    names = "SELECT name FROM apps"
    database.read(lambda transaction: transaction.rows(names))
    server.server.freeze()
    try:
        with pytest.raises(BackendUnavailable) as first:
            database.read(lambda transaction: transaction.rows(names))
        assert first.value.code == "metastore_unavailable"
        with pytest.raises(BackendUnavailable):
            fresh.revision()
        database._in_transaction = None  # type: ignore[assignment, method-assign]  # whoever asks the server now fails
        for call in (database.read, database.write):
            with pytest.raises(BackendUnavailable, match="does not answer"):
                call(lambda transaction: transaction.rows(names))
        del database._in_transaction  # type: ignore[method-assign]
    finally:
        server.server.thaw()
    wait_for(lambda: answers(database.revision) and answers(fresh.revision), 20, "the server to be used again")
    assert database.read(lambda transaction: len(transaction.rows(names))) == 1


def test_a_server_that_answers_nothing_when_the_service_starts_is_unavailable(on_server: tuple[Shared, Any]) -> None:
    it, server = on_server
    it.prepare()
    database = it.open(timeout_s=1)
    server.server.freeze()
    try:
        with pytest.raises(BackendUnavailable):
            prepare(database, it.folder, SystemDisk(), SystemClock())
    finally:
        server.server.thaw()


def test_whoever_waits_in_vain_for_a_lock_is_no_outage_for_others(on_server: tuple[Shared, Any]) -> None:
    it, _ = on_server
    it.prepare()
    holder, database = it.open(), it.open(timeout_s=1)
    held, done = threading.Event(), threading.Event()

    def hold(transaction: Transaction) -> None:
        bump(transaction, "accounts")
        held.set()
        done.wait(60)

    thread = threading.Thread(target=lambda: holder.write(hold))
    thread.start()
    try:
        assert held.wait(20)
        with pytest.raises(BackendUnavailable) as refused:
            database.write(lambda transaction: bump(transaction, "accounts"))
        assert not isinstance(refused.value, NoAnswer) and database.problem() is None
        assert database.read(lambda transaction: len(transaction.rows("SELECT name FROM apps"))) == 1
    finally:
        done.set()
        thread.join(20)


def test_an_address_that_is_none_is_refused_without_telling_it() -> None:
    for url in ("oracle://me:secret@host/x", "secret", "mariadb://me:secret@host:port/x"):
        with pytest.raises(InputError) as refused:
            ServerDatabase(url, timeout_s=1)
        assert "secret" not in refused.value.message and refused.value.__cause__ is None


def test_what_cannot_be_reached_does_not_tell_the_password(tmp_path: Path) -> None:
    for scheme in SERVERS:
        with pytest.raises(BackendUnavailable) as refused:
            ServerDatabase(f"{scheme}://me:secret@127.0.0.1:1/x", timeout_s=1).upgrade()
        assert "secret" not in refused.value.message and refused.value.code == "metastore_unavailable"


# ── two at once ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_writers_at_once_lose_nothing(it: Shared) -> None:
    it.prepare()
    databases = [it.open() for _ in range(4)]

    def add(database: Any) -> None:
        for _ in range(10):
            database.write(lambda transaction: bump(transaction, "accounts"))

    number = "SELECT number FROM changes WHERE topic = 'accounts'"
    before = databases[0].read(lambda transaction: transaction.rows(number))[0][0]
    at_once(*(lambda database=database: add(database) for database in databases))
    assert databases[0].read(lambda transaction: transaction.rows(number))[0][0] == before + 40


def test_two_that_wait_for_each_other_are_both_done(it: Shared) -> None:
    it.prepare()
    met = threading.Barrier(2)
    tries: list[str] = []

    def both(first: str, second: str) -> Callable[[Transaction], None]:
        def work(transaction: Transaction) -> None:
            tries.append(first)
            bump(transaction, first)
            if it.kind != "sqlite" and len(tries) <= 2:  # there the second one waits before it begins
                met.wait(10)
            bump(transaction, second)

        return work

    databases = [it.open(), it.open()]
    at_once(
        lambda: databases[0].write(both("accounts", "erasures")),
        lambda: databases[1].write(both("erasures", "accounts")),
    )
    # One of the two waits, or is given up and tried again, and again where it meets the other once more.
    assert len(tries) == 2 if it.kind == "sqlite" else len(tries) >= 3


def test_an_error_of_the_work_undoes_what_it_did(it: Shared) -> None:
    it.prepare()

    def work(transaction: Transaction) -> None:
        transaction.change("DELETE FROM apps")
        raise InputError("no")

    with pytest.raises(InputError):
        it.open().write(work)
    assert len(it.open().read(lambda transaction: transaction.rows("SELECT 1 FROM apps"))) == 1
