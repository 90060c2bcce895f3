"""Mails as files: for who has no SMTP server, or wants to look at them first. Any mail program opens them."""

import secrets
from pathlib import Path

from logkeep.clock import Clock
from logkeep.disk import Disk
from logkeep.errors import BackendUnavailable
from logkeep.mail.port import Message, as_email

FILES_MAX = 1000  # the oldest go: links in them are not good for long
SUFFIX = ".eml"


class FileMail:
    """The Mail port. A file a mail, readable by the service's user alone: whoever has the link has the account."""

    def __init__(self, folder: Path, *, sender: str, disk: Disk, clock: Clock) -> None:
        self._folder, self._sender, self._disk, self._clock = folder, sender, disk, clock

    def send(self, message: Message) -> None:
        now_ns = self._clock.now_ns()
        content = bytes(as_email(message, self._sender, now_ns))
        try:
            self._disk.make_folder(self._folder)
            self._disk.write_atomically(self._folder / f"{now_ns}-{secrets.token_hex(4)}{SUFFIX}", content)
            old = sorted(path for path in self._folder.iterdir() if path.suffix == SUFFIX)[:-FILES_MAX]
            for path in old:
                self._disk.remove(path)
        except OSError as error:
            raise BackendUnavailable(f"cannot keep a mail in {self._folder}: {error}") from error
