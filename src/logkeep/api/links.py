"""Addresses of pages, built in one place so that any name, however odd, leads where it should."""

from typing import Literal
from urllib.parse import quote, urlencode

from logkeep.query.printer import quoted

_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")


def session_url(session: str) -> str:
    """The page of a session. A name that ends in `.json` says which form it wants, or it would be taken for the suffix.

    Browsers drop the path segments `.` and `..` even when encoded: those two are reached by a search.
    """
    if session in (".", ".."):
        return search_url(field_query("session", session), order="asc")
    return f"/sessions/{quote(session, safe='')}" + ("?format=html" if session.endswith(".json") else "")


def viewer_url(page: str, parameter: str, name: str) -> str:
    """A page of the viewer about one thing: its name stands after `?`, where browsers leave `.` and `..` alone."""
    return f"/app/{page}?" + urlencode({parameter: name})


def session_json_url(session: str) -> str:
    return f"/sessions/{quote(session, safe='')}.json"


def named_url(of: Literal["device", "user"], name: str) -> str:
    """The page of a device or a user; browsers drop `.` and `..` from paths, so those two are reached by their list."""
    if name in (".", ".."):
        return list_url("session", **{of: name})
    return f"/{of}s/{quote(name, safe='')}"


def list_url(of: Literal["session", "device", "user"], **parameters: str | None) -> str:
    """The page that lists them; parameters that are None or "" are left out, but for an empty `from`: everything."""
    given = {name: value for name, value in parameters.items() if value or (name == "from" and value == "")}
    return f"/{of}s" + (f"?{urlencode(given)}" if given else "")


def issue_url(issue: str) -> str:
    return f"/issues/{quote(issue, safe='')}"


def issues_url(**parameters: str | None) -> str:
    """The page that lists them; parameters that are None or "" are left out, but for an empty `status`: all."""
    given = {name: value for name, value in parameters.items() if value or (name == "status" and value == "")}
    return "/issues" + (f"?{urlencode(given)}" if given else "")


def event_url(event_id: str) -> str:
    if event_id in (".", ".."):
        return search_url(field_query("id", event_id))
    return f"/events/{quote(event_id, safe='')}"


def search_url(query: str = "", **parameters: str | None) -> str:
    """The search page; parameters that are None or "" are left out."""
    given = {"query": query, **parameters}
    return "/search?" + urlencode({name: value for name, value in given.items() if value})


def sign_in_url(next: str) -> str:
    return "/sign-in" if next == "/" else f"/sign-in?{urlencode({'next': next})}"


def field_query(field: str, text: str) -> str:
    """The query for events whose `field` is exactly `text`."""
    plain = text and _PLAIN.issuperset(text) and text.lower() not in ("and", "or", "not")
    return f"{field}={text if plain else quoted(text)}"
