import pytest

from logkeep.errors import QuerySyntaxError
from logkeep.query.ast import (
    All,
    And,
    Compare,
    Equals,
    Exists,
    LevelCompare,
    Not,
    Or,
    Phrase,
    Prefix,
    Query,
    Regex,
    Word,
    WordPrefix,
)
from logkeep.query.filter_parser import DEPTH_MAX, REGEXES_MAX, TERMS_MAX
from logkeep.query.parser import parse

A, B, C = Word("a"), Word("b"), Word("c")

TREES: list[tuple[str, Query]] = [
    # everything
    ("", All()),
    (" \t\n", All()),
    ("*", All()),
    ("not *", Not(All())),
    # words
    ("timeout", Word("timeout")),
    ("TimeOut", Word("timeout")),
    ("ÄRGER", Word("ärger")),
    ('"timeout"', Word("timeout")),
    ('"timed out"', Phrase(("timed", "out"))),
    ('"timed\\" \\\\out"', Phrase(("timed", "out"))),
    ("conn-reset", Phrase(("conn", "reset"))),
    ("10.0.0.1", Phrase(("10", "0", "0", "1"))),
    ("10:30", Phrase(("10", "30"))),
    ("com.shop.Cart:12", Phrase(("com", "shop", "cart", "12"))),
    ("don't", Phrase(("don", "t"))),
    ("[error]", Word("error")),
    ("why?", Word("why")),
    ("time*", WordPrefix("time")),
    ('"TIME"*', WordPrefix("time")),
    ("a\u00a0b", And((A, B))),
    ("level", Word("level")),
    ("user like that", And((Word("user"), Word("like"), Word("that")))),
    ("attributes.os", Phrase(("attributes", "os"))),
    ('"and"', Word("and")),
    # and, or, not
    ("a b", And((A, B))),
    ("a and b", And((A, B))),
    ("a AND b Or c", Or((And((A, B)), C))),
    ("a or b c", Or((A, And((B, C))))),
    ("(a or b) c", And((Or((A, B)), C))),
    ("(a b) c", And((And((A, B)), C))),
    ("((a))", A),
    ("not a b", And((Not(A), B))),
    ("not (a b)", Not(And((A, B)))),
    ("not(a)or(b)", Or((Not(A), B))),
    ("not not a", Not(Not(A))),
    ("-a !b", And((Not(A), Not(B)))),
    ('-"a b"', Not(Phrase(("a", "b")))),
    ("-(a or b)", Not(Or((A, B)))),
    ("-level:error", Not(Equals("level", "error"))),
    ("--a", Not(Not(A))),
    # ids: exact
    ("session:Abc", Equals("session", "Abc")),
    ("SESSION:Abc", Equals("session", "Abc")),
    ("session: Abc", Equals("session", "Abc")),
    ("session:a/b:c=d", Equals("session", "a/b:c=d")),
    ("session:-x", Equals("session", "-x")),
    ("user=x", Equals("user", "x")),
    ("user = x", Equals("user", "x")),
    ("user!=x", Not(Equals("user", "x"))),
    ('user:""', Equals("user", "")),
    ("terminal:d1", Equals("device", "d1")),
    ("id:pre*", Prefix("id", "pre")),
    ("user:*", Exists("user")),
    # names and attributes: `:` ignores case, `=` does not
    ("component:Checkout", Equals("component", "checkout", True)),
    ("component=Checkout", Equals("component", "Checkout")),
    ('component="two words"', Equals("component", "two words")),
    ("key:Pre*", Prefix("key", "pre", True)),
    ("key=Pre*", Prefix("key", "Pre")),
    ('key:"odd text"*', Prefix("key", "odd text", True)),
    ("attributes.os:Linux", Equals("attributes.os", "linux", True)),
    ("attributes.http.status:500", Equals("attributes.http.status", "500", True)),
    ('attributes."odd \\"name":x', Equals('attributes.odd "name', "x", True)),
    ("attributes.os:*", Exists("attributes.os")),
    ("attributes.Größe>3", Compare("attributes.Größe", ">", 3.0)),
    # groups after a field
    (
        "component:(a or B*)",
        Or((Equals("component", "a", True), Prefix("component", "b", True))),
    ),
    ("value:(a b -c)", And((A, B, Not(C)))),
    ("level:(not error)", Not(Equals("level", "error"))),
    ("value:(>5 or <2)", Or((Compare("value", ">", 5.0), Compare("value", "<", 2.0)))),
    ("session:(s* and /x$/)", And((Prefix("session", "s"), Regex("session", "x$")))),
    # levels
    ("level:error", Equals("level", "error")),
    ("level:WARNING", Equals("level", "warn")),
    ("level=crit", Equals("level", "fatal")),
    ("level>=warning", LevelCompare(">=", "warn")),
    ("level:>=warn", LevelCompare(">=", "warn")),
    ("level:info..error", And((LevelCompare(">=", "info"), LevelCompare("<=", "error")))),
    ("level:e*", Prefix("level", "e")),
    ("level:*", Exists("level")),
    ('level:""', Equals("level", "")),
    # value
    ("value:timeout", Word("timeout")),
    ('value:"timed out"', Phrase(("timed", "out"))),
    ("value:time*", WordPrefix("time")),
    ("value=Timeout", Equals("value", "Timeout")),
    ("value=time*", Prefix("value", "time")),
    ("value:5", Word("5")),
    ("value>500", Compare("value", ">", 500.0)),
    ("value <= -1.5e3", Compare("value", "<=", -1500.0)),
    ('value<"7"', Compare("value", "<", 7.0)),
    ("value:1..5", And((Compare("value", ">=", 1.0), Compare("value", "<=", 5.0)))),
    ("value:-2..-1.5", And((Compare("value", ">=", -2.0), Compare("value", "<=", -1.5)))),
    ("value:*", Exists("value")),
    ('attributes.v:"1..5"', Equals("attributes.v", "1..5", True)),
    # regexes
    ("key:/^re[0-9]+$/", Regex("key", "^re[0-9]+$")),
    ("key:/a b|c|d/", Regex("key", "a b|c|d")),
    (r"key:/a\/b\.c/", Regex("key", r"a/b\.c")),
    ("key=/a/", Equals("key", "/a/")),
]


