"""An event as a document of a search cluster: words as the language cuts them, terms of any length and key."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.events import made_event

from logkeep.event import Event, Scalar
from logkeep.query.text import tokens
from logkeep.store.opensearch_schema import (
    DERIVED,
    TERM_CHARS_MAX,
    WORD_CHARS_MAX,
    Document,
    Layout,
    Source,
    attribute_prefix,
    document,
    document_id,
    number_term,
    term,
    word,
)

# What Java's Character.isWhitespace says of: where the engine's analyser splits.
JAVA_SPACES = "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \u1680\u2028\u2029\u205f\u3000" + "".join(
    chr(code) for code in range(0x2000, 0x200B) if code != 0x2007
)
_texts = st.text(
    st.sampled_from("aB1é\u3000\u2028 .-_\t\nİς𐐀") | st.characters(exclude_categories=("Cs",)), max_size=400
)

_key_characters = st.sampled_from("ab=:\x1e\x1f01é")
_keys = st.text(_key_characters, max_size=5)


def made(**fields: Any) -> Document:
    return document(an_event(**fields))


def an_event(**fields: Any) -> Event:
    given: dict[str, Any] = {"value": "v", "attributes": {}} | fields
    return made_event(
        app="shop", session="s", key="K", kind="text", number=None, time_ns=1, received_ns=2, id="e", **given
    )


@given(_texts)
def test_words_are_the_tokens_of_the_language(value: str) -> None:
    cut_by_engine = "".join(" " if char in JAVA_SPACES else char for char in made(value=value).words).split(" ")
    assert [each for each in cut_by_engine if each] == [word(token) for token in tokens(value)]
    assert all(len(each.encode("utf-16-le")) // 2 <= 255 for each in cut_by_engine)


def test_tokens_of_any_length_differ_from_each_other() -> None:
    several = ["a" * count for count in (60, 99, 100, 101, 255, 256, 10_000)]
    assert len({word(token) for token in several}) == len(several)
    assert made(value="b" * 101).cut == ["words"]


@given(st.floats(allow_nan=False), st.floats(allow_nan=False))
def test_terms_of_numbers_are_in_the_order_of_numbers(one: float, other: float) -> None:
    assert (number_term(one) < number_term(other)) == (one < other)
    assert (number_term(one) == number_term(other)) == (one == other)


def test_attributes_are_terms_that_name_their_key() -> None:
    found = made(attributes={"os": "Linux", "n": 5, "ok": True, "1:x": "y", "x": 0.5})
    assert found.attributes == ["os\x1fLinux", "n\x1f5", "ok\x1ftrue", "1:x\x1fy", "x\x1f0.5"]
    assert found.attributes_folded == ["os\x1flinux"]
    assert found.attribute_numbers == [f"n\x1f{number_term(5.0)}", f"x\x1f{number_term(0.5)}"]


@given(_keys, _keys, st.text(_key_characters))
def test_no_term_of_an_attribute_begins_as_those_of_another(one: str, other: str, text: str) -> None:
    assert (attribute_prefix(one) + text).startswith(attribute_prefix(other)) == (one == other)


@given(_texts, st.dictionaries(_keys, _texts | st.integers(-(1 << 63) + 1, (1 << 63) - 1) | st.booleans() | st.none()))
def test_what_the_engine_keeps_is_the_event(value: str, attributes: dict[str, Scalar]) -> None:
    event = an_event(value=value, attributes=attributes, update=True, own_id=True, pattern="p", arrival=7)
    for each in (event, msgspec.structs.replace(event, value=value + "x" * TERM_CHARS_MAX)):
        kept = {name: value for name, value in msgspec.to_builtins(document(each)).items() if name not in DERIVED}
        assert msgspec.convert(kept, Source).event() == each
    assert {"words", "attributes", "time_ms", "level_rank", "hidden"} <= set(DERIVED)


_lengths = st.lists(st.integers(90, 110))


@given(st.text(st.sampled_from("ab  "), max_size=400) | _lengths.map(lambda each: " ".join("x" * n for n in each)))
def test_a_long_word_is_seen_wherever_it_stands(value: str) -> None:
    assert (made(value=value).cut == ["words"]) == any(len(each) > WORD_CHARS_MAX for each in value.split())


def test_no_term_is_longer_than_the_engine_takes() -> None:
    long = "𝄞" * 300_000
    found = made(value=long, attributes={"a" * 256: long})
    assert sorted(found.cut) == ["attributes", "value", "words"]
    for text in (found.value, *found.attributes, *found.words.split()):
        assert len(text.encode()) <= 32_766
    assert term("x" * TERM_CHARS_MAX) == "x" * TERM_CHARS_MAX
    assert term("x" * 9000) != term("x" * 9001)


def test_names_fold_only_where_folding_changes_them() -> None:
    assert (made(component="web").component_folded, made(component="Web").component_folded) == ("", "web")
    assert made().key_folded == "k"


@pytest.mark.parametrize(("one", "other"), [(("ab", "c"), ("a", "bc")), (("1:a", "b"), ("1", ":ab"))])
def test_ids_of_documents_do_not_meet(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert document_id(*one) != document_id(*other)
    assert len(document_id("𝄞" * 128, "𝄞" * 128).encode()) <= 512


def test_a_day_has_an_index_and_an_index_a_day() -> None:
    layout = Layout("p-1")
    assert layout.events_of("2025-10-10") == "p-1-events-2025.10.10"
    assert layout.day_of("p-1-events-2025.10.10") == "2025-10-10"
