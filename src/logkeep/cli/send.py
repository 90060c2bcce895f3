"""`logkeep send`: log files and standard input → events."""

import signal
import sys
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import tzinfo
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import msgspec

from logkeep import settings
from logkeep.cli import client
from logkeep.cli import send_options as options
from logkeep.cli.client import Connection, Intake
from logkeep.cli.outgoing import EventMaker, Ids, NativeEvents, Overrides, Shift, native_time
from logkeep.cli.shipping import Place, Shipper, Totals
from logkeep.cli.source import STDIN, Source
from logkeep.decode.lines import FORMATS, GUESS_LINES, Calendar, Joiner, TextLine, guess_format
from logkeep.errors import InputError

POLL_S = 0.25  # how often followed files are looked at
LINGER_S = 1.0  # silence after which what is held back is sent
NATIVE = "ndjson"


class Reading(msgspec.Struct, frozen=True):
    """How to read files. year: of dates without one. shift_to_now: see `Shift`; within_days: its longest span."""

    format: str = "auto"
    zone: Any = None
    year: int | None = None
    shift_to_now: bool = False
    within_days: float | None = None
    overrides: Overrides = Overrides()


class Progress(Protocol):
    def advance(self, read_bytes: int) -> None: ...


def send(
    files: options.Files = None,
    format: options.Format = "auto",
    session: options.Session = "",
    session_regex: options.SessionRegex = "",
    session_default: options.SessionDefault = "{file}",
    component: options.Component = "",
    key: options.Key = "",
    follow: options.Follow = False,
    url: options.Url = None,
    app_key: options.AppKey = None,
    key_file: options.KeyFile = None,
    data: options.Data = None,
    batch: options.BatchEvents = 1000,
    encoding: options.Packing = "zstd",
    year: options.Year = None,
    timezone: options.TimeZone = "UTC",
    shift_to_now: options.ShiftToNow = False,
    within_days: options.WithinDays = None,
    no_ids: options.NoIds = False,
    retry_s: options.RetryS = 120.0,
) -> int:
    """Send log files, or what comes on standard input.

    Each record becomes an event: its message is the value, what else was read becomes time, level, component and
    attributes. Lines that belong to the record before (stack traces) stay with it. Lines that cannot be read are
    reported with their number and the rest is sent.

    Events carry ids made from machine, path, place in the file and line, so sending the same file again (after a
    failure, say) doubles nothing. Exit code 1 when anything was rejected, unreadable or not delivered.
    """
    paths = files or [STDIN]
    if shift_to_now and (follow or STDIN in paths):
        raise InputError("--shift-to-now reads files twice: it goes with neither standard input nor --follow")
    if key.startswith(("lkw_", "lkr_")):  # never echoed: it is a secret, and would stand in every event
        raise InputError("--key names the key of the events, and this is a write key or a token: give it as --app-key")
    overrides = Overrides(component, key, session, session_regex, session_default, not no_ids)
    reading = Reading(format, _zone(timezone), year, shift_to_now, within_days, overrides)
    here = settings.load(flags={"data": str(data) if data else None})
    secret = client.app_key(app_key, key_file, here.folder)
    connection = Connection(url or client.intake_url(here), token=secret)
    intake = Intake(connection, encoding=encoding, retry_s=None if follow else retry_s)
    shipper = Shipper(intake, batch_events=batch)
    try:
        send_files(paths, reading, shipper, follow=follow)
    finally:
        print(shipper.totals.summary(), file=sys.stderr)
    return 0 if shipper.totals.complete else 1


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError) as error:
        raise InputError(f"--timezone {name!r} is no zone that this machine knows, such as Europe/Berlin") from error