@pytest.mark.parametrize(("text", "tree"), TREES, ids=[text for text, _ in TREES])
def test_text_reads_as_the_tree_it_suggests(text: str, tree: Query) -> None:
    assert parse(text) == tree


FIELDS = (
    "fields are id, session, user, device, pattern, component, key, level, value and attributes.NAME; "
    "to search for the text, quote it:"
)
LEVELS = "levels are trace, debug, info, warn, error, fatal"

REFUSALS: list[tuple[str, int, str]] = [
    # structure
    ("a or", 5, "a term is missing after `or`"),
    ("or a", 1, 'a term is missing; to search for the word or, write "or"'),
    ("a and and b", 7, 'a term is missing after `and`; to search for the word and, write "and"'),
    ("not", 4, "a term is missing after `not`"),
    ("(a", 1, "`(` is not closed; add `)`, or quote the text it belongs to"),
    ("a)", 2, "`)` closes nothing; remove it, or quote the text it belongs to"),
    ("a ()", 3, "nothing stands between `(` and `)`; remove them, or quote the text they belong to"),
    ("user:()", 6, "nothing stands between `(` and `)`; remove them, or quote the text they belong to"),
    ('a "abc', 3, "the quote is not closed"),
    ('"C:\\foo"', 4, 'inside quotes `\\` stands before " or \\ only; write \\\\ for the character'),
    ('"abc"def', 6, "a space is missing here; or quote the whole text"),
    ("count(x)", 6, "a space is missing here; or quote the whole text"),
    ("a \ud800", 3, "query is not valid Unicode text"),
    # words
    ('a "--"', 3, "-- has no letter or digit, and text is searched by words; for these characters write value:/--/"),
    ("- a", 1, "- has no letter or digit, and text is searched by words; for these characters write value:/-/"),
    ('""', 1, "empty text is found nowhere; remove it, or write * for every event"),
    (
        "foo-bar*",
        1,
        '`*` completes one word, and foo-bar is not one; write "foo bar", or value:/foo-bar/ for these characters',
    ),
    ("10.*", 1, "`*` completes one word, and 10. is not one; write 10, or value:/10\\./ for these characters"),
    ("a *foo", 3, "`*` stands only at the end of a text; use field:/regex/ for more, or quote the text"),
    ("f*o", 2, "`*` stands only at the end of a text; use field:/regex/ for more, or quote the text"),
    # fields
    (
        "sesion:abc",
        1,
        f'unknown field sesion; did you mean session? {FIELDS} "sesion:abc"',
    ),
    ("a http://x", 3, f'unknown field http; {FIELDS} "http://x"'),
    (
        "message:foo",
        1,
        f'unknown field message; did you mean value? {FIELDS} "message:foo"',
    ),
    (
        "http.status>=500",
        1,
        f'unknown field http.status; did you mean attributes.http.status? {FIELDS} "http.status>=500"',
    ),
    ("status:500", 1, f'unknown field status; did you mean attributes.status? {FIELDS} "status:500"'),
    ("a host=web", 3, f'unknown field host; did you mean attributes.host? {FIELDS} "host=web"'),
    (
        "attributes:*",
        1,
        f'unknown field attributes; did you mean attributes.NAME? {FIELDS} "attributes:*"',
    ),
    ("time>5", 1, "time is not part of the query; give the time range beside it, as from and to (such as from=-15m)"),
    ("app:x", 1, "app is not part of the query: every query is inside one app"),
    ("user:", 6, "user: is followed by nothing; write a text, or user:* for `is set`"),
    ("(user=)", 7, "user= is followed by nothing; write a text, or user:* for `is set`"),
    ("level:<", 8, "level:< is followed by nothing; write a text, or level:* for `is set`"),
    ("user:|", 6, "pipes are not available here; quote the text when `|` is part of it"),
    ("value:>(1)", 8, "`>` takes one text; write value:(one or other)"),
    ("user=*", 6, "write user:* for `is set`"),
    ("user:=x", 6, "write user= for exact text, or quote a text that begins with `=`"),
    ("user=(a or b)", 6, "`=` takes one text; write user:(one or other)"),
    ("component:(a b)", 14, "component has one value: write `or` between two of them, or quote them as one"),
    ("component:(a, b)", 13, "alternatives are written (one or other); else quote the text with its comma"),
    ("component:(a or level:error)", 17, "level: stands inside component:…; close that first, or quote the text"),
    ('attributes."os"', 16, "an attribute's name is followed by `:` or a comparison; write `:*` after it for `is set`"),
    (
        'attributes."o s":',
        18,
        'attributes."o s": is followed by nothing; write a text, or attributes."o s":* for `is set`',
    ),
    ('attributes."":x', 1, "an attribute's name is not empty"),
    (f"attributes.{'n' * 257}:x", 1, "an attribute's name has at most 256 bytes, not 257"),
    # levels and numbers
    ("level:wrn", 7, f"unknown level wrn; did you mean warn? {LEVELS}"),
    ("level:(error or 7)", 17, f"unknown level 7; {LEVELS}"),
    ('level>""', 7, f"unknown level ; {LEVELS}"),
    ("level:x*", 7, f"unknown level x; {LEVELS}"),
    ("level:error..info", 7, "range error..info runs backwards; write the lower end first"),
    ("value>5ms", 7, "5ms is not a number; write one such as 500, -1.5 or 2e3, without a unit"),
    ("value>1e999", 7, "1e999 is beyond what a double holds (1.8e308)"),
    ("value>5*", 7, "`>` compares, so `*` has no meaning after it"),
    ("value:5..1", 7, "range 5..1 runs backwards; write the lower end first"),
    ("value:1..1e999", 10, "1e999 is beyond what a double holds (1.8e308)"),
    ("value:1..", 7, "range 1.. has one end; write `>=` or `<=` with it"),
    ("user>5", 6, "user is text, and `>` compares numbers (value, attributes.NAME) or levels"),
    # regexes
    ("key:/re[0-9/", 8, "`[` is not closed"),
    (r"key:/a\/b(/", 10, "`(` is not closed"),
    ("key:/a", 5, 'the regex has no `/` at its end; add one, or to search for a text with slashes, quote it: key:"/a"'),
    (
        "key:/api/v1",
        10,
        'a regex ends at `/` (write \\/ for a slash in it); to search for a text with slashes, quote it: key:"/api/v1"',
    ),
    ("key://", 6, "an empty regex is found in everything; use field:* for `is set`"),
    # what other languages write
    ("level = 'error'", 9, 'text is quoted with plain double quotes, such as "timed out"'),
    ("“timed out”", 1, 'text is quoted with plain double quotes, such as "timed out"'),
    ("level like 'err%'", 7, "`like` is not an operator; write level:start* or level:/regex/, or quote the words"),
    ("level in ('a')", 7, "`in` is not an operator; write level:(one or other), or quote the words"),
    ("value between 1 and 2", 7, "`between` is not an operator; write value:1..5, or quote the words"),
    ("level<>error", 6, "write `!=`"),
    ("value=>5", 6, "write `>=`"),
    ("level==error", 6, "write `=` for equal"),
    ('level=~"x"', 6, "a regex is written field:/regex/"),
    ('{app="x"} |= "foo"', 1, 'fields are written without braces: write "foo"'),
    ('a |= "x"', 3, '`|=` is not known; write the words themselves, "a phrase" or value:/regex/'),
    ("a || b", 3, "write `or` for `||`"),
    ("a && b", 3, "write `and` for `&&`"),
    ("value:[1 TO 5]", 7, "a range is value:1..5 (both ends included), or use `>` and `<`; else quote the text"),
    ("=x", 1, "`=x` has no field before it; fields are named as in level:error or value>5"),
    # pipes come later
    ("a | count by component", 3, "pipes are not available here; quote the text when `|` is part of it"),
    ("level:error|count", 12, "pipes are not available here; quote the text when `|` is part of it"),
    ("| count", 1, "pipes are not available here; quote the text when `|` is part of it"),
]


