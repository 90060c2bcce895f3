"""`logkeep tail`: events as they are stored, until Ctrl-C; what is missed while the connection is away comes after."""

import random
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from logkeep import settings
from logkeep.cli import client
from logkeep.cli.client import TRANSIENT, Connection, Refused, pauses, printable, with_parameters
from logkeep.cli.output import Write, writer
from logkeep.cli.query import OutputFormat, explain
from logkeep.errors import BackendUnavailable, LogkeepError

SILENCE_S = 60.0  # the service says something every 15 s; after this the connection is taken for dead


class Message(msgspec.Struct):
    """One server-sent event. id: "" when it has none of its own."""

    id: str = ""
    event: str = "message"
    data: bytes = b""


class _Notice(msgspec.Struct):
    reason: str = ""
    count: int | None = None
    message: str = ""


def tail(
    text: Annotated[str, typer.Argument(metavar="[QUERY]", help="What to show; empty shows everything.")] = "",
    format: Annotated[OutputFormat, typer.Option(metavar="FORMAT", help="table, json, ndjson or csv.")] = "table",
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="It always follows; this is for the habit of `tail -f`.")
    ] = True,
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
    """Show events as they are stored, until Ctrl-C.

    The query is one of `logkeep query`. When the connection is lost, it is made again and what came meanwhile is shown
    first. What cannot be shown, because more comes than can be sent, is counted on standard error.
    """
    del follow
    here = settings.load(flags={"data": str(data) if data else None})
    secret = client.api_token(token, here.folder)
    connection = Connection(url or client.api_url(here), token=secret, timeout_s=SILENCE_S)
    try:
        with writer(format, sys.stdout, steady=True) as write:
            _follow(connection, text, write)
    except Refused as error:
        return explain(error, text, "tail")
    except KeyboardInterrupt:
        return 0
    return 0


def _follow(connection: Connection, text: str, write: Write) -> None:
    """Shows events for ever. Raises Refused where trying again will not help, or the first try failed;
    BackendUnavailable when the first did; KeyboardInterrupt at Ctrl-C."""
    last_id = said = ""
    waits = pauses(random.Random())
    while True:
        trouble: LogkeepError | None = None
        wait_s = next(waits)
        try:
            headers = {"Last-Event-ID": last_id} if last_id else {}
            for message in messages(connection.stream(with_parameters("/api/v1/tail", {"query": text}), headers)):
                last_id = message.id or last_id
                waits, said = pauses(random.Random()), ""
                _show(message, write)
        except Refused as error:
            if error.status not in TRANSIENT or not last_id:
                raise
            trouble = error
            wait_s = max(wait_s, error.retry_after_s or 0)
        except BackendUnavailable as error:
            if not last_id:  # it has never worked: more likely a wrong address than an interruption
                raise
            trouble = error
        text_now = trouble.message if trouble else "the service ended the stream"
        if text_now != said:
            _say(f"{text_now}; trying again")
            said = text_now
        time.sleep(wait_s)


def _show(message: Message, write: Write) -> None:
    if message.event == "message" and message.data:
        write([message.data])
        sys.stdout.flush()
    elif message.event in ("dropped", "error"):
        found = msgspec.json.decode(message.data, type=_Notice)
        count = f"{found.count:,} events are missing here" if found.count else "some events may be missing here"
        _say(f"{count}: {found.message}" if message.event == "dropped" else found.message)


def _say(text: str) -> None:
    print(f"logkeep tail: {printable(text)}", file=sys.stderr)


def messages(lines: Iterable[bytes]) -> Iterator[Message]:
    """The server-sent events of a stream's lines, also those that only move the id on; comments are passed over."""
    message, is_empty = Message(), True
    for line in lines:
        if not line:
            if not is_empty:
                yield message
            message, is_empty = Message(), True
            continue
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"id":
            message.id = value.decode("utf-8", "replace")
        elif name == b"event":
            message.event = value.decode("utf-8", "replace")
        elif name == b"data":
            message.data = message.data + b"\n" + value if message.data else value
        else:
            continue
        is_empty = False