def send_files(paths: Sequence[str], reading: Reading, shipper: Shipper, *, follow: bool = False) -> Totals:
    """Everything in `paths` has been sent and answered. Raises InputError, Refused, BackendUnavailable."""
    sources = [Source(path, follow=follow) for path in paths]
    pipelines = [Pipeline(source, reading, shipper) for source in sources]
    try:
        with _stopping() as stop, _progress(sources) as progress:
            if follow:
                _follow(pipelines, shipper, stop)
            else:
                for pipeline in pipelines:
                    _drain(pipeline, shipper, stop, progress)
            for pipeline in pipelines:
                pipeline.finish()
            shipper.flush()
    finally:
        for source in sources:
            source.close()
    return shipper.totals


class _Stop:
    """Set by the first Ctrl-C or SIGTERM: finish what has been read. The second one ends at once."""

    wanted = False


@contextmanager
def _stopping() -> Iterator[_Stop]:
    stop = _Stop()

    def ask(number: int, frame: object) -> None:
        if stop.wanted:
            raise KeyboardInterrupt
        stop.wanted = True

    try:
        before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # not in the main thread
        before = {}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _progress(sources: Sequence[Source]) -> Iterator[Progress | None]:
    """A bar on standard error, on a terminal only."""
    size = sum(source.size for source in sources)
    if not sys.stderr.isatty() or not size or any(source.follow or source.live for source in sources):
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("", total=size)

        class Bar:
            def advance(self, read_bytes: int) -> None:
                bars.advance(task, read_bytes)

        yield Bar()


def _drain(pipeline: "Pipeline", shipper: Shipper, stop: _Stop, progress: Progress | None) -> None:
    """Reads one source to its end; what comes slowly (a program's output) is sent after LINGER_S of silence."""
    silent_s = 0.0
    while not pipeline.source.ended and not stop.wanted:
        before = pipeline.source.read_bytes
        pipeline.step(POLL_S)
        came = pipeline.source.read_bytes - before
        if progress is not None:
            progress.advance(came)
        silent_s = 0.0 if came else silent_s + POLL_S
        if silent_s >= LINGER_S:
            pipeline.release()
            shipper.flush()
    pipeline.finish()


def _follow(pipelines: Sequence["Pipeline"], shipper: Shipper, stop: _Stop) -> None:
    silent_s = 0.0
    while not stop.wanted and not all(pipeline.source.ended for pipeline in pipelines):
        before = sum(pipeline.source.read_bytes for pipeline in pipelines)
        for pipeline in pipelines:
            pipeline.step(0.0)
        if sum(pipeline.source.read_bytes for pipeline in pipelines) > before:
            silent_s = 0.0
            continue
        silent_s += POLL_S
        if LINGER_S <= silent_s < LINGER_S + POLL_S:
            for pipeline in pipelines:
                pipeline.release()
            shipper.flush()
        if not stop.wanted:
            time.sleep(POLL_S)


