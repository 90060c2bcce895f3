"""Whatever stands in a file: parsers give a record or nothing, and nothing of the text is lost on the way."""

from itertools import pairwise

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from logkeep.cli.outgoing import EventMaker, Ids, Overrides
from logkeep.cli.source import Splitter
from logkeep.decode.lines import FORMATS, Calendar, guess_format

CALENDAR = Calendar(not_after_ns=1_795_000_000 * 10**9)
SEEDS = (
    "081109 203615 148 INFO dfs.DataNode: a",
    "2015-10-18 18:01:47,978 INFO [main] a.B: c",
    "Jun 14 15:16:01 combo sshd(pam_unix)[19939]: x",
    '<165>1 2003-10-11T22:14:15.003Z h a 1 I [e k="v"] m',
    "03-17 16:13:38.811  1702  2395 D Tag: m",
    '1.1.1.1 - u [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.1" 200 1 "r" "a"',
    "[Sun Dec 04 04:47:44 2005] [error] a",
    "2017-05-16 00:00:00.008 257 INFO n.a [req-1 u p - - -] m",
    'time=2024-01-01T10:00:00Z level=info msg="a b" n=1',
    '{"level":"info","msg":"x","a":{"b":[1]}}',
)


@st.composite
def nearly_lines(draw: st.DrawFn) -> str:
    """A real line with a piece of it replaced by anything."""
    seed = draw(st.sampled_from(SEEDS))
    start = draw(st.integers(0, len(seed)))
    end = draw(st.integers(start, len(seed)))
    return seed[:start] + draw(st.text(max_size=20)) + seed[end:]


LINES = st.one_of(nearly_lines(), st.text(max_size=80), st.sampled_from(SEEDS))


@given(text=LINES, name=st.sampled_from(list(FORMATS)))
def test_any_line_is_a_record_or_none_and_can_be_sent(text: str, name: str) -> None:
    line = FORMATS[name].parser(CALENDAR)(text)
    if line is None:
        return
    assert all(isinstance(value, str | int | float) for value in line.attributes.values())
    encoded = msgspec.json.encode([line.value, line.time_ns, line.attributes, line.session, line.user])
    assert msgspec.json.decode(encoded)[0] == msgspec.json.decode(msgspec.json.encode(line.value))


@given(texts=st.lists(LINES, max_size=12))
def test_guessing_always_names_a_format(texts: list[str]) -> None:
    assert guess_format(texts, CALENDAR) in {*FORMATS, "ndjson"}


@given(content=st.binary(max_size=300), cuts=st.lists(st.integers(0, 300), max_size=6))
def test_lines_are_the_same_however_the_bytes_arrive(content: bytes, cuts: list[int]) -> None:
    whole = Splitter()
    expected = whole.split(content) + whole.rest()
    pieces = Splitter()
    edges = sorted({0, len(content), *(cut for cut in cuts if cut < len(content))})
    found = [line for a, b in pairwise(edges) for line in pieces.split(content[a:b])]
    assert found + pieces.rest() == expected
    ends = [*(line.offset for line in expected), len(content) + (not content.endswith(b"\n"))][1:]
    spans = [content[line.offset : end - 1] for line, end in zip(expected, ends, strict=False)]
    assert [line.text for line in expected[1:]] == [span.rstrip(b"\r").decode("utf-8", "replace") for span in spans[1:]]


@given(
    texts=st.lists(LINES.map(lambda text: text.replace("\n", " ")), min_size=1, max_size=10),
    name=st.sampled_from(list(FORMATS)),
)
def test_every_line_is_in_an_event_or_bad(texts: list[str], name: str) -> None:
    splitter = Splitter()
    content = "\n".join(texts).encode("utf-8", "replace")
    joiner = FORMATS[name].joiner(CALENDAR)
    lines = splitter.split(content) + splitter.rest()
    records = joiner.feed(lines) + joiner.flush()
    bad = {line.number for line in joiner.bad_lines()}
    maker = EventMaker(Overrides(), "a.log", "log", Ids("a.log", ""), None)
    events = [msgspec.json.decode(event) for record in records for event in maker.events(record)]
    assert len({event["id"] for event in events}) == len(events)
    assert all(event["session"] and event["key"] and "value" in event for event in events)
    kept = "\n".join(f"{record.start.text}\n{record.line.value}" for record in records)
    lost = [
        line.text for line in lines if line.number not in bad and line.text.strip() and line.text.rstrip() not in kept
    ]
    assert [text for text in lost if not text.startswith("---------")] == []
