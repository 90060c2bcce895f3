"""Records out of lines: what belongs together, what is bad, what is too long."""

from logkeep.decode.lines import FORMATS, RECORD_CHARS_MAX, BadLine, Calendar, Joiner, Record, TextLine


def joiner(name: str) -> Joiner:
    return FORMATS[name].joiner(Calendar(not_after_ns=0))


def lines(*texts: str) -> list[TextLine]:
    return [TextLine(place + 1, place * 100, text) for place, text in enumerate(texts)]


def shown(records: list[Record]) -> list[tuple[int, str]]:
    return [(record.start.number, record.line.value) for record in records]


TRACE = (
    "2024-01-01 12:00:00,000 ERROR a.B: failed",
    "java.io.IOException: no",
    "\tat a.B.c(B.java:1)",
    "",
    "Caused by: x",
    "2024-01-01 12:00:01,000 INFO a.B: next",
)


def test_a_stack_trace_is_one_record() -> None:
    found = joiner("log4j")
    done = found.feed(lines(*TRACE))
    assert shown(done) == [(1, "failed\njava.io.IOException: no\n\tat a.B.c(B.java:1)\n\nCaused by: x")]
    assert shown(found.flush()) == [(6, "next")]
    assert found.flush() == [] and found.bad_lines() == []


def test_it_does_not_matter_how_lines_are_handed_over() -> None:
    found = joiner("log4j")
    done = [record for line in lines(*TRACE) for record in found.feed([line])]
    whole = joiner("log4j")
    assert shown(done + found.flush()) == shown(whole.feed(lines(*TRACE)) + whole.flush())


def test_lines_before_the_first_record_are_bad() -> None:
    found = joiner("log4j")
    found.feed(lines("\tat the end of another file", "", TRACE[0]))
    assert found.bad_lines() == [BadLine(1, "\tat the end of another file")]
    assert found.bad_lines() == []


def test_a_line_format_without_continuation_reports_what_it_cannot_read() -> None:
    found = joiner("jsonlines")
    done = found.feed(lines('{"msg":"a"}', "garbage", "", '{"msg":"b"}')) + found.flush()
    assert shown(done) == [(1, "a"), (4, "b")]
    assert found.bad_lines() == [BadLine(2, "garbage")]


def test_the_separators_of_logcat_are_neither_records_nor_bad() -> None:
    found = joiner("logcat")
    assert shown(found.feed(lines("--------- beginning of main", "I/A( 1): b")) + found.flush()) == [(2, "b")]
    assert found.bad_lines() == []


def test_indented_lines_belong_to_the_plain_line_before() -> None:
    found = joiner("plain")
    assert shown(found.feed(lines("a", "  b", "c")) + found.flush()) == [(1, "a\n  b"), (3, "c")]


def test_a_record_without_end_goes_on_as_another_one() -> None:
    found = joiner("log4j")
    piece = "x" * (RECORD_CHARS_MAX // 4)
    done = found.feed(lines(TRACE[0], *[piece] * 9)) + found.flush()
    assert [len(record.line.value) <= RECORD_CHARS_MAX for record in done] == [True] * 3
    assert sum(record.line.value.count("x") for record in done) == 9 * len(piece)
    assert [record.line.attributes.get("continued", False) for record in done] == [False, True, True]
    assert {(record.line.time_ns, record.line.level, record.line.component) for record in done} == {
        (done[0].line.time_ns, "error", "a.B")
    }


def test_the_rest_of_a_line_too_long_to_hold_is_never_a_record_of_its_own() -> None:
    found = joiner("plain")
    done = found.feed([TextLine(1, 0, "a"), TextLine(1, 1, "b", cut=True), TextLine(2, 2, "c")])
    assert shown(done + found.flush()) == [(1, "a\nb"), (2, "c")]
