"""Events as rows: values short at first sight, whole on a click, with spans between them."""

import msgspec
import pytest

from logkeep.api import rows
from logkeep.api.rows import StoredEvent, Value, colours_of, format_span, make_rows, make_value

NS_PER_S = 1_000_000_000


def stored(seconds: float, value: object = "x", **fields: object) -> StoredEvent:
    time = f"2026-08-01T10:{int(seconds) // 60:02}:{seconds % 60:09.6f}Z"
    raw = msgspec.Raw(msgspec.json.encode(value))
    given = {"id": f"i{seconds}", "session": "s", "key": "k", "time": time} | fields
    return msgspec.convert(given | {"value": raw}, StoredEvent)


@pytest.mark.parametrize(
    ("span_ns", "text"),
    [
        (0, "0 ms"),
        (12_900_000, "12 ms"),
        (1_204_000_000, "1.204 s"),
        (187 * NS_PER_S, "3 m 07 s"),
        (7500 * NS_PER_S, "2 h 05 m"),
        (4 * 86_400 * NS_PER_S + 3 * 3600 * NS_PER_S, "4 d 03 h"),
        (-5_000_000, "-5 ms"),
    ],
)
def test_a_span_is_told_in_two_units_at_most(span_ns: int, text: str) -> None:
    assert format_span(span_ns) == text


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b'"<b>"', ("&lt;b&gt;", "text", None)),
        (b"17.50", ("17.50", "literal", None)),
        (b"null", ("null", "literal", None)),
        (b'{"a":"<"}', ("{&#34;a&#34;:&#34;&lt;&#34;}", "json", None)),
    ],
)
def test_a_short_value_is_seen_whole(raw: bytes, value: tuple[str, str, str | None]) -> None:
    made = make_value(raw, 1000)
    assert (str(made.short), made.kind, made.full) == value


def test_a_long_text_folds_to_its_first_line_and_says_how_long_it_is() -> None:
    text = "first <line>\n" + "second\n" * 300
    made = make_value(msgspec.json.encode(text), 1000)
    assert (str(made.short), made.note, made.rest) == ("first &lt;line&gt;", "2,113 characters, 302 lines", True)
    assert str(made.full) == text[:1000].replace("<", "&lt;").replace(">", "&gt;")


def test_a_long_structure_unfolds_pretty() -> None:
    made = make_value(msgspec.json.encode({"list": list(range(60))}), 10_000)
    assert str(made.full).startswith("{\n  &#34;list&#34;: [\n    0,\n    1,")
    assert made.rest is False


def test_rows_tell_the_time_between_neighbours_and_mark_silence() -> None:
    made = make_rows([stored(0), stored(0.012), stored(60.012), stored(187.5)], deltas=True)
    assert [(row.date, row.clock, row.delta, row.gap) for row in made] == [
        ("2026-08-01", "10:00:00.000", "", ""),
        ("", "10:00:00.012", "+12 ms", ""),
        ("", "10:01:00.012", "+1 m 00 s", ""),
        ("", "10:03:07.500", "+2 m 07 s", "2 m 07 s"),
    ]


def test_a_page_of_huge_values_stays_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "PAGE_CHARS_MAX", 10_000)
    made = make_rows([stored(second, "y" * 5_000) for second in range(50)], deltas=False)
    shown = sum(len(row.value.full or "") for row in made)
    assert shown <= 10_000
    assert [row.value.rest for row in made[:1] + made[-1:]] == [False, True]
    assert isinstance(made[-1].value, Value) and len(made[-1].value.short) == 180


def test_components_seen_together_have_different_colours() -> None:
    names = [f"component-{index}" for index in range(rows.COLOURS)]
    assert sorted(colours_of(names).values()) == list(range(rows.COLOURS))
    assert len(colours_of([*names, "one more"])) == rows.COLOURS + 1


def test_an_unknown_level_is_none() -> None:
    assert make_rows([stored(0, level='x" onclick="')], deltas=False)[0].level == ""
