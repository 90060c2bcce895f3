"""Jobs that erase, from the question to the receipt, on SQLite and on real MariaDB and PostgreSQL servers."""

import pytest
from tests.contract.metastores import Shared, ask
from tests.service import wait_for

from logkeep.clock import ManualClock, SystemClock
from logkeep.errors import InputError, QuotaExceeded
from logkeep.metastore import erasures as erasures_module
from logkeep.metastore.erasures import CONFIRM_S, WAITING_MAX, Erased, Erasures


def test_an_erasure_goes_its_way_seen_by_every_instance(it: Shared) -> None:
    it.prepare()
    here, there = (Erasures(it.open(), SystemClock(), refresh_s=0.1).open() for _ in range(2))
    name, token = ask(here)
    assert there.job("shop", name).state == "waiting_for_confirmation" and there.first("confirmed") is None
    with pytest.raises(InputError) as wrong:
        there.confirm("shop", name, token + "x", "admin")
    assert wrong.value.code == "wrong_confirmation"
    assert there.confirm("shop", name, token, "anna").confirmed_by == "anna"
    assert here.confirm("shop", name, token, "bert").confirmed_by == "anna"
    wait_for(lambda: here.first("confirmed") is not None, 20, "the confirmed job to be seen")
    here.change(name, state="removing_files", erased=Erased(events=2), queue_ends={"http-0": 7})
    found = there.named(name)
    assert found is not None and (found.erased, found.queue_ends) == (Erased(events=2), {"http-0": 7})
    assert here.first("confirmed") is None and here.first("removing_files") is not None
    here.change(name, state="done")
    here.change("era_0000000000000000", state="done")
    assert here.first("removing_files") is None
    for jobs in (here, there):
        jobs.close()


def test_an_erasure_is_its_apps_alone(it: Shared) -> None:
    it.prepare()
    jobs = Erasures(it.open(), SystemClock(), refresh_s=1)
    name, _ = ask(jobs)
    for app in ("Shop", "shop ", "other"):
        assert jobs.jobs(app) == []
        with pytest.raises(InputError) as unknown:
            jobs.job(app, name)
        assert (unknown.value.status, unknown.value.code) == (404, "not_found")
    for odd in ("", "x'; DROP TABLE erasures; --", "era_\0", name.upper()):
        assert jobs.named(odd) is None


def test_only_so_many_wait_and_those_are_forgotten(it: Shared) -> None:
    it.prepare()
    clock = ManualClock()
    databases = [it.open() for _ in range(2)]
    jobs = [Erasures(database, clock, refresh_s=1) for database in databases]
    names = [ask(jobs[number % 2])[0] for number in range(WAITING_MAX)]
    with pytest.raises(QuotaExceeded):
        ask(jobs[0])
    ask(jobs[0], app="other")
    assert [job.job for job in jobs[0].jobs("shop")] == names[::-1]
    clock.advance(CONFIRM_S + 1)
    assert jobs[0].jobs("shop") == []
    again, _ = ask(jobs[1])
    assert [job.job for job in jobs[0].jobs("shop")] == [again]


def test_receipts_are_bounded(it: Shared, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasures_module, "JOBS_MAX", 2)
    it.prepare()
    jobs = Erasures(it.open(), SystemClock(), refresh_s=1)
    names = [ask(jobs)[0] for _ in range(4)]
    for name in names[:3]:
        jobs.change(name, state="done")
    assert [job.job for job in jobs.jobs("shop")] == [names[3], names[2], names[1]]
