"""`logkeep query`: events that match, or what stages make of them, as a table, JSON, NDJSON or CSV."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import typer

from logkeep import settings
from logkeep.cli import client
from logkeep.cli.client import Api, Connection, Refused, printable, with_parameters
from logkeep.cli.output import Found, writer
from logkeep.cli.tables import Table, write_table
from logkeep.errors import BackendUnavailable, InputError, QuerySyntaxError
from logkeep.query.parser import parse_statement

PAGE_EVENTS = 1000  # what the API gives at once
PAGE_BYTES = 4 << 20  # of an export, written at once
OutputFormat = Literal["table", "json", "ndjson", "csv"]


class _Page(msgspec.Struct):
    events: list[msgspec.Raw]
    next: str | None = None


class _Error(msgspec.Struct):
    message: str


class _LastLine(msgspec.Struct):
    error: _Error


_decode_page = msgspec.json.Decoder(_Page).decode


def query(
    text: Annotated[str, typer.Argument(metavar="[QUERY]", help="What to find; empty finds everything.")] = "",
    from_: Annotated[
        str | None,
        typer.Option("--from", metavar="TIME", help="Begin: -15m, now-1d, 2026-08-01T10:00:00Z, epoch ms. [all kept]"),
    ] = None,
    to: Annotated[str | None, typer.Option("--to", metavar="TIME", help="End, not in it. [now]")] = None,
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="Events at most; of tables see `| limit n`.")] = 100,
    order: Annotated[
        Literal["asc", "desc"], typer.Option(metavar="ORDER", help="desc: newest first; asc: oldest first.")
    ] = "desc",
    all_: Annotated[
        bool, typer.Option("--all", help="Every match, streamed, however many; --limit does not count.")
    ] = False,
    format: Annotated[
        OutputFormat, typer.Option("--format", "-f", metavar="FORMAT", help="table, json, ndjson or csv.")
    ] = "table",
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
        typer.Option(metavar="TOKEN", envvar="LOGKEEP_TOKEN", help="Token to read with. [of first-run.json in --data]"),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Data folder of a service on this machine. [LOGKEEP_DATA or ./data]"),
    ] = None,
) -> int:
    """Find events.

    \b
    Words and phrases are looked for in the text of the value; fields by name:
      timeout "timed out" time*        words, phrases, prefixes
      level:error level>=warn          levels in order
      component:checkout user=anna     fields; = is exact, : ignores case where that helps
      session:abc* value>500           prefixes, numbers
      attributes.os:* not (a or b) -c  has an attribute; and, or, not, parentheses

    \b
    After a `|` they are counted, sorted, cut:
      error | count by component, bin(5m)      * | avg(value), p95(value) by key
      error | top 10 user                      error | sort value desc | limit 5
      level:fatal | limit 3 | context 5        error | fields time, user, value

    A query that starts with a dash goes after `--`.
    """
    here = settings.load(flags={"data": str(data) if data else None})
    secret = client.api_token(token, here.folder)
    api = Api(Connection(url or client.api_url(here), token=secret))
    try:
        if makes_table(text):
            write_table(table(api, text, from_, to, format == "table"), format, sys.stdout)
            return 0
        with writer(format, sys.stdout) as write:
            found = exported(api, text, from_, to, order) if all_ else pages(api, text, from_, to, order, limit)
            for page in found:
                write(page)
    except Refused as error:
        return explain(error, text, "query")
    return 0


def makes_table(text: str) -> bool:
    """Whether the answer is rows of columns, not events. A query that cannot be read goes to the service to refuse."""
    try:
        statement = parse_statement(text, chars_max=len(text))
    except QuerySyntaxError:
        return False
    return statement.making is not None or statement.patterns or bool(statement.fields)


def table(api: Api, text: str, from_: str | None, to: str | None, on_screen: bool) -> Table:
    """What the stages of `text` make; a cut is told on standard error. Raises Refused, BackendUnavailable."""
    body = api.get("/api/v1/stats", query=text, from_=from_, to=to)
    try:
        found = msgspec.json.decode(body, type=Table)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InputError(f"{api.connection.url} does not answer like Logkeep's API: {error}") from error
    if found.truncated:
        print(f"logkeep query: these are the first {len(found.rows):,} rows; write | limit n for more", file=sys.stderr)
    if on_screen and not found.rows:
        print("logkeep query: nothing matches", file=sys.stderr)
    return found


def pages(api: Api, text: str, from_: str | None, to: str | None, order: str, limit: int) -> Iterator[list[Found]]:
    """Up to `limit` matches, a page at a time, each event as JSON text. Raises Refused, BackendUnavailable."""
    cursor: str | None = None
    left = limit
    while left > 0:
        body = api.get(
            "/api/v1/search",
            query=text, from_=from_, to=to, order=order, limit=min(left, PAGE_EVENTS), cursor=cursor,
        )  # fmt: skip
        try:
            page = _decode_page(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise InputError(f"{api.connection.url} does not answer like Logkeep's API: {error}") from error
        yield [bytes(event) for event in page.events]
        left -= len(page.events)
        cursor = page.next
        if cursor is None or not page.events:
            return


def exported(api: Api, text: str, from_: str | None, to: str | None, order: str) -> Iterator[list[Found]]:
    """Every match, some at a time, in little memory. Raises Refused, BackendUnavailable (not all came)."""
    path = with_parameters("/api/v1/export", {"query": text, "from": from_, "to": to, "order": order})
    page: list[Found] = []
    size = 0
    try:
        for line in api.connection.stream(path):
            page.append(line)
            size += len(line)
            if len(page) == PAGE_EVENTS or size > PAGE_BYTES:
                yield page
                page, size = [], 0
    except BackendUnavailable as error:
        raise BackendUnavailable(f"the export is not complete: {_last_words(page) or error.message}") from error
    if page:
        yield page


def _last_words(lines: list[Found]) -> str:
    """The message of an export that ended with an error in its last line; "" when it just ended."""
    try:
        return printable(msgspec.json.decode(lines[-1], type=_LastLine).error.message) if lines else ""
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ""


def explain(error: Refused, text: str, command: str) -> int:
    """Shows where a query went wrong; the exit code."""
    if error.status != 400:
        raise error
    if error.column is not None and "\n" not in text:
        print(f"{printable(text)}\n{' ' * len(printable(text[: error.column - 1]))}^", file=sys.stderr)
    print(f"logkeep {command}: {error.message.removesuffix(' (status 400)')}", file=sys.stderr)
    return 2
