"""Hostile text as HTML: escaped, nothing invisible, colours kept."""

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logkeep.api.text import marked_up, plain

ALLOWED_TAG = re.compile(r'</?span(?: class="(?:ctl|bold|a\d\d|a\d\d bold)")?>')


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"),
        ("\" onload='x' &amp;", "&#34; onload=&#39;x&#39; &amp;amp;"),
        ("a\x00b", 'a<span class="ctl">NUL</span>b'),
        ("\x1b[31mred\x1b[0m", '<span class="a31">red</span>'),
        ("\x1b[1;31mred <b>\x1b[22mthin", '<span class="a31 bold">red &lt;b&gt;</span><span class="a31">thin</span>'),
        ("\x1b[38;5;196mx", "x"),
        ("\x1b]8;;http://evil\x07x", '<span class="ctl">ESC</span>]8;;http://evil<span class="ctl">BEL</span>x'),
        ("\u202egpj.exe", '<span class="ctl">U+202E</span>gpj.exe'),
        ("one\r\ntwo\tthree", "one\ntwo\tthree"),
        ("lone \ud800", 'lone <span class="ctl">U+D800</span>'),
        ("شكرا 👩‍🚀", "شكرا 👩‍🚀"),
    ],
)
def test_text_is_shown_as_it_is(text: str, shown: str) -> None:
    assert str(marked_up(text)) == shown


@given(st.text(st.characters(codec=None) | st.sampled_from("<>&\"'\x1b[]0;1m3\u202e"), max_size=200))
def test_no_text_makes_markup_of_its_own(text: str) -> None:
    bare = ALLOWED_TAG.sub("", str(marked_up(text)))
    assert not set(bare) & set("<>\"'")
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", bare)
    bare.encode()


@given(st.text(st.characters(exclude_categories=["Cc", "Cf", "Cs", "Zl", "Zp"])))
def test_ordinary_text_reads_back_unchanged(text: str) -> None:
    assert html.unescape(str(marked_up(text))) == text


def test_titles_are_one_line() -> None:
    assert plain("a\nb\x1b[31mc\x00\u202e") == "a ↵ bcNULU+202E"
