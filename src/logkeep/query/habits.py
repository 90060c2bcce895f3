"""What people write out of habit from other query languages, found where it stands, and what to write instead.

`HABITS` is for the reference page, and a test walks it: each `there` is refused with `here` or the reason in the
message. Stages have tables of their own, by the word a stage begins with.
"""

import re

import msgspec

from logkeep.query.fields import SYNONYMS, is_numeric, known_field, level_named
from logkeep.query.leaves import Piece, refuse, shown
from logkeep.query.printer import field_text, quoted
from logkeep.query.scanner import Scanner

SUGGESTION_CHARS_MAX = 120


class Habit(msgspec.Struct, frozen=True):
    """there: as another language has it. here: what to write."""

    language: str
    there: str
    here: str


HABITS = (
    Habit("SQL", "SELECT * FROM logs WHERE level = 'error'", "level:error"),
    Habit("SQL", "level = 'error'", 'level = "error"'),
    Habit("SQL", "value LIKE 'time%'", "value:time*"),
    Habit("SQL", "level IN ('warn', 'error')", "level:(warn or error)"),
    Habit("SQL", "value BETWEEN 1 AND 5", "value:1..5"),
    Habit("SQL", "user IS NOT NULL", "user:*"),
    Habit("SQL", "level <> 'error'", "level!=error"),
    Habit("SQL", "error | count(*)", "error | count"),
    Habit("SQL", "error | count GROUP BY component", "error | count by component"),
    Habit("SQL", "* | count by user | order by count desc", "* | count by user | sort count desc"),
    Habit("LogQL", '{app="x", component="cart"} |= "timed out"', 'component:cart "timed out"'),
    Habit("LogQL", 'timeout |~ "re.*"', "timeout value:/re.*/"),
    Habit("LogQL", "timeout | json | status >= 500", "timeout attributes.status>=500"),
    Habit("LogQL", 'sum by (component) (rate({app="x"}[5m]))', "* | rate by component, bin(5m)"),
    Habit("Lucene", "value:[1 TO 5]", "value:1..5"),
    Habit("Lucene", "attributes.ms:[500 TO *]", "attributes.ms>=500"),
    Habit("Lucene", "level:[warn TO fatal]", "level:warn..fatal"),
    Habit("Lucene", "_exists_:user", "user:*"),
    Habit("Lucene", "te?t", "value:/te.t/"),
    Habit("Lucene", "roam~", "roam*"),
    Habit("Lucene", "urgent^4", "urgent"),
    Habit("Lucene", "error && !retry", "error and !retry"),
    Habit("Lucene", "error || fatal", "error or fatal"),
    Habit("KQL", 'value contains "timed out"', 'value:"timed out"'),
    Habit("KQL", 'level == "error"', 'level = "error"'),
    Habit("KQL", "error | where value > 5", "error value>5"),
    Habit("KQL", "error | summarize count() by level", "error | count by level"),
    Habit("KQL", "error | summarize avg(value) by bin(timestamp, 5m)", "error | avg(value) by bin(5m)"),
    Habit("KQL", "error | take 10", "error | limit 10"),
    Habit("KQL", "error | project user, value", "error | fields user, value"),
    Habit("Splunk", "error | stats count by user", "error | count by user"),
    Habit("Splunk", "error | stats dc(user)", "error | uniq(user)"),
    Habit("Splunk", "error | head 10", "error | limit 10"),
    Habit("Splunk", "error | timechart span=5m count by level", "error | count by level, bin(5m)"),
)

