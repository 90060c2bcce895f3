"""Where people begin: with which search in an app, and which of their apps is the first.

At most one search for each app that a person may read. It goes with what gave access: the membership, or the role in
the app. Apps and people stay for ever.
"""

from collections.abc import Iterable

from logkeep.metastore.database import Transaction
from logkeep.metastore.writing import Writer, not_found

SEARCH_CHARS_MAX = 4000  # as it stands in an address, so of ASCII


class Starts:
    """Raises BackendUnavailable. Each change makes `Metastore.change` another number."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def find(self, person: str, app: str) -> str:
        """ "" for none."""
        sql = "SELECT search FROM starts WHERE person = :person AND app = :app"
        found = self._writer.read(lambda transaction: transaction.rows(sql, person=person, app=app))
        return str(found[0][0]) if found else ""

    def set(self, person: str, app: str, search: str) -> None:
        """It is kept, durably; "": none any more. Raises InputError (404): they may not read the app."""

        def replace(transaction: Transaction) -> None:
            refuse_unreadable(transaction, person, app)
            transaction.change("DELETE FROM starts WHERE person = :person AND app = :app", person=person, app=app)
            if search:
                sql = "INSERT INTO starts (person, app, search) VALUES (:person, :app, :search)"
                transaction.change(sql, person=person, app=app, search=search)

        self._writer.change(replace)


def starts_of(transaction: Transaction, person: str) -> dict[str, str]:
    """By app."""
    found = transaction.rows("SELECT app, search FROM starts WHERE person = :person", person=person)
    return {str(app): str(search) for app, search in found}


def refuse_unreadable(transaction: Transaction, person: str, app: str) -> None:
    """Raises InputError (404) where this person may do nothing in the app."""
    of_team = "SELECT 1 FROM memberships m JOIN apps a ON a.team = m.team WHERE m.person = :person AND a.name = :app"
    shut = "SELECT 1 FROM app_roles WHERE person = :person AND app = :app AND role = 'none'"
    values = {"person": person, "app": app}
    if not transaction.rows(of_team, **values) or transaction.rows(shut, **values):
        raise not_found("app", app)


def forget_starts(transaction: Transaction, person: str, apps: Iterable[str]) -> None:
    """This person begins with none of these apps any more, and with no search in them."""
    for app in apps:
        values = {"person": person, "app": app}
        transaction.change("DELETE FROM starts WHERE person = :person AND app = :app", **values)
        transaction.change("UPDATE people SET default_app = '' WHERE id = :person AND default_app = :app", **values)
