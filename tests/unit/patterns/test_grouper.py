"""Messages into patterns: what is one, what is two, and what stays the same."""

from collections.abc import Sequence
from typing import Any

import pytest

from logkeep.clock import NS_PER_DAY
from logkeep.event import Event
from logkeep.patterns import grouper as grouper_module
from logkeep.patterns.grouper import Grouper
from logkeep.patterns.template import KeptPattern

APP = "shop"


def event(value: str, **changes: Any) -> Event:
    fields: dict[str, Any] = {"app": APP, "session": "s", "key": "log", "value": value, "kind": "text", "number": None}
    return Event(**{**fields, "time_ns": 7, "received_ns": 9, "id": "e", **changes})


class Grouped:
    """A grouper and all it has given to keep."""

    def __init__(self, patterns_max: int = 1_000, known: Sequence[KeptPattern] = ()) -> None:
        self.grouper = Grouper(patterns_max, known)
        self.kept: dict[str, KeptPattern] = {}

    def events(self, *values: str, day: int = 0, **changes: Any) -> list[Event]:
        made = [event(value, **changes) for value in values]
        self.kept |= {kept.id: kept for kept in self.grouper.group(made, day * NS_PER_DAY)}
        return made

    def ids(self, *values: str, **changes: Any) -> list[str]:
        return [event.pattern for event in self.events(*values, **changes)]

    def templates(self, *values: str, **changes: Any) -> list[str]:
        return [self.kept[name].template if name else "" for name in self.ids(*values, **changes)]


