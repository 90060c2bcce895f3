from pathlib import Path

import chdb
import pytest

from logkeep.query.text import fold, tokens


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", []),
        (" -_.:/\t\n\x00\x7f", []),
        ("Timed OUT, timed out", ["timed", "out", "timed", "out"]),
        ("snake_case kebab-case 10.0.0.1", ["snake", "case", "kebab", "case", "10", "0", "0", "1"]),
        ("nul\x00separates", ["nul", "separates"]),
        ("Ärger ΑΣ ας ΑΣΑ", ["ärger", "ασ", "ασ", "ασα"]),
        ("日本語—text", ["日本語—text"]),  # from U+0080 on everything belongs to a word, dashes and spaces too
        ("İx", ["i\u0307x"]),
        ("\u212aelvin", ["kelvin"]),
        ("ẞ ß ﬁ Ǆ 𐐀 Ꭰ", ["ß", "ß", "ﬁ", "ǆ", "𐐨", "ꭰ"]),
    ],
)
def test_text_is_cut_into_folded_tokens(text: str, found: list[str]) -> None:
    assert tokens(text) == found


def test_ascii_is_cut_as_everything_else_is() -> None:
    """It has a faster way of its own: every pair of characters goes both ways, the letter from beyond ends the text."""
    for text in (f"{chr(one)}{chr(two)}" for one in range(0x80) for two in range(0x80)):
        assert [*tokens(text), "é"] == tokens(f"{text} é")


def test_folding_agrees_with_the_engine_for_every_character(tmp_path: Path) -> None:
    characters = [
        chr(code) for code in range(1, 0x110000) if not 0xD800 <= code <= 0xDFFF and chr(code) not in "\t\n\r\\"
    ]
    file = tmp_path / "characters.tsv"
    file.write_text("\n".join(characters), encoding="utf-8", newline="")
    changed = chdb.query(
        "SELECT hex(c), hex(replaceAll(lowerUTF8(c), 'ς', 'σ') AS folded)"  # noqa: S608
        f" FROM file('{file}', 'TSV', 'c String') WHERE folded != c",
        "TSV",
    )
    rows = [line.split("\t") for line in changed.bytes().decode().splitlines()]
    engine = {bytes.fromhex(one).decode(): bytes.fromhex(other).decode() for one, other in rows}
    assert {char: fold(char) for char in characters if fold(char) != char} == engine
