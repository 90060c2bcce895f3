"""What sign-ins promise, on SQLite and on real MariaDB and PostgreSQL servers."""

import msgspec
from tests.contract.metastores import Shared

from logkeep.metastore.port import SignIn
from logkeep.metastore.sign_ins import SignIns


def test_a_sign_in_is_a_row_that_every_instance_sees(begun: Shared) -> None:
    here, there = SignIns(begun.open()), SignIns(begun.open())

    def put(number: int, used_ns: int, rows_max: int = 10) -> SignIn:
        row = SignIn(f"{number + 1:016x}" * 4, "per_1", "", "änna", used_ns, used_ns, "192.0.2.1", "a browser")
        here.put(row, made_after_ns=10, used_after_ns=10, rows_max=rows_max)
        return row

    rows = [put(number, 20 + number) for number in range(3)]
    assert [there.find(row.sha256) for row in rows] == rows
    assert there.of_person("per_1") == rows[::-1] and there.of_person("per_2") == []
    there.touch(rows[0].sha256, 100)
    assert here.find(rows[0].sha256) == msgspec.structs.replace(rows[0], used_ns=100)
    newest = put(3, 50, rows_max=2)  # the two that were used last stay
    assert [here.find(row.sha256) is not None for row in [*rows, newest]] == [True, False, False, True]
    other = msgspec.structs.replace(newest, sha256="f" * 64, person="per_2")
    here.put(other, made_after_ns=10, used_after_ns=10, rows_max=1)  # of others none goes
    assert len(there.of_person("per_1")) == 2 and there.of_person("per_2") == [other]
    there.remove(newest.sha256)
    assert here.find(newest.sha256) is None
    here.put(newest, made_after_ns=1000, used_after_ns=0, rows_max=10)
    assert here.find(rows[0].sha256) is None
