"""Which session an event gets, and what is overridden."""

import msgspec
import pytest

from logkeep.cli.outgoing import EventMaker, Ids, NativeEvents, Overrides, Sessions, Shift
from logkeep.decode.lines import LogLine, Record, TextLine

START = TextLine(7, 700, "Jun 14 blk_5 child 3")
LINE = LogLine("child 3", 1_700_000_000_000_000_000, "info", "sshd", {"pid": 12, "empty": ""}, user="ada")


def session(line: LogLine = LINE, **overrides: str) -> str:
    return Sessions(Overrides(**overrides), "auth.log").of(START, line)


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        ({}, "auth.log"),
        ({"session": "fixed"}, "fixed"),
        ({"session": "{component}-{pid} of {user}"}, "sshd-12 of ada"),
        ({"session": "{file} {minute}"}, "auth.log 2023-11-14T22:13"),
        ({"session": "{nothing}"}, "auth.log"),
        ({"session": "x-{empty}", "session_default": "{component}"}, "sshd"),
        ({"session_regex": r"blk_(\d)"}, "5"),
        ({"session_regex": r"blk_\d"}, "blk_5"),
        ({"session_regex": r"child (\d)", "session": "child-{match}"}, "child-3"),
        ({"session_regex": "nowhere", "session": "child-{match}"}, "auth.log"),
        ({"session_regex": "nowhere", "session_default": "{file}:{line}"}, "auth.log:7"),
    ],
)
def test_a_session_is_found(overrides: dict[str, str], expected: str) -> None:
    assert session(**overrides) == expected


def test_the_session_of_the_line_itself_is_kept() -> None:
    assert session(LogLine("x", session="own")) == "own"
    assert session(LogLine("x", session="own"), session="given") == "given"


def test_a_run_of_lines_without_a_session_is_one_session() -> None:
    sessions = Sessions(Overrides(session="{pid}", session_default="{file}:{run}"), "a.log")
    with_pid, without = LogLine("x", attributes={"pid": 1}), LogLine("x")
    lines = [with_pid, without, without, with_pid, without]
    found = [sessions.of(TextLine(number + 1, 0, ""), line) for number, line in enumerate(lines)]
    assert found == ["1", "a.log:2", "a.log:2", "1", "a.log:5"]


def test_component_and_key_can_be_overridden_and_have_defaults() -> None:
    def made(overrides: Overrides, line: LogLine) -> tuple[str, str]:
        [event] = EventMaker(overrides, "auth.log.1", "log", None, None).events(Record(START, line))
        found = msgspec.json.decode(event)
        return found["component"], found["key"]

    assert made(Overrides(), LINE) == ("sshd", "log")
    assert made(Overrides(), LogLine("x", key="own")) == ("auth", "own")
    assert made(Overrides(component="c", key="k"), LogLine("x", component="d", key="own")) == ("c", "k")


def test_ids_tell_files_places_and_lines_apart_and_nothing_else() -> None:
    def made(path: str = "a.log", generation: str = "", offset: int = 0, text: str = "x", number: int = 1) -> str:
        return Ids(path, generation).of(TextLine(number, offset, text))

    assert made() == made(number=9)
    assert len({made(), made(path="b.log"), made(generation="1"), made(offset=1), made(text="y")}) == 5


def test_ids_are_in_order_of_the_lines() -> None:
    ids = Ids("a.log", "")
    made = [ids.of(TextLine(n, n * 1000, f"line {n * 7919 % 1000}")) for n in range(1000)]
    assert made == sorted(made) and {len(one) for one in made} == {36}


def test_times_are_moved_and_squeezed_without_changing_their_order() -> None:
    assert [Shift(100, 1000)(t) for t in (0, 40, 100)] == [900, 940, 1000]
    squeezed = Shift.of(0, 20 * 86_400 * 10**9, 10**18, 10.0)
    assert squeezed == Shift(20 * 86_400 * 10**9, 10**18, 0.5)
    assert [squeezed(0), squeezed(20 * 86_400 * 10**9)] == [10**18 - 10 * 86_400 * 10**9, 10**18]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"time":5,"a":1}', {"time": 1010 * 10**9, "a": 1, "session": "s"}),
        ('{"timestamp":"1970-01-01T00:00:05Z","session":"own"}', {"time": 1010 * 10**9, "session": "own"}),
        ('{"time":"never"}', {"time": "never", "session": "s"}),
    ],
)
def test_own_events_are_shifted_and_filled_in(text: str, expected: dict[str, object]) -> None:
    events = NativeEvents(Overrides(session="s"), "a", None, Shift(0, 1005 * 10**9))
    event = events.event(TextLine(1, 0, text))
    assert event is not None and msgspec.json.decode(event) == expected


@pytest.mark.parametrize("text", ["", "[]", "1", "{", '{"a":"\\ud800"}', "[" * 5000])
def test_what_is_no_object_is_no_event(text: str) -> None:
    for events in (NativeEvents(Overrides(), "a", None, None), NativeEvents(Overrides(key="k"), "a", None, None)):
        assert events.event(TextLine(1, 0, text)) is None
