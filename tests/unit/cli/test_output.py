"""What is found on the screen and in files: nothing in an event steers a terminal or a spreadsheet."""

import io
import json

import pytest

from logkeep.cli.output import writer

EVENTS = [
    {
        "id": "1", "session": "s\x1b]0;owned\x07", "key": "=cmd()", "value": "\x1b[31mred\u202e\n", "level": "error",
        "time": "2026-01-01T00:00:00.000Z", "received": "2026-01-01T00:00:00.001Z", "component": "a\tb",
        "attributes": {"x": 1},
    },
    {"id": "2", "session": "@s", "key": "k", "value": -5, "time": "t", "received": "r", "level": None},
    {"id": "3", "session": "s", "key": "k", "value": "-5", "time": "t", "received": "r"},
]  # fmt: skip
PAGE = [json.dumps(event, ensure_ascii=False).encode() for event in EVENTS]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def written(format: str, out: io.StringIO, pages: list[list[bytes]]) -> str:
    with writer(format, out) as write:  # type: ignore[arg-type]
        for page in pages:
            write(page)
    return out.getvalue()


def test_a_table_has_a_line_for_each_event_with_controls_written_out() -> None:
    assert written("table", io.StringIO(), [PAGE[:1], PAGE[1:]]).splitlines() == [
        "TIME                     LEVEL  COMPONENT  SESSION            KEY     VALUE",
        r"2026-01-01T00:00:00.000  error  a\tb       s\x1b]0;owned\x07  =cmd()  \x1b[31mred\u202e\n",
        "t                                          @s                 k       -5",
        "t                                          s                  k       -5",
    ]


@pytest.mark.parametrize("format", ["table", "json", "ndjson"])
def test_a_terminal_gets_no_control_character_of_an_event(format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    raw = b'{"id":"1","session":"s","key":"k","value":"\xc2\x9b31m\xe2\x80\xae","time":"t"}'
    text = written(format, Terminal(), [[raw]])
    assert text.replace("\n", "").isprintable()
    if format != "table":
        assert json.loads(text) in ([json.loads(raw)], json.loads(raw))


def test_a_terminal_has_colours_unless_they_are_not_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert "\033[31m" in written("table", Terminal(), [PAGE])
    assert "\033" not in written("table", io.StringIO(), [PAGE])


def test_json_is_one_array_over_all_pages_and_ndjson_a_line_each() -> None:
    assert json.loads(written("json", io.StringIO(), [PAGE[:2], PAGE[2:]])) == EVENTS
    assert json.loads(written("json", io.StringIO(), [])) == []
    assert [json.loads(line) for line in written("ndjson", io.StringIO(), [PAGE]).splitlines()] == EVENTS


def test_csv_holds_no_formula_and_numbers_stay_numbers() -> None:
    rows = written("csv", io.StringIO(newline=""), [PAGE]).split("\r\n")
    assert rows[0] == "time,received,level,component,session,user,device,key,value,attributes,id"
    assert rows[1].endswith(',\'=cmd(),"\x1b[31mred\u202e\n","{""x"": 1}",1')
    assert rows[2:] == ["t,r,,,'@s,,,k,-5,,2", "t,r,,,s,,,k,'-5,,3", ""]
