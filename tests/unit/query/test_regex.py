import random
import re

import pytest

from logkeep.errors import InputError
from logkeep.query.automaton import Automaton
from logkeep.query.regex import PATTERN_CHARS_MAX, PatternError, escape, read_pattern

ACCEPTED: list[tuple[str, list[str], list[str]]] = [
    ("abc", ["abc", "xabcx"], ["ab", "ABC", ""]),
    ("^ab$", ["ab"], ["xab", "abx", "ab\n", "x\nab"]),
    ("a.c", ["abc", "aéc", "a\rc", "a😀c"], ["a\nc", "ac"]),
    ("[a-cx]y", ["ay", "cy", "xy"], ["dy", "y"]),
    ("[^a-c]y", ["dy", "\ny"], ["ay", "y"]),
    (r"^[\d\-x]+$", ["1-x"], ["a", ""]),
    ("^[-a]$", ["-", "a"], ["b"]),
    ("^[a-]$", ["-", "a"], ["b"]),
    (r"^[^\D5]$", ["4"], ["5", "a"]),
    (r"^\d\w\s$", ["1a ", "9_\t"], ["1é ", "٣a ", "1a\x0b", "1a\u00a0"]),
    (r"^\D\W\S$", ["aéx"], ["1éx", "aax"]),
    (r"\n\r\t\.\\\/", ["\n\r\t.\\/"], ["nrt.\\/"]),
    ("^ab*c+d?$", ["ac", "abbccd"], ["ab", "abd", "acdd"]),
    ("^a{2}b{1,}c{0,2}$", ["aab", "aabbcc"], ["ab", "aa", "aabccc"]),
    ("^a*?b+?c??$", ["b", "aabbc"], ["a"]),
    ("^(a|b|)(?:c|d)$", ["ac", "d"], ["a", "abc"]),
    (r"\bcat\b", ["cat", "a cat.", "écat"], ["cats", "_cat"]),
    ("a^b|a$b", [], ["ab", "a^b"]),
    ("(^)*a", ["a", "ba"], ["b"]),
    ("(a*)*b", ["b", "aab"], ["aa"]),
]


@pytest.mark.parametrize(("pattern", "found", "missed"), ACCEPTED, ids=[pattern for pattern, _, _ in ACCEPTED])
def test_a_pattern_finds_what_re2_finds(pattern: str, found: list[str], missed: list[str]) -> None:
    automaton = Automaton(pattern)
    assert (
        [text for text in found if not automaton.search(text)],
        [text for text in missed if automaton.search(text)],
    ) == ([], [])


REFUSED: list[tuple[str, int, str]] = [
    ("", 0, "an empty regex"),
    ("a(b", 1, "`(` is not closed"),
    ("ab)", 2, "`)` closes nothing"),
    ("a[b", 1, "`[` is not closed"),
    ("[]", 1, "write \\] for `]`"),
    ("[[:alpha:]]", 1, "write \\[ for `[`"),
    ("[z-a]", 1, "not in order"),
    (r"[\d-z]", 1, "no range of characters"),
    ("[a-c-e]", 4, "write \\- for `-`"),
    ("*a", 0, "nothing to repeat"),
    ("a|+", 2, "nothing to repeat"),
    ("{2}", 0, "nothing to repeat"),
    ("^*", 0, "repeats a place"),
    ("a**", 2, "one repetition after another"),
    ("a*+", 2, "one repetition after another"),
    ("a{2}{3}", 4, "one repetition after another"),
    ("a{,2}", 1, "starts no repetition"),
    ("a{x", 1, "starts no repetition"),
    ("a{3,2}", 1, "not in order or over 1,000"),
    ("a{1001}", 1, "not in order or over 1,000"),
    ("(a{50}){50}", 0, "repetition over 1,000"),
    ("(ab?c){900}", 0, "regex repeats too much"),
    ("(?i)a", 0, "flags such as (?i) are not supported"),
    ("(?=a)", 0, "lookaround is not supported"),
    ("(?<!a)b", 0, "lookaround is not supported"),
    ("(?P<n>a)", 0, "named groups are not supported"),
    (r"(a)\1", 3, "back-references such as \\1 are not supported"),
    (r"\Aa", 0, "\\A is not supported; write ^ or $"),
    (r"a\B", 1, "\\B is not supported"),
    (r"\p{L}", 0, "\\p is not supported"),
    ("a\\", 1, "`\\` stands alone at the end"),
    ("(" * 33 + ")" * 33, 32, "nested over 32 deep"),
    ("a" * (PATTERN_CHARS_MAX + 1), PATTERN_CHARS_MAX, "exceeds 256"),
]


@pytest.mark.parametrize(("pattern", "offset", "message"), REFUSED, ids=[pattern[:12] for pattern, _, _ in REFUSED])
def test_what_is_outside_the_subset_is_refused_where_it_stands(pattern: str, offset: int, message: str) -> None:
    with pytest.raises(PatternError) as refused:
        read_pattern(pattern)
    assert refused.value.offset == offset
    assert message in refused.value.message


def test_an_escaped_text_finds_itself_only() -> None:
    text = "a.b*c[d](e){f}|^$\\/-\n\t+?é"
    assert Automaton("^" + escape(text) + "$").search(text)
    assert not Automaton(escape("a.b")).search("axb")


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*c", "(a?){500}a{500}$", "(a*)*(a*)*(a*)*c"])
def test_a_pattern_that_makes_backtracking_explode_is_answered(pattern: str) -> None:
    assert Automaton(pattern).search("a" * 400 + "b") is False


def test_a_pattern_that_is_too_costly_on_a_text_is_refused() -> None:
    text = "".join(random.Random(5).choices("ab", k=20_000))
    automaton = Automaton("a(a|b){300}c")
    with pytest.raises(InputError, match="make it simpler") as refused:
        automaton.search(text)
    assert refused.value.code == "query_too_expensive"
    assert automaton.search("a" * 301 + "c")


def test_states_made_afresh_find_the_same() -> None:
    automaton = Automaton("a(a|b){80}c")
    random_ = random.Random(7)
    texts = ["".join(random_.choices("abc", weights=(10, 10, 1), k=400)) for _ in range(20)]
    reference = re.compile("a(a|b){80}c")
    assert [automaton.search(text) for text in texts] == [reference.search(text) is not None for text in texts]
