"""Queries as filters of MongoDB: what is exact, what only narrows; nothing a user wrote becomes an operator."""

import re

import pytest
from tests.unit.store.mongodb_events import event

from logkeep.query import ast
from logkeep.query.match import matches
from logkeep.query.parser import parse
from logkeep.store.mongodb_filter import NOTHING, Filter, compile_filter


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (ast.All(), Filter({})),
        (ast.Word("timeout"), Filter({"words": "timeout"})),
        (ast.Phrase(("a", "b", "a")), Filter({"words": {"$all": ["a", "b"]}}, exact=False)),
        (ast.WordPrefix("time"), Filter({"words": {"$regex": "^time"}})),
        (ast.Equals("user", "$where"), Filter({"user": "$where"})),
        (ast.Equals("user", ""), Filter({"user": None})),
        (ast.Exists("user"), Filter({"user": {"$exists": True}})),
        (ast.Prefix("session", "a.b\0"), Filter({"session": {"$regex": "^a\\.b\\x{0}"}})),
        (ast.Not(ast.Word("a")), Filter({"$nor": [{"words": "a"}]})),
        (ast.Not(ast.Phrase(("a", "b"))), Filter({}, exact=False)),
        (ast.Or(()), Filter(NOTHING)),
        (ast.And((ast.All(), ast.Word("a"))), Filter({"words": "a"})),
        (ast.LevelCompare(">=", "error"), Filter({"level": {"$in": ["error", "fatal"]}})),
        (ast.Exists("attributes.a.$b"), Filter({"attributes.a%2E%24b": {"$exists": True}})),
        (ast.Compare("attributes.ms", ">", 5.0), Filter({"attributes.ms": {"$gt": 5.0}})),
        (ast.Compare("attributes.ms", ">", 2.0**53), Filter({"attributes.ms": {"$type": "number"}}, exact=False)),
        (ast.Equals("attributes.n", "5"), Filter({"$or": [{"attributes.n": "5"}, {"attributes.n": 5.0}]})),
        (ast.Equals("attributes.n", "5.0"), Filter({"attributes.n": "5.0"})),
    ],
)
def test_a_query_becomes_this_filter(query: ast.Query, expected: Filter) -> None:
    assert compile_filter(query) == expected


@pytest.mark.parametrize("text", ["key:/a.*b/", "key:/(a+)+$/", "key:/(a|b){0,30}c{0,30}d{0,30}e/", "key:/wx*y*z*w/"])
def test_a_regex_that_could_backtrack_is_never_handed_on(text: str) -> None:
    found = compile_filter(parse(text))
    assert not found.exact
    assert not re.search(r"[*+]|\{\d+,", str(found.spec).replace("\\x{", ""))


@pytest.mark.parametrize(
    ("pattern", "written"),
    [
        ("^a", "\\Aa"),
        ("a$", "a\\z"),
        (".*timeout+", "timeou(?:t){1,1}"),
        ("\\d{3}", "(?:[\\x{30}-\\x{39}]){3,3}"),
        ("a|é", "(?:a|é)"),
    ],
)
def test_a_regex_is_written_in_signs_that_mean_one_thing(pattern: str, written: str) -> None:
    assert compile_filter(ast.Regex("key", pattern)) == Filter({"key": {"$regex": written}})


@pytest.mark.parametrize("wanted", ["checkout", "k", "i̇stanbul", "istanbul", "σας", "i", "straße", "ꟛ"])
@pytest.mark.parametrize(
    "found", ["CHECKOUT", "\u212a", "İSTANBUL", "i̇stanbul", "İ", "ΣΑΣ", "σαςx", "STRASSE", "Straße", "K", "\ua7da"]
)
@pytest.mark.parametrize("leaf", [ast.Equals, ast.Prefix])
def test_ignoring_case_means_what_the_evaluator_means(leaf: type, wanted: str, found: str) -> None:
    query = leaf("component", wanted.replace("ς", "σ"), True)
    pattern = compile_filter(query).spec["component"]["$regex"]
    in_python = re.sub(r"\\x\{([0-9a-f]+)\}", lambda code: re.escape(chr(int(code[1], 16))), pattern)
    in_python = in_python.replace("\\z", "\\Z")
    assert bool(re.search(in_python, found)) == matches(query, event(component=found))
