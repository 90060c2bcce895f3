"""Addresses and redirects lead where they should, whatever the name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from logkeep.api.auth import is_local_path
from logkeep.api.links import event_url, field_query, search_url, session_url, sign_in_url, viewer_url
from logkeep.query import ast
from logkeep.query.parser import parse


@pytest.mark.parametrize(
    ("session", "url"),
    [
        ("s-1", "/sessions/s-1"),
        ("a/b c?d#e%f", "/sessions/a%2Fb%20c%3Fd%23e%25f"),
        ("x.json", "/sessions/x.json?format=html"),
        ("..", "/search?query=session%3D%22..%22&order=asc"),
        ("ключ", "/sessions/%D0%BA%D0%BB%D1%8E%D1%87"),
    ],
)
def test_a_session_has_an_address(session: str, url: str) -> None:
    assert session_url(session) == url


def test_a_page_without_script_leads_to_the_same_in_the_viewer() -> None:
    assert viewer_url("device", "device", "a/b c?d") == "/app/device?device=a%2Fb+c%3Fd"


def test_empty_parameters_are_left_out() -> None:
    assert search_url("", **{"from": "-1h", "to": "", "cursor": None}) == "/search?from=-1h"
    assert (sign_in_url("/"), sign_in_url("/search?query=a b")) == (
        "/sign-in",
        "/sign-in?next=%2Fsearch%3Fquery%3Da+b",
    )
    assert event_url("..") == "/search?query=id%3D%22..%22"


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40))
def test_a_query_for_a_field_finds_exactly_its_text(text: str) -> None:
    assert parse(field_query("user", text)) == ast.Equals("user", text)


@pytest.mark.parametrize("path", ["/", "/search?query=a", "/sessions/a%2Fb", "/sessions/a:b"])
def test_local_paths_are_followed(path: str) -> None:
    assert is_local_path(path)


@pytest.mark.parametrize(
    "path",
    ["", "search", "//evil.example", "/\\evil.example", "https://evil.example", "/a\\b", "/a\nb", "/\tevil", "\t//evil",
     "javascript:alert(1)", "/" + "a" * 5000, "/\x00", " //evil.example", "///evil.example"],
)  # fmt: skip
def test_other_places_are_not(path: str) -> None:
    assert not is_local_path(path)
