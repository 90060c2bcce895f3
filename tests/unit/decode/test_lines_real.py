"""The eight real files of the Loghub collection, where they lie beside the clone."""

from pathlib import Path

import pytest

from logkeep.decode.lines import FORMATS, Calendar, TextLine, guess_format

LOGHUB = Path(__file__).parents[4] / "shared" / "data" / "loghub"
FORMAT_OF = {
    "HDFS": "log4j", "Hadoop": "log4j", "Spark": "log4j", "OpenStack": "openstack", "Linux": "syslog",
    "OpenSSH": "syslog", "Apache": "apache-error", "Android": "logcat",
}  # fmt: skip
CALENDAR = Calendar(not_after_ns=1_795_000_000 * 10**9)


@pytest.fixture(params=FORMAT_OF)
def real_file(request: pytest.FixtureRequest) -> tuple[str, list[str]]:
    path = LOGHUB / f"{request.param}.log"
    if not path.exists():
        pytest.skip("the Loghub files are not beside this clone")
    return FORMAT_OF[request.param], path.read_text(errors="replace").splitlines()


def test_every_line_of_a_real_file_is_a_record_with_a_time(real_file: tuple[str, list[str]]) -> None:
    name, texts = real_file
    joiner = FORMATS[name].joiner(CALENDAR)
    records = joiner.feed([TextLine(number + 1, 0, text) for number, text in enumerate(texts)]) + joiner.flush()
    assert len(records) == len(texts) == 2000
    assert joiner.bad_lines() == []
    assert all(record.line.time_ns is not None for record in records)
    assert all(record.line.value in record.start.text for record in records)
    assert all(record.line.level for record in records) or name == "syslog"


def test_the_format_of_a_real_file_is_guessed(real_file: tuple[str, list[str]]) -> None:
    name, texts = real_file
    assert guess_format(texts, CALENDAR) == name
