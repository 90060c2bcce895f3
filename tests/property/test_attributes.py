"""Attributes as text: what passes untouched is what an encoder would have written."""

import json
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from logkeep.decode.attributes import PLAIN_BYTES_MAX, kept, not_plain
from logkeep.event import ATTRIBUTE_KEY_BYTES_MAX, ATTRIBUTES_MAX

_TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=8) | st.sampled_from(['a":1,"b', "a: 1, b", "\n"])
_NUMBERS = (
    st.integers(-(10**20), 10**20) | st.floats(allow_nan=False, allow_infinity=False) | st.floats(-9, 9, width=16)
)
_SCALARS = st.none() | st.booleans() | _NUMBERS | _TEXTS
_VALUES = _SCALARS | st.lists(_SCALARS, max_size=2) | st.dictionaries(_TEXTS, _SCALARS, max_size=2)
_STYLES = st.sampled_from([(",", ":"), (", ", ": "), (",", " :"), (",\n", ":\t")])
_PAIRS = st.lists(st.tuples(_TEXTS | st.text("k", min_size=250, max_size=260), _VALUES), max_size=5)


def _text(pairs: list[tuple[str, Any]], style: tuple[str, str], ascii_only: bool) -> msgspec.Raw:
    """A JSON object; a name may stand in it twice."""
    parts = [
        json.dumps(name, ensure_ascii=ascii_only)
        + style[1]
        + json.dumps(value, ensure_ascii=ascii_only, separators=style)
        for name, value in pairs
    ]
    return msgspec.Raw(("{" + style[0].join(parts) + "}").encode())


@given(st.lists(st.builds(_text, _PAIRS, _STYLES, st.booleans()), min_size=1, max_size=6))
def test_what_is_plain_reads_as_what_is_kept_and_what_is_kept_is_plain(raws: list[msgspec.Raw]) -> None:
    odd = not_plain(raws)
    for row, raw in enumerate(raws):
        corrected: dict[str, int] = {}
        good = kept(raw, corrected)
        if row not in odd:
            assert corrected == {}
            names = [name for name, _ in json.loads(bytes(raw), object_pairs_hook=list)]
            if len(set(names)) == len(names):
                assert bytes(raw).replace(b'": ', b'":').replace(b', "', b',"') == bytes(good).replace(
                    b'": ', b'":'
                ).replace(b', "', b',"')
            assert json.loads(bytes(raw)) == json.loads(bytes(good))
        members = json.loads(bytes(good))
        assert len(members) <= ATTRIBUTES_MAX
        for name, value in members.items():
            assert len(name.encode()) <= ATTRIBUTE_KEY_BYTES_MAX
            assert not isinstance(value, dict | list)


def test_long_ones_are_looked_at_one_by_one() -> None:
    long = msgspec.Raw(b'{"a":"' + b"x" * PLAIN_BYTES_MAX + b'"}')
    many = msgspec.Raw(b"{" + b",".join(b'"%d":0' % number for number in range(ATTRIBUTES_MAX + 1)) + b"}")
    short = msgspec.Raw(b'{"a":1}')
    assert not_plain([short, long, short, many, short]) == [1, 3]
    corrected: dict[str, int] = {}
    assert bytes(kept(many, corrected)).count(b":") == ATTRIBUTES_MAX
    assert corrected == {"attributes_cut": 1}


def test_plain_is_what_most_senders_write() -> None:
    plain = [b"{}", b'{"a":"x","n":-5,"f":0.25,"g":12.0,"t":true,"z":null,"zero":0}', b'{"a": 1, "b": "\xc3\xa9"}']
    odd = [
        b"null", b'{"a":{}}', b'{"a":[1]}', b'{"a":"\\n"}', b'{"a":1.50}', b'{"a":1e5}', b'{"a":-0}', b'{"a":0.00001}',
        b'{ "a":1}', b'{"a":12345678901234567890}', b'{"a":1,\n"b":2}',
    ]  # fmt: skip
    rows = [msgspec.Raw(text) for pair in zip(odd, plain * 4, strict=False) for text in pair]
    assert not_plain(rows) == list(range(0, 2 * len(odd), 2))
    assert [bytes(kept(msgspec.Raw(text), {})) for text in odd[3:8]] == [
        b'{"a":"\\n"}', b'{"a":1.5}', b'{"a":100000.0}', b'{"a":0}', b'{"a":0.00001}',
    ]  # fmt: skip
