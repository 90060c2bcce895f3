"""`logkeep erase`: events that match are gone for good, once the number of them is confirmed."""

import sys
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
import typer

from logkeep import settings
from logkeep.cli import client
from logkeep.cli.client import Api, Connection, Refused, printable
from logkeep.cli.query import explain
from logkeep.clock import SystemClock
from logkeep.errors import BackendUnavailable, InputError

LOOK_EVERY_S = 0.5
FAILED = 1

T = TypeVar("T")


class _Covers(msgspec.Struct, frozen=True):
    session_map: list[str] = []


class _Asked(msgspec.Struct):
    job: str
    matches: int
    query: str
    confirm: str
    covers: _Covers = _Covers()


class _Job(msgspec.Struct):
    job: str
    state: str
    error: str | None = None


def erase(
    text: Annotated[str, typer.Argument(metavar="[QUERY]", help="What to erase.")] = "",
    from_: Annotated[
        str | None,
        typer.Option("--from", metavar="TIME", help="Begin: -15m, now-1d, 2026-08-01T10:00:00Z, epoch ms. [all kept]"),
    ] = None,
    to: Annotated[str | None, typer.Option("--to", metavar="TIME", help="End, not in it. [all kept]")] = None,
    all_: Annotated[bool, typer.Option("--all", help="An empty query is meant: every event.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    wait: Annotated[bool, typer.Option(help="Wait until no file holds any of it, and print the receipt.")] = True,
    url: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            envvar="LOGKEEP_API_URL",
            help="API of the service. [the one on --data, else by the settings: http://127.0.0.1:7301]",
        ),
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(
            metavar="TOKEN", envvar="LOGKEEP_TOKEN", help="Token that may erase. [of first-run.json in --data]"
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Data folder of a service on this machine. [LOGKEEP_DATA or ./data]"),
    ] = None,
) -> int:
    """Erase events for good.

    Tells how many match and asks. What was acknowledged until then is erased from store, queue, rejected samples and
    dead letters; what comes later stays. It cannot be taken back. The receipt is JSON.
    """
    here = settings.load(flags={"data": str(data) if data else None})
    secret = client.api_token(token, here.folder)
    api = Api(Connection(url or client.api_url(here), token=secret))
    try:
        asked = _decoded(
            api.change("DELETE", "/api/v1/events", query=text, from_=from_, to=to, all_="true" if all_ else None),
            _Asked,
        )
    except Refused as error:
        if error.code == "erases_all":
            raise InputError("an empty query would erase every event; if that is meant, add --all") from error
        return explain(error, text, "erase")
    if not yes and not _agreed(asked):
        print("nothing was erased", file=sys.stderr)
        return FAILED
    body = api.change("POST", f"/api/v1/erasures/{asked.job}", msgspec.json.encode({"confirm": asked.confirm}))
    clock = SystemClock()
    while wait and _decoded(body, _Job).state not in ("done", "failed"):
        clock.sleep(LOOK_EVERY_S)
        body = api.get(f"/api/v1/erasures/{asked.job}")
    print(msgspec.json.format(body).decode())
    return FAILED if _decoded(body, _Job).state == "failed" else 0


def _agreed(asked: _Asked) -> bool:
    """Raises InputError where there is nobody to ask."""
    what = printable(asked.query) or "everything"
    if not sys.stdin.isatty():
        raise InputError(f"{asked.matches:,} events match {what}; erasing them needs --yes, or a terminal to ask on")
    named = ", ".join(map(printable, asked.covers.session_map))
    them = f"them, and what is known of {named}," if named else "them"
    print(f"{asked.matches:,} events match {what}. Erase {them} for good? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _decoded(body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BackendUnavailable(f"the service does not answer like Logkeep's API: {error}") from error
