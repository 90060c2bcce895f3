"""`logkeep load`: made-up events as fast as asked, and a report of how they were taken."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Literal

import msgspec
import typer

from logkeep import settings
from logkeep.cli import client
from logkeep.cli import send_options as options
from logkeep.loadgen.report import LoadPlan, LoadReport
from logkeep.loadgen.target import resolve_target

EVENTS_DEFAULT = 100_000


def load(
    url: options.Url = None,
    app_key: Annotated[
        str | None,
        typer.Option(
            "--app-key",
            "--key",
            metavar="KEY",
            envvar="LOGKEEP_KEY",
            help="Key to send with. [of first-run.json in --data]",
        ),
    ] = None,
    key_file: options.KeyFile = None,
    data: options.Data = None,
    protocol: Annotated[Literal["http", "udp"], typer.Option(metavar="PROTOCOL", help="http or udp.")] = "http",
    events: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Events to send. [100000 when --seconds is not given]")
    ] = None,
    seconds: Annotated[float | None, typer.Option(metavar="S", min=0.01, help="End after this time.")] = None,
    rate: Annotated[
        float | None, typer.Option(metavar="N", min=0.001, help="Events a second. [as fast as they are taken]")
    ] = None,
    connections: Annotated[int, typer.Option(metavar="N", min=1, max=4096, help="HTTP connections at once.")] = 8,
    batch: Annotated[int, typer.Option(metavar="N", min=1, max=10_000, help="Events in an HTTP request.")] = 1,
    encoding: Annotated[
        Literal["plain", "gzip", "zstd"], typer.Option(metavar="ENCODING", help="Of HTTP bodies: plain, gzip or zstd.")
    ] = "plain",
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="The same seed makes the same events.")] = 1,
    days: Annotated[
        float,
        typer.Option(
            metavar="DAYS", min=0, max=3650, help="Spread times over the last days. [now]", show_default=False
        ),
    ] = 0.0,
    with_ids: Annotated[bool, typer.Option("--with-ids", help="Give every event an id of its own.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
    allow_remote: Annotated[
        bool, typer.Option("--allow-remote", help="Also load another machine than this one.")
    ] = False,
) -> int:
    """Generate realistic events and measure how they are taken.

    Many components of a made-up shop, with sessions, users, levels, numbers, JSON and stack traces; about 520 bytes
    an event. Datagrams are numbered by a client for each component, so that losses show in the service. Exit code 1
    when anything was rejected, refused or failed.
    """
    here = settings.load(flags={"data": str(data) if data else None})
    plan = LoadPlan(
        url=url or client.intake_url(here),
        key=client.app_key(app_key, key_file, here.folder),
        events=events or (None if seconds else EVENTS_DEFAULT),
        seconds=seconds,
        rate=rate,
        connections=connections,
        batch=batch,
        encoding=encoding,
        seed=seed,
        days=days,
        with_ids=with_ids,
        run=f"{time.time_ns() // 1_000_000:x}",
    )
    report = run_load(plan, protocol, allow_remote=allow_remote)
    print(msgspec.json.encode(report).decode() if json else "\n".join(report.lines()))
    return 0 if report.complete else 1


def run_load(plan: LoadPlan, protocol: Literal["http", "udp"], *, allow_remote: bool = False) -> LoadReport:
    """The report of `plan`, run to its end, with a bar on a terminal. Raises InputError, BackendUnavailable."""
    target = resolve_target(plan.url, allow_remote=allow_remote)
    with _progress(plan) as progress:
        if protocol == "udp":
            from logkeep.loadgen.udp import run_udp

            return run_udp(plan, target, progress.events)
        from logkeep.loadgen.http import run_http

        return run_http(plan, target, progress.events)


class _Progress:
    """Nothing to see: standard error is no terminal."""

    def events(self, done: int) -> None:
        """So many events are done so far."""


@contextmanager
def _progress(plan: LoadPlan) -> Iterator[_Progress]:
    if not sys.stderr.isatty():
        yield _Progress()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    rate = TextColumn("{task.fields[rate]} events/s")
    with Progress(
        BarColumn(), MofNCompleteColumn(), rate, TimeElapsedColumn(), console=Console(stderr=True), transient=True
    ) as bars:
        task = bars.add_task("", total=plan.events, rate="")

        class Bar(_Progress):
            def events(self, done: int) -> None:
                elapsed_s = bars.tasks[0].elapsed or 0.0
                bars.update(task, completed=done, rate=f"{done / elapsed_s:,.0f}" if elapsed_s else "")

        yield Bar()