@pytest.mark.parametrize(("text", "column", "message"), REFUSALS, ids=[repr(text) for text, _, _ in REFUSALS])
def test_a_slip_is_refused_at_its_column_with_what_to_write(text: str, column: int, message: str) -> None:
    with pytest.raises(QuerySyntaxError) as refused:
        parse(text)
    assert (refused.value.column, refused.value.message) == (column, message)


def test_a_bar_inside_quotes_is_text() -> None:
    assert parse('"a | b"') == Phrase(("a", "b"))


def test_a_query_may_be_as_long_as_the_caller_says() -> None:
    assert parse("abc", chars_max=3) == Word("abc")
    with pytest.raises(QuerySyntaxError, match="query of 4 characters exceeds 3; shorten it") as refused:
        parse("abcd", chars_max=3)
    assert refused.value.column == 4


@pytest.mark.parametrize("opening", ["(", "not ", "-", "not("])
def test_depth_is_bounded(opening: str) -> None:
    levels = opening.count("(") + (opening != "(")
    repeats = DEPTH_MAX // levels
    closing = ")" * opening.count("(")
    parse(opening * repeats + "a" + closing * repeats)
    with pytest.raises(QuerySyntaxError, match="over 32 deep") as refused:
        parse(opening * (repeats + 1) + "a" + closing * (repeats + 1))
    assert refused.value.column == len(opening) * repeats + 1


