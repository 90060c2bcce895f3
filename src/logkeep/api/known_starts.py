"""With which search people begin, from memory: the viewer's page is told it, and must neither wait nor fail for it."""

import threading
from collections import OrderedDict

from logkeep.metastore.port import Metastore
from logkeep.metastore.starts import Starts

KNOWN_MAX = 10_000  # of a person in an app each, 4,000 characters at most


class KnownStarts:
    """Each is asked for once and good until an account changes; those asked for longest ago make room. From any
    thread."""

    def __init__(self, starts: Starts, metastore: Metastore) -> None:
        """metastore: tells, from memory, whether anything has changed."""
        self._starts, self._metastore = starts, metastore
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[str, str], tuple[int, str]] = OrderedDict()

    def known(self, person: str, app: str) -> str | None:
        """From memory: "" for none, None when it has to be looked for."""
        change, search = self._known.get((person, app), (None, ""))
        return search if change == self._metastore.change() else None

    def last_known(self, person: str, app: str) -> str:
        """As it was when it could last be looked for; "" too where it never could."""
        return self._known.get((person, app), (0, ""))[1]

    def look(self, person: str, app: str) -> str:
        """As the metastore has it, "" for none. Blocks. Raises BackendUnavailable."""
        change = self._metastore.change()  # before it is read: what is written meanwhile is looked for again
        search = self._starts.find(person, app)
        with self._lock:
            self._known[person, app] = (change, search)
            self._known.move_to_end((person, app))
            while len(self._known) > KNOWN_MAX:
                self._known.popitem(last=False)
        return search
