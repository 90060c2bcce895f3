"""Patterns hold for any text: shapes and pieces agree, a form gives its template back, messages fit their own."""

from hypothesis import given, settings
from hypothesis import strategies as st

from logkeep.event import Event
from logkeep.patterns.grouper import Grouper
from logkeep.patterns.shape import bounded, letters, pieces, shapes
from logkeep.patterns.template import Template, text_of

PLAIN = "user eve bob signed in <*> 5 -7.25 10.0.0.1 blk_-42 a1b2c3 0x1f v2 = [x] 'z' … ünï Jul 3MB ? &"
WORDS = st.sampled_from([*PLAIN.split(), "\ue000", "\n", "\x1e", ""])
TEXTS = st.text(max_size=60) | st.lists(WORDS, max_size=200).map(" ".join)


@given(st.lists(TEXTS, max_size=5))
def test_a_shape_is_what_is_left_of_the_pieces(texts: list[str]) -> None:
    for text, shape in zip(map(bounded, texts), shapes([bounded(text) for text in texts]), strict=True):
        found, between = pieces(text)
        assert len(between) == len(found) - 1
        assert shape.split(b" ") == [letters(piece) for piece in found]


@given(TEXTS)
def test_a_template_is_made_again_from_its_form(text: str) -> None:
    template = Template.of_text(bounded(text))
    again = Template.of_form(template.form)
    assert again.form == template.form
    assert [word is None for word in again.words] == [word is None for word in template.words]


@settings(max_examples=50)
@given(st.lists(TEXTS, min_size=1, max_size=60))
def test_every_message_has_a_pattern_that_is_kept_and_the_same_again(texts: list[str]) -> None:
    grouper, kept = Grouper(1_000), {}
    for _ in range(2):
        events = [Event("app", "s", "log", text, "text", None, 1, 1, f"e{n}") for n, text in enumerate(texts)]
        kept |= {pattern.id: pattern for pattern in grouper.group(events, 0)}
    known = Grouper(1_000, kept.values())
    again = [Event("app", "s", "log", text, "text", None, 1, 1, f"e{n}") for n, text in enumerate(texts)]
    known.group(again, 0)
    templates = {pattern.id: text_of(pattern.form) for pattern in kept.values()}
    assert [templates.get(event.pattern) for event in again] == [templates[event.pattern] for event in events]
