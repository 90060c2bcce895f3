"""Apps: what rows, keys and limits belong to. A name stays for ever, a title may change; archived, it takes nothing."""

from collections.abc import Sequence
from typing import Any

import msgspec

from logkeep.errors import InputError
from logkeep.metastore.audit import Actor, Entry, record
from logkeep.metastore.database import Transaction
from logkeep.metastore.teams import team_in
from logkeep.metastore.writing import Writer, not_found, refuse_stale, slug, title

APPS_MAX = 1000  # of a team
_COLUMNS = "name, team, title, made_ns, archived_ns, revision"


class App(msgspec.Struct, frozen=True):
    name: str
    team: str
    title: str
    made_ns: int
    archived_ns: int
    revision: int


class Apps:
    """Raises BackendUnavailable, and InputError where a name or id is none (404) or is not as it was (409)."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def list(self, names: Sequence[str]) -> list[App]:
        """Those of `names` that exist, in the order in which they were made."""
        wanted = set(names)
        return [app for app in self.all() if app.name in wanted]

    def all(self) -> Sequence[App]:
        """In the order in which they were made."""
        sql = f"SELECT {_COLUMNS} FROM apps ORDER BY number"  # noqa: S608
        return [App(*row) for row in self._writer.read(lambda transaction: transaction.rows(sql))]

    def get(self, name: str) -> App:
        return self._writer.read(lambda transaction: app_in(transaction, name))

    def create(self, by: Actor, *, team: str, name: str, title_: str) -> App:
        name, title_ = slug(name, "an app"), title(title_ or name, "the title of an app")
        now_ns = self._writer.clock.now_ns()

        def insert(transaction: Transaction) -> App:
            team_in(transaction, team)
            if transaction.rows("SELECT 1 FROM apps WHERE name = :name", name=name):
                raise InputError(f"the name {name!r} is taken; names are unique here", code="name_taken", status=409)
            if transaction.rows("SELECT COUNT(*) FROM apps WHERE team = :team", team=team)[0][0] >= APPS_MAX:
                raise InputError(f"the team has {APPS_MAX:,} apps, which is the limit", code="too_many")
            insert_app(transaction, name, now_ns, team=team, title=title_)
            record(transaction, [Entry(by=by, what="app.created", made_ns=now_ns, team=team, app=name, target=name)])
            return App(name, team, title_, now_ns, 0, 1)

        return self._writer.change(insert)

    def change(self, by: Actor, name: str, *, title_: str | None, archived: bool | None, revision: int | None) -> App:
        now_ns = self._writer.clock.now_ns()

        def update(transaction: Transaction) -> App:
            app = app_in(transaction, name)
            refuse_stale(f"the app {name!r}", app.revision, revision)
            changes: dict[str, Any] = {}
            if title_ is not None and title_ != app.title:
                changes["title"] = title(title_, "the title of an app")
            if archived is not None and archived != bool(app.archived_ns):
                changes["archived_ns"] = now_ns if archived else 0
            if not changes:
                return app
            changed = msgspec.structs.replace(app, **changes, revision=app.revision + 1)
            transaction.change(
                "UPDATE apps SET title = :title, archived_ns = :archived, revision = :revision WHERE name = :name",
                title=changed.title, archived=changed.archived_ns, revision=changed.revision, name=name,
            )  # fmt: skip
            told = {"title": changed.title, "archived": bool(changed.archived_ns)}
            entry = Entry(
                by=by, what="app.changed", made_ns=now_ns, team=app.team, app=name, target=name, detail=told
            )  # fmt: skip
            record(transaction, [entry])
            return changed

        return self._writer.change(update)


def app_in(transaction: Transaction, name: str) -> App:
    """Raises InputError (404)."""
    found = transaction.rows(f"SELECT {_COLUMNS} FROM apps WHERE name = :name", name=name)  # noqa: S608
    if not found:
        raise not_found("app", name)
    return App(*found[0])


def insert_app(transaction: Transaction, app: str, now_ns: int, *, team: str, title: str = "") -> None:
    transaction.change(
        "INSERT INTO apps (name, made_ns, team, title, archived_ns, revision) VALUES (:app, :now, :team, :title, 0, 1)",
        app=app, now=now_ns, team=team, title=title or app,
    )  # fmt: skip
