"""Browsers that have signed in, as rows that every instance sees."""

from logkeep.metastore.database import Database, Transaction
from logkeep.metastore.port import SignIn

_COLUMNS = "sha256, person, token_sha256, name, made_ns, used_ns, address, agent, epoch"


class SignIns:
    """The SignInRows port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, row: SignIn, *, made_after_ns: int, used_after_ns: int, rows_max: int) -> None:
        def insert(transaction: Transaction) -> None:
            transaction.change(
                "DELETE FROM sign_ins WHERE made_ns < :made OR used_ns < :used", made=made_after_ns, used=used_after_ns
            )
            _make_room(transaction, row, rows_max - 1)
            if _found(transaction, row.sha256) is None:
                _insert(transaction, row)

        self._database.write(insert)

    def find(self, sha256: str) -> SignIn | None:
        return self._database.read(lambda transaction: _found(transaction, sha256))

    def touch(self, sha256: str, used_ns: int) -> None:
        sql = "UPDATE sign_ins SET used_ns = :used WHERE sha256 = :sha256"
        self._database.write(lambda transaction: transaction.change(sql, used=used_ns, sha256=sha256))

    def remove(self, sha256: str) -> None:
        sql = "DELETE FROM sign_ins WHERE sha256 = :sha256"
        self._database.write(lambda transaction: transaction.change(sql, sha256=sha256))

    def of_person(self, person: str) -> list[SignIn]:
        sql = f"SELECT {_COLUMNS} FROM sign_ins WHERE person = :person ORDER BY used_ns DESC"  # noqa: S608
        return [SignIn(*row) for row in self._database.read(lambda transaction: transaction.rows(sql, person=person))]


def _make_room(transaction: Transaction, row: SignIn, rows_max: int) -> None:
    """Of this person or token the `rows_max` used last stay; those of others are not touched."""
    sql = "SELECT sha256 FROM sign_ins WHERE person = :person AND token_sha256 = :token ORDER BY used_ns DESC, sha256"
    surplus = transaction.rows(sql, person=row.person, token=row.token_sha256)[rows_max:]
    transaction.change_many("DELETE FROM sign_ins WHERE sha256 = :sha256", [{"sha256": one[0]} for one in surplus])


def _found(transaction: Transaction, sha256: str) -> SignIn | None:
    found = transaction.rows(f"SELECT {_COLUMNS} FROM sign_ins WHERE sha256 = :sha256", sha256=sha256)  # noqa: S608
    return SignIn(*found[0]) if found else None


def _insert(transaction: Transaction, row: SignIn) -> None:
    transaction.change(
        f"INSERT INTO sign_ins (id, {_COLUMNS}) VALUES "  # noqa: S608
        "(:id, :sha256, :person, :token, :name, :made, :used, :address, :agent, :epoch)",
        id=row.id, sha256=row.sha256, person=row.person, token=row.token_sha256, name=row.name, made=row.made_ns,
        used=row.used_ns, address=row.address, agent=row.agent, epoch=row.epoch,
    )  # fmt: skip