_WITHOUT_STAGE = "attributes are read as they are: name them in the filter or after `by`, as attributes.NAME"
_BEFORE_BAR = "conditions stand before the first `|`, as in level:error value>5 | count"
_COUNT_BY = "leave it out and write what to count, as in `| count by component, bin(5m)`"
# By the word (lower case) a stage begins with: what to write instead.
STAGE_HABITS = {
    **dict.fromkeys(
        ("json", "logfmt", "unpack", "parse", "regexp", "pattern", "extract", "rex", "kv", "spath", "unwrap"),
        _WITHOUT_STAGE,
    ),
    **dict.fromkeys(("where", "filter", "grep", "search", "having", "and", "or", "not", "if"), _BEFORE_BAR),
    **dict.fromkeys(("stats", "summarize", "aggregate", "select", "eventstats", "facet", "facets"), _COUNT_BY),
    **dict.fromkeys(
        ("timechart", "timeseries", "histogram", "chart", "bucket", "span", "bin", "make-series"),
        "for counts over time write `| count by bin(5m)`, with fields before it: `| count by level, bin(5m)`",
    ),
    **dict.fromkeys(("head", "take", "first", "tail", "last"), "write `| limit 10`; events come newest first"),
    "order": "write `| sort FIELD desc`",
    "orderby": "write `| sort FIELD desc`",
    **dict.fromkeys(
        ("project", "table", "keep", "columns", "display", "cut", "output"), "write `| fields user, value`"
    ),
    **dict.fromkeys(
        ("dedup", "distinct", "unique"), "write `| uniq(user)` for how many, or `| count by user` for which"
    ),
    **dict.fromkeys(("group", "groupby", "by"), "`by` follows what is counted: write `| count by component`"),
    "wc": "write `| count`",
    "rare": "write `| count by FIELD | sort count | limit 10`",
    **dict.fromkeys(
        ("eval", "extend", "let", "line_format", "label_format", "format", "rename", "as", "math", "replace"),
        "values and names come as they are stored; compute in what reads the answer",
    ),
    **dict.fromkeys(("delete", "drop", "del"), "a query only reads; erasing is DELETE /api/v1/events"),
}
# By the word (lower case) before a `(`: the function that is meant.
FUNCTION_HABITS = {
    "mean": "avg(value)", "average": "avg(value)", "median": "p50(value)", "total": "sum(value)",
    "minimum": "min(value)", "maximum": "max(value)",
    **dict.fromkeys(
        ("dc", "distinct_count", "count_distinct", "countdistinct", "cardinality", "dcount", "unique", "distinct",
         "count_uniq", "uniqexact"),
        "uniq(user)",
    ),
    **dict.fromkeys(
        ("percentile", "percentiles", "quantile", "perc", "percentile_cont", "quantile_over_time"), "p95(value)"
    ),
    **dict.fromkeys(("count_over_time", "countif", "hits"), "count"),
    **dict.fromkeys(("bytes_rate", "per_second", "eps"), "rate"),
    "avg_over_time": "avg(value)", "sum_over_time": "sum(value)", "max_over_time": "max(value)",
    "min_over_time": "min(value)",
}  # fmt: skip

_REWRITTEN = (
    (re.compile(r"\b(count|rate)\(\s*\*?\s*\)", re.I), r"\1"),
    (re.compile(r"\bbin\(\s*\w+\s*,\s*", re.I), "bin("),
    (re.compile(r"\b(?:dc|dcount|distinct_count|count_distinct)\(", re.I), "uniq("),
    (re.compile(r"\s+"), " "),
)
_SELECT = re.compile(r"\s*select\s.*\s(?:from|where)\s", re.I | re.S)
_METRIC = re.compile(r"\s*(?:sum|avg|min|max|count|topk|rate|count_over_time)\s*(?:by\s*)?\([^|{]*\{", re.I)
_SELECTOR = re.compile(r"""\{\s*\w+\s*(?:=|!)[^}]*\}?""")
_LABEL = re.compile(r"""(\w+)\s*(=~|!~|!=|=)\s*(?:"([^"]*)"|`([^`]*)`)""")
_LINE = re.compile(r"""\s*(\|=|\|~|!=|!~)\s*(?:"([^"]*)"|`([^`]*)`)""")
_WORD_OPERATOR = re.compile(
    r"""\s+(i?like(?=\s*['"])|between(?=\s*['"0-9])|in(?=\s*\()|is\s+(?:not\s+)?null\b|"""
    r"""(?:contains|has|startswith|endswith|matches)(?=\s*"))""",
    re.I,
)
_RANGE = re.compile(r"[\[{]\s*(\S+)\s+TO\s+([^\s\]}]+)\s*[\]}]", re.I)
# A `?` at the end of a word is text; so is all that stands in addresses and formulas: `a/b?c=d`, `2^4`.
_LUCENE_WORD = re.compile(
    r"(?P<word>[^\W\d_]\w+)(?:(?P<one>(?:\?+\w+)+)|(?P<near>~(?:[012]|0?\.[0-9]+)?)|\^[0-9]+(?:\.[0-9]+)?)"
).fullmatch
_IS_NUMBER = re.compile(r"[+-]?[0-9]+(?:\.[0-9]+)?").fullmatch


def about_stage(word: str, rest: str) -> str | None:
    """What to write instead of a stage that begins with `word` (lower case); None when it is nobody's habit.

    rest: the query from that word on.
    """
    if STAGE_HABITS.get(word) is not _COUNT_BY:
        return STAGE_HABITS.get(word)
    meant = rest.partition("|")[0][len(word) :].strip()
    for pattern, here in _REWRITTEN:
        meant = pattern.sub(here, meant)
    return f"leave it out: write `| {meant}`" if 0 < len(meant) <= SUGGESTION_CHARS_MAX else _COUNT_BY


def before_query(scan: Scanner) -> None:
    """Refuses a whole query of another language."""
    if scan.match(_SELECT):
        refuse(
            "this looks like SQL: write only the condition, such as level:error user=ada, then stages such as "
            "`| sort time desc | limit 10`; to search for these words, quote them",
            scan.at,
        )
    if scan.match(_METRIC):
        refuse(
            "this looks like LogQL: write the filter first, then what to count, such as "
            "component:cart | rate by component, bin(5m)",
            scan.at,
        )


