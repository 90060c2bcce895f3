"""`logkeep demo`: a service filled with real logs, and three sessions worth opening."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC
from functools import partial
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import msgspec
import typer

from logkeep import settings as settings_module
from logkeep.cli import client
from logkeep.cli.check import LedgerSums, read_ledger
from logkeep.cli.child import end_with_parent
from logkeep.cli.client import Api, Connection, FirstRun, Intake, printable
from logkeep.cli.outgoing import Overrides
from logkeep.cli.output import Shown, value_text
from logkeep.cli.query import pages
from logkeep.cli.send import Reading, send_files
from logkeep.cli.shipping import Shipper, Totals
from logkeep.errors import BackendUnavailable, LogkeepError
from logkeep.settings import Settings
from logkeep.supervisor import running_settings

START_S = 200.0
STORED_S = 120.0
# The files are years old and up to six weeks long; squeezed into this they lie within the default retention.
WITHIN_DAYS = 6.5
TROUBLE = ("warn", "error", "fatal")
LINKS = 3
GENERATED_EVENTS = 20_000
SESSION_EVENTS = range(6, 80)  # a telling session is more than a line and can be read to its end


class DemoFile(msgspec.Struct, frozen=True):
    """One file of the Loghub collection and how its sessions are cut. The rest is as in `logkeep send`."""

    file: str
    component: str
    format: str
    session: str = ""
    session_regex: str = ""
    session_default: str = "{file}"


FILES = (
    DemoFile("HDFS.log", "hdfs", "log4j", session_regex=r"(blk_-?\d+)"),
    DemoFile("OpenStack.log", "openstack", "openstack", session="{request}"),
    DemoFile("OpenSSH.log", "openssh", "syslog", session="sshd-{pid}"),
    DemoFile("Linux.log", "linux", "syslog", session="{program}-{pid}", session_default="{program}"),
    DemoFile(
        "Hadoop.log",
        "hadoop",
        "log4j",
        session_regex=r"((?:attempt|appattempt|container)_\d+_[\d_mr]*\d)",
        session_default="hadoop {thread}",
    ),
    DemoFile("Spark.log", "spark", "log4j", "spark-stage-{match}", r"stage (\d+)\.", "spark-{logger}"),
    DemoFile("Apache.log", "apache", "apache-error", "apache-child-{match}", r"child (\d+)", "apache-{minute}"),
    DemoFile("Android.log", "android", "logcat", session="{tag}-{pid}"),
)


def demo(
    loghub: Annotated[
        Path, typer.Option(metavar="DIR", help="Folder of the eight Loghub files; without it, generated events.")
    ] = Path("../shared/data/loghub"),
    data: Annotated[Path | None, typer.Option(metavar="DIR", help="Data folder. [LOGKEEP_DATA or ./data]")] = None,
    stop: Annotated[
        bool, typer.Option("--stop", help="Stop a service that this command started, instead of leaving it on.")
    ] = False,
) -> int:
    """Fill a service with real logs and print links worth opening.

    Takes the service that runs on the data folder, on whichever ports, or starts one, which then runs until Ctrl-C.
    Each file becomes a component with sessions of its own; times are moved so that the last event is now. Run twice,
    nothing is doubled.
    """
    settings = settings_module.load(flags={"data": str(data) if data else None})
    settings = running_settings(settings.folder) or settings  # on whichever ports it was started
    with _service(settings) as started:
        access = client.first_run(settings.folder)
        if access is None or not (access.app_key and access.api_token):
            path = settings.folder / client.FIRST_RUN_FILE
            raise BackendUnavailable(f"{path} is not there: the demo needs the key and token of the first start")
        complete = _fill(settings, access, loghub)
        if started is not None and not stop:
            print("\n  Logkeep goes on running here. Stop with Ctrl-C.", flush=True)
            _wait_for_end(started)
    return 0 if complete else 1


@contextmanager
def _service(settings: Settings) -> Iterator[subprocess.Popen[bytes] | None]:
    """A ready service; the process when it was started here, which is ended afterwards."""
    if _is_ready(settings):
        yield None
        return
    command = [sys.executable, "-m", "logkeep.cli", "serve", "--data", str(settings.folder)]
    # Its own session, so that Ctrl-C reaches this process only; and it ends with this one, however that ends.
    follow = partial(end_with_parent, os.getpid())
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True, preexec_fn=follow)
    try:
        until = time.monotonic() + START_S
        while not _is_ready(settings):
            if process.poll() is not None:
                raise BackendUnavailable(f"logkeep serve ended with exit code {process.returncode}; see above")
            if time.monotonic() > until:
                raise BackendUnavailable(f"logkeep serve was not ready after {START_S:.0f} s; see above")
            time.sleep(0.1)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def _is_ready(settings: Settings) -> bool:
    try:
        for url in (client.intake_url(settings), client.api_url(settings)):
            Api(Connection(url, timeout_s=2.0)).get("/health/ready")
    except LogkeepError:
        return False
    return client.first_run(settings.folder) is not None


def _wait_for_end(process: subprocess.Popen[bytes]) -> None:
    with suppress(KeyboardInterrupt):
        process.wait()


def _fill(settings: Settings, access: FirstRun, loghub: Path) -> bool:
    """Sends everything, waits until it is stored, prints the links; whether all of it arrived."""
    intake_url = client.intake_url(settings)
    api_url = client.api_url(settings)
    api = Api(Connection(api_url, token=access.api_token))
    intake = Intake(Connection(intake_url, token=access.app_key))
    complete = True
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # in step with what the service says
    files = [wanted for wanted in FILES if (loghub / wanted.file).is_file()]
    if files:
        print(f"Sending {len(files)} real logs from {loghub}")
    else:
        print(f"{loghub} is not there: sending generated events")
        complete = send_generated(intake).complete
    for wanted in files:
        totals = send_demo_file(loghub / wanted.file, wanted, intake)
        complete = complete and totals.complete
        print(f"  {wanted.component:10} {totals.summary()}")
    ledger = wait_until_stored(api)
    print(f"Stored: {ledger.stored:,} of {ledger.received:,} events received so far")
    print("\nWorth opening:\n")
    components = [wanted.component for wanted in files] or [""]
    for session, what in telling_sessions(api, components):
        print(f"  {api_url}{_session_path(session)}\n      {what}\n")
    return complete


def send_demo_file(path: Path, wanted: DemoFile, intake: Intake) -> Totals:
    overrides = Overrides(
        component=wanted.component,
        session=wanted.session,
        session_regex=wanted.session_regex,
        session_default=wanted.session_default,
    )
    reading = Reading(wanted.format, UTC, shift_to_now=True, within_days=WITHIN_DAYS, overrides=overrides)
    return send_files([str(path)], reading, Shipper(intake, batch_events=1000))


def send_generated(intake: Intake) -> Totals:
    """A day of made-up events of a shop, sent by the same code as a file of Logkeep's own events."""
    from logkeep.loadgen.events import write_ndjson

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "generated.ndjson"
        write_ndjson(path, GENERATED_EVENTS, 1, 1.0)
        totals = send_files([str(path)], Reading("ndjson", UTC), Shipper(intake, batch_events=1000))
    print(f"  {'generated':10} {totals.summary()}")
    return totals


