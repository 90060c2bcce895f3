"""What the prefilter passes over has nothing to mask, however its sender writes JSON."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from logkeep.decode.native import decode_events
from logkeep.masking.fields import Fields
from logkeep.masking.masker import Masker
from logkeep.masking.prefilter import Prefilter
from logkeep.masking.rules import DEFAULT, Rules
from logkeep.processor.normalise import TimeLimits, normalise

RULES = Rules(("bearer", "email"), (*DEFAULT.fields, "k", "x.s", "a_b", "*s_k", "*z"))
MASKER, PREFILTER = Masker(RULES), Prefilter(RULES)

_PIECES = st.sampled_from(
    [
        "password", "Pwd", "passWord", "to\u212aen", "\u017fecret", "token", "x-token", "Bearer", "digest", "id_token",
        "\u017f", "K", "x.s", "=", ":", '"', "'", "\\", '\\"', " ", "\t", "\n", "\r", "\x00", "\x1b", "\u00e9",
        "\u4e2d", "-", ".", "_", "/", ",", "{", "}", "abcdef/+=~_.-123", "0123456789ab", "anna@example.org", "@", "a.b",
        "cookie", "authorization", ";", "[", "]", "a=b", "--", "=>", "%3D", "%70", "%22", "\u00a0", "(", ")", "Digest ",
        "://", "u:x@", "`", "\\x3d", "\\x70", "%253D", "|\n  ", "- ", "Key ", "db_", "db", "Password",
        "TOKEN", "apiKey", "set", "Cookie", "a", "b", "a-b", "s", "Z", "\x1b[1m",
    ]
)  # fmt: skip
_TEXTS = st.lists(_PIECES, min_size=1, max_size=6).map("".join)
_VALUES = st.recursive(
    _TEXTS | st.integers(-5, 5) | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_TEXTS, inner, max_size=2),
    max_leaves=4,
)
_EVENTS = st.fixed_dictionaries(
    {"session": st.just("s"), "key": _TEXTS, "value": _VALUES},
    optional={
        "attributes": st.dictionaries(_TEXTS, _TEXTS | st.integers(0, 3), max_size=2),
        "seq": st.integers(0, 3), "client": _TEXTS, "level": _TEXTS, "user": _TEXTS,
    },
)  # fmt: skip
_STYLES = st.sampled_from([(True, (",", ":")), (False, (",", ":")), (True, (", ", " : ")), (False, (" ,\t", "\t: "))])


@given(st.lists(_EVENTS, min_size=1, max_size=4), _STYLES, st.booleans(), st.booleans())
def test_only_suspects_hold_what_is_to_be_masked(
    sent: list[dict[str, Any]], style: tuple[bool, tuple[str, str]], as_list: bool, slashed: bool
) -> None:
    ascii_only, separators = style
    texts = [json.dumps(one, ensure_ascii=ascii_only, separators=separators) for one in sent]
    if slashed:
        texts = [text.replace("/", "\\/") for text in texts]
    form, body = ("json", "[" + ",\n".join(texts) + "]") if as_list else ("ndjson", "\n".join(texts))
    decoded = decode_events(body.encode(), form)  # type: ignore[arg-type]
    assert decoded.in_one_call
    events = [normalise(wire, "shop", "i", 0, TimeLimits(0, 0), {}) for wire in decoded.events]
    changed = [index for index, event in enumerate(events) if MASKER.mask([event])]
    suspects = PREFILTER.suspects(body.encode(), form, len(sent))  # type: ignore[arg-type]
    assert suspects is not None and set(changed) <= {*suspects, *decoded.repaired}


def test_a_letter_in_disguise_is_suspect_and_plain_events_are_not() -> None:
    lines = [
        b'{"session":"s","key":"k1","value":"pass\\u0077ord=x"}',
        b'{"session":"s","key":"k2","value":"my_passwords=kept, tokens are 5"}',
        b'{"session":"s","key":"k3","value":"caf\\u00e9 closed"}',
        b'{"session":"s","key":"password","value":5}',
    ]
    assert Prefilter(DEFAULT).suspects(b"\n".join(lines), "ndjson", 4) == [0, 3]
    assert not Prefilter(DEFAULT).suspects(lines[1], "ndjson", 1)
    assert Prefilter(Rules(("card",))).suspects(lines[1], "ndjson", 1) is None


_PARTS = st.sampled_from(
    ["db", "Db", "pass", "word", "Password", "TOKEN", "api", "Key", "_", "-", ".", "1", "k", "a_b"]
)


@given(st.lists(_PARTS, min_size=1, max_size=5).map("".join).filter(lambda name: name[0].isalnum()))
def test_a_name_means_the_same_in_a_text_and_elsewhere(name: str) -> None:
    hidden = MASKER.mask_text(f"x {name}=5") != f"x {name}=5"
    assert Fields(RULES.fields).has(name) == hidden
    assert hidden == (MASKER.mask_text(f'{{"{name}":5}}') == f'{{"{name}":[masked]}}')