def free_text(seed: int, words: int) -> str:
    """Letters only, all words different for each seed."""
    digits = [(seed * 31 + place * 7919) % 17_576 for place in range(words)]
    return " ".join("".join(chr(97 + (digit // 26**n) % 26) for n in range(3)) for digit in digits)


@pytest.mark.parametrize(
    ("messages", "template"),
    [
        (["took 5 ms", "took 1.25 ms", "took -300 ms"], "took <*> ms"),
        (["from 10.0.0.1:80", "from 192.168.17.4:40123"], "from <*>:<*>"),
        (["job a1b2c3d4 done", "job 12345678 done", "job ffe01 done"], "job <*> done"),
        (["block blk_-123 saved", "block blk_98765 saved"], "block blk_<*> saved"),
        (["at Jul  3 of 2MB", "at Aug 21 of 17MB"], "at <*> of <*>"),
        (["free: 5 KB", "free: 7 GB"], "free: <*>"),
        (["user root is in", "user eve is in"], "user <*> is in"),
        (["GET /a/b?x=1&y=two ok", "GET /a/b?x=3&y=four ok"], "GET /a/b<*> ok"),
        (["read /var/log/a.txt now", "read /home/eve/b.txt now"], "read <*> now"),
        (["ids 1 done", "ids 1, 2, 3 done", "ids 4 5 done"], "ids <*> done"),
        (["at F.run(F.java:12)\n\tat Bar", "at F.run(F.java:3)\n\tat Bar"], "at F.run(F.java:<*>)\n\tat Bar"),
    ],
)  # fmt: skip
def test_numbers_ids_and_names_are_variable(messages: list[str], template: str) -> None:
    it = Grouped()
    it.events(*messages)
    assert it.templates(*messages) == [template] * len(messages)


def test_messages_that_differ_in_a_plain_word_are_two() -> None:
    it = Grouped()
    messages = ["session opened for 5", "session closed for 5", "cache warm", "cache cold", "HTTP ok", "HTTP failed"]
    assert it.templates(*messages) == [message.replace("5", "<*>") for message in messages]


def test_six_different_words_at_a_place_make_it_variable() -> None:
    it = Grouped()
    words = ["red", "green", "blue", "black", "white", "grey"]
    first = it.ids(*[f"the {word} lamp is on" for word in words[:5]])
    assert len(set(first)) == 5
    it.events("the grey lamp is on")
    assert {it.kept[name].template for name in first} == {"the <*> lamp is on"}
    assert it.templates("the mauve lamp is on") == ["the <*> lamp is on"]


def test_an_id_stays_when_the_template_grows_more_general() -> None:
    it = Grouped()
    [name] = it.ids("have read /var/a")
    assert it.kept[name].template == "have read /var/a"
    assert it.ids("have read /home/b") == [name]
    assert it.kept[name] == KeptPattern(APP, name, "have read <*>", "have read \ue000", 7)


def test_ids_are_the_same_in_every_process() -> None:
    assert Grouped().ids("took 5 ms") == Grouped().ids("took 77 ms") == ["71fab4eed72d472f"]


def test_apps_have_patterns_of_their_own() -> None:
    it = Grouped()
    one, other = it.events("took 5 ms")[0], it.events("took 5 ms", app="other")[0]
    assert one.pattern != other.pattern
    assert {kept.app: kept.template for kept in it.kept.values()} == {APP: "took <*> ms", "other": "took <*> ms"}


def test_a_batch_of_several_apps_keeps_them_apart() -> None:
    it = Grouped()
    mixed = [event("took 5 ms", app=app) for app in ("a", "b", "a", "b")]
    it.grouper.group(mixed, 0)
    assert [mixed[0].pattern == other.pattern for other in mixed] == [True, False, True, False]


@pytest.mark.parametrize("kind", ["number", "bool", "null", "object", "array"])
def test_only_text_has_a_pattern(kind: str) -> None:
    it = Grouped()
    assert it.ids("5", kind=kind) == [""]
    assert it.kept == {}


@pytest.mark.parametrize("value", ["", " ", "\x1e", "\x00", "a\x1eb", "<*>", "…", "5", "(", "\ue000", "x" * 100_000])
def test_odd_texts_have_a_pattern_too(value: str) -> None:
    it = Grouped()
    [name, after] = it.ids(value, "took 5 ms")
    assert it.kept[after].template == "took <*> ms"
    assert it.ids(value) == [name] != [""]


def test_of_a_long_text_the_start_counts() -> None:
    it = Grouped()
    start = "a failure of some kind " * 30
    assert it.ids(start + "one", start + "two", start) == it.ids(start) * 3


def test_what_was_kept_is_known_after_a_restart() -> None:
    it = Grouped()
    messages = [
        "read /var/a",
        "read /home/b",
        "ids 1, 2 done",
        "job a1b2c3d4 done",
        *(f"the {c} lamp" for c in "abcdefg"),
    ]
    it.events(*messages)
    before = it.ids(*messages)
    again = Grouped(known=list(it.kept.values()))
    after = again.ids(*messages)
    assert [it.kept[name].template for name in after] == [it.kept[name].template for name in before]
    assert set(again.kept) <= set(it.kept)


def test_a_pattern_is_kept_once_on_each_day_it_is_seen() -> None:
    it = Grouped()
    kept_on = [
        [kept.template for kept in it.grouper.group([event("took 5 ms")], day * NS_PER_DAY)] for day in (1, 1, 2)
    ]
    assert kept_on == [["took <*> ms"], [], ["took <*> ms"]]


def test_the_patterns_not_seen_for_longest_are_forgotten_for_new_ones() -> None:
    it = Grouped(patterns_max=10)
    messages = [" ".join(["word"] * (n + 1)) for n in range(10)]
    for day, message in enumerate(messages):
        it.events(message, day=day)
    it.events("one more, which is new", day=10)
    it.events(*messages[1:], day=11, time_ns=99)
    assert [it.kept[name].first_ns for name in it.ids(*messages[1:], day=11)] == [99, *[7] * 8]


def test_text_without_any_pattern_is_left_out_when_there_is_too_much_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grouper_module, "CREDIT_MAX", 20)
    it = Grouped()
    ids = it.ids(*[free_text(n, 4 + n % 40) for n in range(100)])
    assert 0 < sum(not name for name in ids) == it.grouper.left_out
    assert it.templates("took 5 ms", day=1) == ["took <*> ms"]


def test_free_text_ends_up_in_few_patterns() -> None:
    it = Grouped(patterns_max=100_000)
    for start in range(0, 6_000, 100):
        it.events(*[free_text(n, 5) for n in range(start, start + 100)])
    assert set(it.templates(*[free_text(n, 5) for n in range(7_000, 7_100)])) == {"<*>"}