def wait_until_stored(api: Api) -> LedgerSums:
    """The ledger, once nothing is queued. Raises BackendUnavailable after STORED_S."""
    until = time.monotonic() + STORED_S
    while True:
        ledger = read_ledger(api)
        if ledger.queued == 0 and ledger.received:
            return ledger
        if time.monotonic() > until:
            raise BackendUnavailable(f"{ledger.queued:,} events are still queued after {STORED_S:.0f} s")
        time.sleep(0.2)


_DIGITS = re.compile(r"[0-9a-f]{8,}|\d+")


def telling_sessions(api: Api, components: Sequence[str]) -> list[tuple[str, str]]:
    """LINKS sessions and a line about each, the most telling first, each of another component.

    Telling is: many different messages, and trouble among them. Looked for among the newest thousand events.
    """
    best: list[tuple[float, str, str]] = []  # score, session, component
    for component in components:
        query = f"component:{component}" if component else ""
        by_session: dict[str, list[Shown]] = defaultdict(list)
        for page in pages(api, query, None, None, "desc", 1000):
            for event in page:
                shown = msgspec.json.decode(event, type=Shown)
                by_session[shown.session].append(shown)
        scored = [(_score(events), name) for name, events in by_session.items() if len(events) in SESSION_EVENTS]
        scored = scored or [(_score(events), name) for name, events in by_session.items()]
        scored.sort(reverse=True)
        best += [(score, name, component) for score, name in scored[: 1 if len(components) > 1 else LINKS]]
    best.sort(key=lambda found: -found[0])  # among equals the order of `components` stays
    return [(name, _about(api, component, name)) for _, name, component in best[:LINKS]]


def _score(events: Sequence[Shown]) -> float:
    """Of a dozen different messages on, more of them tell no more."""
    kinds = len({_DIGITS.sub("#", value_text(event.value))[:80] for event in events})
    trouble = sum(event.level in TROUBLE for event in events)
    return min(kinds, 12) * (1.5 if 0 < trouble < len(events) else 1.0)


class _Session(msgspec.Struct):
    events: list[Shown]


def _about(api: Api, component: str, session: str) -> str:
    found = msgspec.json.decode(api.get(f"{_session_path(session)}.json"), type=_Session)
    trouble = sum(event.level in TROUBLE for event in found.events)
    text = f"{component or 'generated'}: {len(found.events):,} events"
    text += f", {trouble:,} of them warnings or errors" if trouble else ""
    return f"{text}; begins with: {printable(value_text(found.events[0].value))[:70]}"


def _session_path(session: str) -> str:
    return f"/sessions/{quote(session, safe='')}"
