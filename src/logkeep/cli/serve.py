"""`logkeep serve` and `logkeep run ROLE`."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec

from logkeep import settings as settings_module
from logkeep.cli.prepare import UNAVAILABLE
from logkeep.disk import SystemDisk
from logkeep.errors import BackendUnavailable, InputError, LogkeepError
from logkeep.metastore.start import FIRST_RUN_FILE, FirstRun, has_known_keys
from logkeep.settings import Settings
from logkeep.supervisor import Supervisor, free_port, lock_data_folder
from logkeep.telemetry import Telemetry, configure_logging, get_logger, share_metrics_in

log = get_logger("start")

AWAY = "the metastore cannot be used; this start goes on with the keys known before"

ROLES = ("receiver", "udp", "processor", "keeper", "api")


def serve(data: str | None, intake: str | None, api: str | None, config: Path | None) -> int:
    """The exit code: 0 stopped on request, 1 could not start or stop cleanly, 2 wrong usage."""
    try:
        settings = load_settings(data, intake, api, config)
    except InputError as error:
        print(f"logkeep serve: {error.message}", file=sys.stderr)
        return 2
    configure_logging(settings.log_level)
    try:
        return _serve(settings)
    except LogkeepError as error:
        print(f"logkeep serve: {error.message}", file=sys.stderr)
    except OSError as error:
        print(f"logkeep serve: cannot use the data folder {settings.folder}: {error}", file=sys.stderr)
    return 1


def run(role: str, data: str | None, intake: str | None, api: str | None, config: Path | None, index: int) -> int:
    """One role in this process; the data folder must have been made by `logkeep serve` once."""
    if role not in ROLES:
        print(
            f"logkeep run: no role {role!r}; one of {', '.join(ROLES)} "
            "(keeper is processor, embedded store and API: the embedded engine lives in one process; api needs a store "
            "that can be shared)",
            file=sys.stderr,
        )
        return 2
    try:
        settings = load_settings(data, intake, api, config)
    except InputError as error:
        print(f"logkeep run: {error.message}", file=sys.stderr)
        return 2
    configure_logging(settings.log_level)
    SystemDisk().make_folder(settings.folder)
    share_metrics_in(settings.folder / "run" / "metrics")
    from logkeep import wiring

    try:
        try:
            _say_first_run(settings, wiring.prepare_metastore(settings))
        except BackendUnavailable as error:
            log.warning(AWAY, error=error.message)
        wiring.run_role(role, index, settings)
    except LogkeepError as error:
        print(f"logkeep run {role}: {error.message}", file=sys.stderr)
        return 1
    return 0


def load_settings(data: str | None, intake: str | None, api: str | None, config: Path | None) -> Settings:
    """Flags over environment over file. Raises InputError."""
    flags: dict[str, Any] = {"data": data}
    flags["intake.host"], flags["intake.port"] = _address(intake, "--intake")
    flags["api.host"], flags["api.port"] = _address(api, "--api")
    return settings_module.load(file=config, environment=os.environ, flags=flags)


def _address(text: str | None, flag: str) -> tuple[str | None, int | None]:
    if text is None:
        return None, None
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise InputError(f"{flag} {text!r} is no HOST:PORT, such as 127.0.0.1:7300")
    return host.strip("[]") or "127.0.0.1", int(port)


def _serve(settings: Settings) -> int:
    folder = settings.folder
    SystemDisk().make_folder(folder)
    lock_data_folder(folder)
    intake = msgspec.structs.replace(
        settings.intake, port=free_port(settings.intake.host, settings.intake.port, udp=settings.intake.udp)
    )
    api = msgspec.structs.replace(settings.api, port=free_port(settings.api.host, settings.api.port, udp=False))
    settings = msgspec.structs.replace(settings, intake=intake, api=api)
    before = _first_run(folder)
    _prepare_metastore(settings)
    is_first = _first_run(folder) not in (None, before)
    shutil.rmtree(folder / "run", ignore_errors=True)
    share_metrics_in(folder / "run" / "metrics")
    return Supervisor(settings, Telemetry()).run(lambda: _greet(settings, is_first=is_first))


def _prepare_metastore(settings: Settings) -> None:
    """In a process of its own where that needs what would stay in this one's memory as long as it runs: 25 MB."""
    if not settings.metastore.url:
        from logkeep import wiring

        try:
            wiring.prepare_metastore(settings)
        except BackendUnavailable as error:
            if not has_known_keys(settings.folder):
                raise
            log.warning(AWAY, error=error.message)
        return
    command = [sys.executable, "-m", "logkeep.cli.prepare"]
    done = subprocess.run(command, input=msgspec.json.encode(settings), stdout=subprocess.DEVNULL)
    if done.returncode == UNAVAILABLE and has_known_keys(settings.folder):
        log.warning(AWAY)
    elif done.returncode:
        raise BackendUnavailable("the metastore cannot be used; see above", code="metastore_unavailable")


def _say_first_run(settings: Settings, first_run: FirstRun | None) -> None:
    if first_run is not None:
        log.info("the first start; its key, token and sign-in are in", file=str(settings.folder / FIRST_RUN_FILE))


def _greet(settings: Settings, *, is_first: bool) -> None:
    """What to open and what to paste, printed once everything answers.

    With the secrets at the first start and on a terminal; else the output may be a log that others read.
    """
    kept = _first_run(settings.folder)
    first_run = kept if is_first or sys.stdout.isatty() else None
    intake = f"http://{settings.intake.host}:{settings.intake.port}"
    api = f"http://{settings.api.host}:{settings.api.port}"
    key = first_run.app_key if first_run else "APP_KEY"
    token = first_run.api_token if first_run else "API_TOKEN"
    lines = [
        "",
        f"  Logkeep is ready.  Data: {settings.folder}",
        "",
        f"  Open       {api}/",
    ]
    if first_run:
        lines += [f"  Sign in    {first_run.admin_email}  {first_run.admin_password}   (or paste the token {token})"]
    elif kept:
        lines += [f"  Sign in    as {settings.folder / FIRST_RUN_FILE} says, which has APP_KEY and API_TOKEN too"]
    lines += [
        f"  Intake     {intake}  (HTTP{' and UDP' if settings.intake.udp else ''})",
        "",
        "  Send an event:",
        f'    curl -H \'Authorization: Bearer {key}\' -d \'{{"session":"s1","key":"hello","value":"it works"}}\' \\',
        f"         {intake}/v1/events",
        "  Find it:",
        f"    curl -H 'Authorization: Bearer {token}' '{api}/sessions/s1.json'",
        "",
        "  Stop with Ctrl-C.",
        "",
    ]
    print("\n".join(lines), flush=True)


def _first_run(folder: Path) -> FirstRun | None:
    try:
        return msgspec.json.decode((folder / FIRST_RUN_FILE).read_bytes(), type=FirstRun)
    except (OSError, msgspec.MsgspecError):
        return None  # removed on purpose once the secrets are in a safe place