def before_term(scan: Scanner) -> None:
    """Refuses what other query languages begin a term with."""
    if found := scan.match(_SELECTOR):
        refuse(f"fields are written without braces{_translated(scan, found)}", scan.at)
    start = scan.text[scan.at : scan.at + 2]
    if start == "&&":
        refuse("write `and` for `&&`", scan.at)
    if start[:1] in ("=", "<", ">", ":", "~") or start in ("!=", "!~"):
        refuse(f"`{start.strip()}` has no field before it; fields are named as in level:error or value>5", scan.at)


def _translated(scan: Scanner, selector: re.Match[str]) -> str:
    """A LogQL selector and the line filters after it, as a suggestion."""
    terms = [_as_term(*label) for label in _LABEL.findall(selector[0]) if label[0] != "app"]
    at = selector.end()
    while found := _LINE.match(scan.text, at):
        text = found[2] or found[3] or ""
        terms.append(
            ("-" if found[1].startswith("!") else "") + (f"value:/{text}/" if "~" in found[1] else quoted(text))
        )
        at = found.end()
    written = " ".join(terms)
    return f": write {written}" if 0 < len(written) <= SUGGESTION_CHARS_MAX else ", such as component:checkout error"


def _as_term(label: str, operator: str, text: str, raw: str) -> str:
    field = known_field(label) or SYNONYMS.get(label.lower()) or f"attributes.{label}"
    text = text or raw
    value = f"/{text}/" if "~" in operator else text if re.fullmatch(r"[\w.-]+", text) else quoted(text)
    return f"{'-' if operator.startswith('!') else ''}{field}:{value}"


def after_field(scan: Scanner, field: str) -> None:
    """Refuses the operators of SQL and KQL that are words."""
    if not (found := scan.match(_WORD_OPERATOR)):
        return
    named = shown(field_text(field))
    word = found[1].lower()
    meant = {
        "between": f"{named}:1..5",
        "in": f"{named}:(one or other)",
        "contains": f'{named}:"the words"' if field == "value" else f"{named}:/part/",
        "has": f'{named}:"the words"' if field == "value" else f"{named}:/part/",
        "startswith": f"{named}:start*",
        "endswith": f"{named}:/end$/",
        "matches": f"{named}:/regex/",
    }.get(word, f"{named}:start* or {named}:/regex/")
    if word.startswith("is"):
        meant = f"{named}:*" if "not" in word else f"-{named}:*"
    refuse(f"`{found[1]}` is not an operator; write {meant}, or quote the words", found.start(1))


def at_range(scan: Scanner, field: str) -> None:
    """Refuses Lucene's ranges, at their place after `field:`."""
    if scan.peek() not in ("[", "{"):
        return
    named = shown(field_text(field))
    found = scan.match(_RANGE)
    if field != "level" and not is_numeric(field):
        refuse(
            f"{named} is text, and ranges are of numbers (value, attributes.NAME) or levels; quote the text", scan.at
        )

    def is_end(text: str) -> bool:
        return bool(level_named(text)) if field == "level" else bool(_IS_NUMBER(text))

    if found and is_end(found[1]) and found[2] == "*":
        refuse(f"write {named}>={shown(found[1])} for a range with one end; else quote the text", scan.at)
    if found and found[1] == "*" and is_end(found[2]):
        refuse(f"write {named}<={shown(found[2])} for a range with one end; else quote the text", scan.at)
    both = f"{shown(found[1])}..{shown(found[2])}" if found and is_end(found[1]) and is_end(found[2]) else ""
    written = f"{named}:{both or ('warn..error' if field == 'level' else '1..5')}"
    refuse(f"a range is {written} (both ends included), or use `>` and `<`; else quote the text", scan.at)


def in_word(piece: Piece) -> None:
    """Refuses what Lucene writes into one bare word: `te?t`, `roam~`, `boost^4`. Anything longer may be text."""
    if piece.quoted or not (found := _LUCENE_WORD(piece.text)):
        return
    word = shown(found["word"])
    if found["one"]:
        pattern = shown(re.sub(r"\?", ".", piece.text))
        refuse(f"`?` stands for no other character; write value:/{pattern}/, or quote the text", piece.start)
    if found["near"]:
        refuse(f"words are not looked for by likeness; write {word}* for its beginning, or quote the text", piece.start)
    refuse(f"events are not ranked, so nothing counts more; write {word} alone, or quote the text", piece.start)


def at_bar(scan: Scanner) -> None:
    """Refuses a `|` that other languages begin an operator with."""
    following = scan.text[scan.at + 1 : scan.at + 2]
    if following == "|":
        refuse("write `or` for `||`", scan.at)
    if following in ("=", "~"):
        refuse(f'`|{following}` is not known; write the words themselves, "a phrase" or value:/regex/', scan.at)
