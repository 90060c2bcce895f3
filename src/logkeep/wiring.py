"""Settings to running roles: the only file that names an adapter.

Each `run_…` function is one process's whole life: it returns after SIGTERM, with everything in hand finished.
"""

import asyncio
import os
import signal
import threading
from collections.abc import Callable
from typing import Any

import structlog

from logkeep.clock import SystemClock
from logkeep.decode.frame import read_frame_header
from logkeep.disk import SystemDisk
from logkeep.errors import BackendUnavailable, CorruptData
from logkeep.metastore.file import FileMetastore
from logkeep.metastore.port import Metastore
from logkeep.queue.local import LocalQueue
from logkeep.settings import Settings
from logkeep.telemetry import Telemetry

STOP_TIMEOUT_S = 8.0  # of the ten that a stop may take in all


def queue_folder(settings: Settings) -> Any:
    return settings.folder / "queue"


def open_queue(settings: Settings, *, write: tuple[str, ...] = ()) -> LocalQueue:
    return LocalQueue(queue_folder(settings), settings.queue, disk=SystemDisk(), clock=SystemClock(), write=write)


def write_app_of_key(metastore: Metastore) -> Callable[[str], str | None]:
    """The app a write key stands for, None for every other secret."""

    def app_of_key(key: str) -> str | None:
        credential = metastore.credential(key)
        return credential.app if credential is not None and credential.scope == "write" else None

    return app_of_key
