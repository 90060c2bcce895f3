"""What only the machine's own file system can show."""

import struct
from pathlib import Path

import pytest

from logkeep.disk import MARK_STEP_MAX, SystemDisk

COMPLEMENT = (1 << 64) - 1


@pytest.mark.parametrize(
    ("first", "second", "loaded"),
    [
        (700, 700, 700),
        (900, 700, 700),  # its store is under way, or its writer died there: the last complete one
        (700, 900, None),  # a store began and ended between the looks at the two words
        (MARK_STEP_MAX + 701, 700, None),  # damage
        (900, COMPLEMENT, None),  # the first store is under way
        (0, COMPLEMENT, None),  # none yet
    ],
)
def test_a_mark_tells_the_last_complete_store(tmp_path: Path, first: int, second: int, loaded: int | None) -> None:
    path = tmp_path / "mark"
    path.write_bytes(struct.pack("=QQ", first, second ^ COMPLEMENT))
    mark = SystemDisk().open_mark(path, write=False)
    assert mark.load() == loaded
    mark.close()


def test_what_is_stored_in_a_mark_is_loaded_by_others(tmp_path: Path) -> None:
    disk, path = SystemDisk(), tmp_path / "mark"
    writer = disk.open_mark(path, write=True)
    reader = disk.open_mark(path, write=False)
    assert reader.load() is None
    for value in (0, 1, 1 << 39, MARK_STEP_MAX):
        writer.store(value)
        assert (reader.load(), writer.load()) == (value, value)
    writer.close()
    reader.close()
