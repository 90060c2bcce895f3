"""What MariaDB and PostgreSQL have in common: one server, a database of its own for each test."""

import itertools
import subprocess
from collections.abc import Callable, Sequence
from urllib.parse import quote

from tests.servers.process import ServerProcess

USER, PASSWORD = "lk", "se/cret@1"
COMMAND_S = 120.0


class DatabaseServer:
    """`server`: its process."""

    def __init__(self, server: ServerProcess, create: Callable[[str, str], None]) -> None:
        """create: makes the database of a name for USER, empty or a copy of the one that is named too."""
        self.server, self._create = server, create
        self._numbers = itertools.count(1)

    def new_database(self, *, copied: str = "") -> str:
        """The URL of an empty database, or of one with what another has, whose URL is given and that nobody uses."""
        name = f"lk{next(self._numbers)}"
        self._create(name, copied.rpartition("/")[2])
        scheme, _, place = self.server.url.partition("//")
        return f"{scheme}//{USER}:{quote(PASSWORD, safe='')}@{place}/{name}"


def run(command: Sequence[str], user: str | None = None) -> None:
    """Raises AssertionError with what the command said."""
    done = subprocess.run(command, capture_output=True, text=True, user=user, cwd="/", timeout=COMMAND_S)
    assert done.returncode == 0, f"{command[0]}: {done.stdout}\n{done.stderr}"