@pytest.mark.parametrize("term", ["a", "user:x", "*", "user:*", "value>1"])
def test_terms_are_bounded(term: str) -> None:
    parse(" ".join([term] * TERMS_MAX))
    with pytest.raises(QuerySyntaxError, match="more than 256 terms") as refused:
        parse(" ".join([term] * (TERMS_MAX + 1)))
    assert refused.value.column >= TERMS_MAX * (len(term) + 1) + 1


def test_the_words_of_a_phrase_count_as_terms() -> None:
    with pytest.raises(QuerySyntaxError, match="more than 256 terms"):
        parse('"' + "a " * (TERMS_MAX + 1) + '"')


def test_regexes_are_bounded() -> None:
    parse(" ".join(["key:/a/"] * REGEXES_MAX))
    with pytest.raises(QuerySyntaxError, match="more than 16 regexes") as refused:
        parse(" ".join(["key:/a/"] * (REGEXES_MAX + 1)))
    assert refused.value.column == 8 * REGEXES_MAX + 5


@pytest.mark.parametrize(
    "text",
    [
        "x" * 4000 + "-*",
        "level:" + "x" * 4000,
        "value>" + "x" * 4000,
        "x" * 4000 + ":a",
        "attributes." + "x" * 4000 + ":",
    ],
)
def test_a_message_stays_short_whatever_it_is_about(text: str) -> None:
    with pytest.raises(QuerySyntaxError) as refused:
        parse(text)
    assert len(refused.value.message) < 300
