"""Devices, remote control and issues together, as an API works with them."""

from dataclasses import dataclass

from logkeep.clock import Clock, SystemClock
from logkeep.metastore.database import Database
from logkeep.metastore.devices import Devices
from logkeep.metastore.issue_rows import Issues
from logkeep.metastore.remote import Remote
from logkeep.settings import MetastoreSettings


@dataclass(frozen=True, slots=True)
class DeviceDirectory:
    devices: Devices
    remote: Remote
    issues: Issues

    def close(self) -> None:
        self.remote.close()


def open_device_directory(
    settings: MetastoreSettings, database: Database, clock: Clock | None = None
) -> DeviceDirectory:
    clock = clock or SystemClock()
    remote = Remote(database, clock, refresh_s=settings.refresh_s).open()
    return DeviceDirectory(Devices(database), remote, Issues(database, clock))
