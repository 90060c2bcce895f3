"""Answers that may be half a minute old, for questions that every pressed key asks again."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

from logkeep.clock import NS_PER_S

REMEMBERED_S = 30
REMEMBERED_MAX = 1000  # answers of all apps; some kB each


class Remembered:
    """Answers by key for REMEMBERED_S; the oldest go first. From any thread; two may compute the same."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, tuple[int, Any]] = OrderedDict()

    def get(self, key: Hashable, now_ns: int, make: Callable[[], Any]) -> Any:
        with self._lock:
            found = self._kept.get(key)
        if found is not None and 0 <= now_ns - found[0] < REMEMBERED_S * NS_PER_S:
            return found[1]
        made = make()
        with self._lock:
            self._kept.pop(key, None)
            self._kept[key] = (now_ns, made)
            while len(self._kept) > REMEMBERED_MAX:
                self._kept.popitem(last=False)
        return made