class Pipeline:
    """One source on its way: lines → records → events → shipper. The format is found out with the first lines."""

    def __init__(self, source: Source, reading: Reading, shipper: Shipper) -> None:
        self.source = source
        self._reading = reading
        self._shipper = shipper
        self._calendar = Calendar(reading.zone, year=reading.year, not_after_ns=_not_after_ns(source))
        self._generation = 0
        self._run_id = uuid.uuid4().hex if source.path == STDIN else ""
        self._early: list[TextLine] = []
        self._flow: _LineFlow | _NativeFlow | None = None

    def step(self, wait_s: float) -> None:
        """What the next piece of the source completes is with the shipper."""
        lines = self.source.read(wait_s)
        if lines:
            self._take(lines)
        if self._generation != self.source.generation:
            self._start_over()

    def release(self) -> None:
        """Nothing is held back any more, though more may come."""
        if self._flow is None and self._early:
            self._begin()
        if self._flow is not None:
            self._flow.flush()

    finish = release

    def _take(self, lines: list[TextLine]) -> None:
        if self.source.follow or self.source.live:
            self._calendar.not_after_ns = time.time_ns()
        if self._flow is None:
            self._early += lines
            if len(self._early) >= GUESS_LINES or self._reading.format != "auto":
                self._begin()
        else:
            self._flow.take(lines)

    def _begin(self) -> None:
        early, self._early = self._early, []
        self._flow = self._open_flow([line.text for line in early])
        self._flow.take(early)

    def _open_flow(self, sample: list[str]) -> "_LineFlow | _NativeFlow":
        reading, overrides = self._reading, self._reading.overrides
        name = reading.format if reading.format != "auto" else guess_format(sample, self._calendar)
        # Generation 0 counts for every rotation but the ones seen: a rerun then finds the ids of the run before.
        generation = self._run_id + (f"{self._generation}" if self._generation and not self._run_id else "")
        ids = Ids(self.source.path, generation) if overrides.ids else None
        shift = _shift(self.source.path, name, reading, self._calendar) if reading.shift_to_now else None
        if name == NATIVE:
            return _NativeFlow(NativeEvents(overrides, self.source.name, ids, shift), self.source.name, self._shipper)
        format = FORMATS[name]
        maker = EventMaker(overrides, self.source.name, format.key, ids, shift)
        joiner = format.joiner(self._calendar)
        return _LineFlow(joiner, maker, name, self.source.name, self._shipper)

    def _start_over(self) -> None:
        """The file was rotated or truncated: what is held back belongs to the old one."""
        self.release()
        self._generation = self.source.generation
        self._flow = None


class _LineFlow:
    def __init__(self, joiner: Joiner, maker: EventMaker, format: str, file: str, shipper: Shipper) -> None:
        self._joiner = joiner
        self._maker = maker
        self._format = format
        self._file = file
        self._shipper = shipper

    def take(self, lines: Sequence[TextLine]) -> None:
        self._ship(self._joiner.feed(lines))
        for bad in self._joiner.bad_lines():
            self._shipper.unreadable(Place(self._file, bad.number), f"not a line of {self._format}: {bad.text[:120]}")

    def flush(self) -> None:
        self._ship(self._joiner.flush())

    def _ship(self, records: Sequence[Any]) -> None:
        events, add, file = self._maker.events, self._shipper.add, self._file
        for record in records:
            for event in events(record):
                add(event, Place(file, record.start.number))


class _NativeFlow:
    def __init__(self, events: NativeEvents, file: str, shipper: Shipper) -> None:
        self._events = events
        self._file = file
        self._shipper = shipper

    def take(self, lines: Sequence[TextLine]) -> None:
        for line in lines:
            if not line.text.strip():
                continue
            event = self._events.event(line)
            place = Place(self._file, line.number)
            if event is None:
                self._shipper.unreadable(place, f"not a JSON object: {line.text[:120]}")
            else:
                self._shipper.add(event, place)

    def flush(self) -> None:
        """Nothing is ever held back."""


def _not_after_ns(source: Source) -> int:
    """Dates without a year are not later than this: the file's last change; now for what is still growing."""
    return time.time_ns() if source.follow or source.live else min(source.changed_ns, time.time_ns())


def _shift(path: str, format: str, reading: Reading, calendar: Calendar) -> Shift | None:
    """Found by reading the whole file once; None when no line tells a time."""
    source = Source(path)
    read_time = native_time if format == NATIVE else _line_time(format, calendar)
    first_ns: int | None = None
    last_ns: int | None = None
    try:
        while not source.ended:
            times = [found for line in source.read(0.0) if (found := read_time(line.text)) is not None]
            if times:
                first_ns = min(times) if first_ns is None else min(first_ns, *times)
                last_ns = max(times) if last_ns is None else max(last_ns, *times)
    finally:
        source.close()
    if first_ns is None or last_ns is None:
        return None
    return Shift.of(first_ns, last_ns, time.time_ns(), reading.within_days)


def _line_time(format: str, calendar: Calendar) -> Any:
    parse = FORMATS[format].parser(calendar)

    def read_time(text: str) -> int | None:
        line = parse(text)
        return line.time_ns if line is not None else None

    return read_time
