"""`logkeep check`: is everything in order, from the outside and without changing anything."""

import fcntl
import os
import re
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import typer

from logkeep import settings as settings_module
from logkeep.cli import client
from logkeep.cli.client import Api, Connection, printable
from logkeep.cli.settings_table import shown
from logkeep.errors import BackendUnavailable, CorruptData, InputError, LogkeepError
from logkeep.settings import Settings

TIMEOUT_S = 5.0
QUEUE_BYTES_READ = 64 << 20  # of the queue, while the service is stopped; the rest is read when it is processed
LOCK_FILE = "lock"
State = Literal["ok", "note", "wrong"]


class Finding(msgspec.Struct, frozen=True):
    """note: worth knowing, nothing to mend."""

    what: str
    state: State
    detail: str


def check(
    config: Annotated[
        Path | None, typer.Option(metavar="FILE", help="TOML file of settings, as given to serve.")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Data folder. [LOGKEEP_DATA, the file's, or ./data]")
    ] = None,
) -> int:
    """Look whether everything is in order, whether the service runs or not; nothing is changed.

    Configuration, data folder, disk space, ports, queue, store, and the ledger: every event received is stored,
    rejected with a reason, or still queued. Exit code 1 when something is wrong.
    """
    findings = all_findings(config, data)
    _print(findings)
    return 1 if any(finding.state == "wrong" for finding in findings) else 0


def all_findings(config: Path | None, data: Path | None) -> list[Finding]:
    try:
        settings = settings_module.load(file=config, flags={"data": str(data) if data else None})
    except InputError as error:
        return [Finding("configuration", "wrong", error.message)]
    found = [_configuration(settings, config), *_servers(settings), _data_folder(settings), _disk_space(settings)]
    found.append(_found("metastore", lambda: _metastore(settings)))
    running = _lock_holder(settings.folder)
    found.append(Finding("service", "note", f"running, process {running}" if running else "not running"))
    if running:
        return found + _running_findings(settings)
    return found + [_port_free(settings, name) for name in ("intake", "api")] + _stopped_findings(settings)


def _configuration(settings: Settings, config: Path | None) -> Finding:
    changed = [row.variable for row in settings_module.rows() if row.variable in os.environ]
    detail = str(config) if config else "no file, defaults"
    warnings = [
        f"{name} is open to the network ({host})"
        for name, host in (("intake", settings.intake.host), ("api", settings.api.host))
        if host not in ("127.0.0.1", "::1", "localhost")
    ]
    detail += f"; set in the environment: {', '.join(changed)}" if changed else ""
    return Finding("configuration", "note" if warnings else "ok", "; ".join([detail, *warnings]))


def _servers(settings: Settings) -> list[Finding]:
    """What leads to each server in use, as far as it is set; secrets are not told."""
    wanted = {
        settings.queue.kind, "opensearch" if settings.store.kind == "elasticsearch" else settings.store.kind,
        "metastore" if settings.metastore.url else "", "redis" if settings.counters.kind == "redis" else "",
        "counters" if settings.counters.url else "",
    }  # fmt: skip
    told: dict[str, list[str]] = {}
    for row in settings_module.rows():
        section, _, name = row.name.partition(".")
        value = getattr(getattr(settings, section), name) if section in wanted and name else row.default
        if value != row.default:
            told.setdefault(section, []).append(f"{name}={shown(row, value)}")
    return [Finding(f"{section} settings", "ok", ", ".join(values)) for section, values in told.items()]


def _data_folder(settings: Settings) -> Finding:
    folder = settings.folder
    if not folder.exists():
        parent = next(path for path in folder.parents if path.exists())
        state: State = "note" if os.access(parent, os.W_OK) else "wrong"
        return Finding("data folder", state, f"{folder} is not there yet; the first start makes it")
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
            os.fsync(file.fileno())
    except OSError as error:
        return Finding("data folder", "wrong", f"cannot write into {folder}: {error.strerror or error}")
    return Finding("data folder", "ok", f"{folder} can be written")


def _disk_space(settings: Settings) -> Finding:
    folder = next(path for path in (settings.folder, *settings.folder.parents) if path.exists())
    status = os.statvfs(folder)
    free = status.f_bavail * status.f_frsize
    least = settings.queue.free_bytes_min
    detail = f"{_size(free)} free; intake stops below {_size(least)} (queue.free_bytes_min)"
    if free < least:
        return Finding("disk space", "wrong", detail)
    low = free < least + settings.queue.bytes_max // 10
    return Finding("disk space", "note" if low else "ok", detail + ("; getting low" if low else ""))


def _metastore(settings: Settings) -> Finding:
    """Never tells its address, which holds a password."""
    from logkeep import wiring
    from logkeep.metastore.database import HEAD
    from logkeep.metastore.start import has_known_keys

    new = Finding("metastore", "note", "there is none yet; the first start makes it")
    if has_known_keys(settings.folder):
        detail = f"it is empty, and {settings.folder} is of accounts that were in it; restore it"
        new = Finding("metastore", "wrong", detail)
    file, shared = settings.folder / wiring.METASTORE_FILE, bool(settings.metastore.url)
    if not shared and not file.exists():
        return new
    with wiring.open_database(settings) as database:
        revision = database.revision()
        if revision is None:
            return new
        apps = database.read(lambda transaction: transaction.rows("SELECT COUNT(*) FROM apps"))[0][0]
        where = "reachable" if shared else str(file)
    state: State = "ok" if revision == HEAD else "note"
    return Finding("metastore", state, f"{where}; {apps} apps, tables of revision {revision} (this one's: {HEAD})")


def _size(number: int) -> str:
    for unit, size in (("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)):
        if number >= size:
            return f"{number / size:,.1f} {unit}"
    return f"{number} bytes"


def _lock_holder(folder: Path) -> str:
    """The process that works in `folder`, "" when none does."""
    try:
        fd = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.pread(fd, 32, 0).decode(errors="replace").strip() or "unknown"
    finally:
        os.close(fd)  # lets go of the lock, if it was ours
    return ""


def _port_free(settings: Settings, name: Literal["intake", "api"]) -> Finding:
    host, port = (
        (settings.intake.host, settings.intake.port) if name == "intake" else (settings.api.host, settings.api.port)
    )
    what = f"{name} port"
    kinds = [socket.SOCK_STREAM, *([socket.SOCK_DGRAM] if name == "intake" and settings.intake.udp else [])]
    for kind in kinds:
        try:
            family = socket.getaddrinfo(host, port, type=kind)[0][0]
            with socket.socket(family, kind) as probe:
                if kind == socket.SOCK_STREAM:
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((host, port))
        except OSError as error:
            if kind == socket.SOCK_STREAM and _is_alive(host, port):
                return Finding(what, "note", f"{host}:{port} is in use by a Logkeep that answers")
            reason = error.strerror or str(error)
            return Finding(what, "wrong", f"{host}:{port} cannot be used: {reason}; is another program there?")
    return Finding(what, "ok", f"{host}:{port} is free")


def _is_alive(host: str, port: int) -> bool:
    """Whether a role of Logkeep answers there, started by `logkeep run` or on another data folder."""
    try:
        answer = Api(Connection(client.service_url(host, port), timeout_s=TIMEOUT_S)).get("/health/live")
    except LogkeepError:
        return False
    return answer.replace(b" ", b"") == b'{"status":"live"}'


def _running_findings(settings: Settings) -> list[Finding]:
    intake = client.intake_url(settings)
    api = client.api_url(settings)
    found = [_ready("intake", intake), _ready("api", api)]
    if found[1].state == "wrong":
        return found
    found.append(_found("queue", lambda: _queue_metrics(api)))
    token = client.first_run(settings.folder)
    if token is None or not token.api_token:
        why = f"not looked at: no token in {settings.folder / client.FIRST_RUN_FILE}"
        return [*found, Finding("store", "note", why), Finding("ledger", "note", why)]
    reader = Api(Connection(api, token=token.api_token, timeout_s=TIMEOUT_S))
    found.append(_found("store", lambda: _store_answers(reader)))
    found.append(_found("ledger", lambda: _ledger(reader)))
    return found


def _found(what: str, look: Callable[[], Finding]) -> Finding:
    try:
        return look()
    except LogkeepError as error:
        return Finding(what, "wrong", error.message)


def _ready(name: str, url: str) -> Finding:
    def look() -> Finding:
        Api(Connection(url, timeout_s=TIMEOUT_S)).get("/health/ready")
        return Finding(f"{name} port", "ok", f"{url} is ready")

    return _found(f"{name} port", look)


_SAMPLE = re.compile(
    r"^logkeep_(queue_lag_bytes|queue_corrupt_records_total|processor_partitions_stopped)(?:\{[^}]*\})? (\S+)$",
    re.MULTILINE,
)


def _queue_metrics(api: str) -> Finding:
    """The waiting bytes and the damage that the running service has met."""
    text = Api(Connection(api, timeout_s=TIMEOUT_S)).get("/metrics").decode("utf-8", "replace")
    sums: dict[str, float] = {}
    for name, value in _SAMPLE.findall(text):
        sums[name] = sums.get(name, 0.0) + float(value)
    waiting, damaged = int(sums.get("queue_lag_bytes", 0)), int(sums.get("queue_corrupt_records_total", 0))
    if stopped := int(sums.get("processor_partitions_stopped", 0)):
        return Finding(
            "queue", "wrong", f"{stopped} partitions wait for a newer Logkeep, which wrote into them; upgrade this one"
        )
    if damaged:
        return Finding("queue", "wrong", f"{damaged} damaged stretches were skipped since the start; look at the disk")
    return Finding("queue", "ok", f"{_size(waiting)} waiting to be processed")


def _store_answers(api: Api) -> Finding:
    api.get("/api/v1/search", limit=1)
    return Finding("store", "ok", "in use by the running service, and answers a search")


class LedgerSums(msgspec.Struct):
    """The ledger of CONTRACT.md."""

    received: int = 0
    stored: int = 0
    rejected: dict[str, int] = {}
    over_quota: int = 0
    expired: int = 0
    erased: int = 0
    queued: int = 0

    @property
    def missing(self) -> int:
        """Events that are nowhere (positive) or counted twice (negative); 0 when it balances."""
        return self.received - (
            self.stored + sum(self.rejected.values()) + self.over_quota + self.expired + self.erased + self.queued
        )


def read_ledger(api: Api) -> LedgerSums:
    try:
        return msgspec.json.decode(api.get("/api/v1/ledger"), type=LedgerSums)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise CorruptData(f"the ledger cannot be read: {error}") from error


def _ledger(api: Api) -> Finding:
    ledger = read_ledger(api)
    parts = f"{ledger.received:,} received = {ledger.stored:,} stored + {sum(ledger.rejected.values()):,} rejected"
    parts += f" + {ledger.over_quota:,} over quota + {ledger.expired:,} expired + {ledger.erased:,} erased"
    parts += f" + {ledger.queued:,} queued"
    if ledger.missing:
        return Finding("ledger", "wrong", f"{parts} is off by {ledger.missing:,}; please report this with the log")
    return Finding("ledger", "ok", parts)


def _stopped_findings(settings: Settings) -> list[Finding]:
    """Queue and store as they lie on disk."""
    queue, store = settings.folder / "queue", settings.folder / "store"
    found = [
        _found("queue", lambda: _queue_files(settings))
        if queue.exists() or settings.queue.kind != "local"
        else Finding("queue", "note", "not there yet")
    ]
    if settings.store.kind == "embedded" and not store.exists():
        return [*found, Finding("store", "note", "not there yet")]
    return [*found, _found("store", lambda: _store_opens(settings))]


def _queue_files(settings: Settings) -> Finding:
    """Reads the beginning of what waits, without taking it."""
    from logkeep import wiring
    from logkeep.processor.marks import GROUP

    queue = wiring.open_queue(settings)
    try:
        queue.check()
        lag = sum(queue.lag(GROUP).values())
        left = QUEUE_BYTES_READ if settings.queue.kind == "local" else 0  # elsewhere a look would join the processors
        while left > 0 and (records := queue.read(GROUP, records_max=10_000, bytes_max=4 << 20)):
            left -= sum(len(record.payload) for record in records)
    finally:
        queue.close()
    return Finding("queue", "ok", f"{settings.queue.kind}: {_size(lag)} waiting to be processed, readable")


def _store_opens(settings: Settings) -> Finding:
    """Opens the store as the service would, with its lock held so that none starts meanwhile."""
    from logkeep import wiring

    with _locked(settings.folder), wiring.open_store(settings) as store:
        days = store.days()
    events, used = sum(day.events for day in days), sum(day.bytes_on_disk for day in days)
    return Finding("store", "ok", f"opens; {events:,} events of {len({day.day for day in days})} days, {_size(used)}")


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    fd = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise BackendUnavailable("the service was started meanwhile; run the check again") from None
    finally:
        os.close(fd)


def _print(findings: list[Finding]) -> None:
    colours = {"ok": "32", "note": "33", "wrong": "1;31"}
    coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    width = max(len(finding.what) for finding in findings)
    for finding in findings:
        state = f"{finding.state:5}"
        if coloured:
            state = f"\033[{colours[finding.state]}m{state}\033[0m"
        print(f"{finding.what:{width}}  {state}  {printable(finding.detail)}")
