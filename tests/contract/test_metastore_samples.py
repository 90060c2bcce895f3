"""Samples of what was refused, on SQLite and on real MariaDB and PostgreSQL servers."""

import os
from pathlib import Path

import msgspec
import pytest
from tests.contract.metastores import Shared, sample, shared

from logkeep.clock import ManualClock, SystemClock
from logkeep.metastore import samples as samples_module
from logkeep.metastore.samples import DeadLetter, Samples


def test_samples_are_kept_by_app_newest_first(it: Shared) -> None:
    it.prepare()
    samples, others = Samples(it.open(), SystemClock()), Samples(it.open(), SystemClock())
    for app in ("shop", "Shop", "shop ", ""):
        assert samples.keep_rejected(app, [sample(f"{app}1"), sample(f"{app}2 ☃ \U0001f600 \\ ' \0 %s :x")]) == 2
    for app in ("shop", "Shop", "shop ", ""):
        found = [msgspec.json.decode(line)["text"] for line in others.rejected(app).newest(10)]
        assert found == [f"{app}2 ☃ \U0001f600 \\ ' \0 %s :x", f"{app}1"]
    assert len(samples.rejected("shop").newest(1)) == 1 and samples.rejected("x").newest(9) == []
    letter = DeadLetter("", "shop", "http-0", 7, "refused", b"\x00\xff")
    samples.dead_letters.append([letter])
    assert msgspec.json.decode(others.dead_letters.newest(1)[0], type=DeadLetter).offset == 7


def test_the_oldest_samples_make_room(it: Shared, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples_module, "SAMPLES_BYTES_MAX", 2000)
    it.prepare()
    samples = Samples(it.open(), SystemClock())
    size = len(msgspec.json.encode(sample("x" * 100)))
    for number in range(30):
        samples.rejected("shop").append([sample(f"{number:02}" + "x" * 98)])
        samples.rejected("other").append([sample("y")])
    found = [msgspec.json.decode(line)["text"][:2] for line in samples.rejected("shop").newest(100)]
    assert 2000 // size <= len(found) <= 2000 * 9 // 8 // size + 1
    assert found == [f"{number:02}" for number in range(29, 29 - len(found), -1)]
    samples.rejected("shop").append([sample("z" * 5000)])
    assert len(samples.rejected("shop").newest(100)) == 1


def test_unwanted_samples_are_counted_and_removed(it: Shared, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(samples_module, "PAGE_LINES", 3)
    it.prepare()
    ring = Samples(it.open(), SystemClock()).rejected("shop")
    ring.append([sample(f"user {number % 4}") for number in range(20)])
    assert ring.remove(lambda line: b"user 3" in line, dry=True) == 5 and len(ring.newest(100)) == 20
    assert ring.remove(lambda line: b"user 3" in line) == 5 and len(ring.newest(100)) == 15
    assert ring.remove(lambda line: b"user 3" in line) == 0


def test_what_is_removed_is_in_no_file_any_more(tmp_path: Path) -> None:
    with shared("sqlite", tmp_path, None) as it:  # type: ignore[arg-type]
        it.prepare()
        ring = Samples(it.open(), SystemClock()).rejected("shop")
        ring.append([sample(f"anna-{number}" + "x" * 1000) for number in range(200)] + [sample("bert")])
        files = [path for path in tmp_path.rglob("metastore.db*") if path.is_file()]
        assert any(b"anna-" in path.read_bytes() for path in files)
        assert ring.remove(lambda line: b"anna" in line) == 200
        assert [path for path in files if path.exists() and b"anna-" in path.read_bytes()] == []
        assert [oct(path.stat().st_mode & 0o077) for path in tmp_path.glob("metastore.db*")].count("0o0") >= 1
        assert all(path.stat().st_mode & 0o077 == 0 for path in tmp_path.glob("metastore.db*"))


def test_without_an_answer_samples_are_dropped_and_counted_and_not_tried_all_the_time(empty: Shared) -> None:
    clock = ManualClock()
    samples = Samples(empty.open(), clock)  # without tables
    if empty.kind == "sqlite":
        os.mkdir(empty.folder / "metastore.db")  # and without a file
    assert samples.keep_rejected("shop", [sample("a"), sample("b")]) == 0
    assert clock.monotonic_ns() < samples._paused_until_ns
    if empty.kind == "sqlite":
        os.rmdir(empty.folder / "metastore.db")
    empty.prepare()
    assert samples.keep_rejected("shop", [sample("a")]) == 0
    clock.advance(samples_module.PAUSE_S + 1)
    assert samples.keep_rejected("shop", [sample("c")]) == 1
    assert len(samples.rejected("shop").newest(10)) == 1
