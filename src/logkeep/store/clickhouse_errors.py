"""ClickHouse's errors as ours. Pure."""

import re

from logkeep.errors import BackendUnavailable, InputError, LogkeepError
from logkeep.store.reading import LimitReached

# What the engine's codes mean for whoever called; every other one is its own trouble.
_DATA_FAULTS = frozenset((6, 26, 27, 33, 38, 53, 69, 72, 117, 131, 321, 349, 691))
_TIMEOUT, _TOO_SLOW, _MEMORY, _ANSWER = 159, 160, 241, 396
_BAD_REGEX = 427
_TOO_BIG = frozenset((62, 167, 168, 306))  # SQL of a query: syntax or size, depth, nesting

_find_code = re.compile(r"Code: (\d+)\. DB::Exception: (.*)", re.DOTALL).search


def translated(error: RuntimeError) -> LogkeepError:
    found = _find_code(str(error))
    code = int(found[1]) if found else 0
    if code in (_TIMEOUT, _TOO_SLOW):
        return LimitReached("time")
    if code == _ANSWER or (code == _MEMORY and "Query memory limit exceeded" in str(error)):
        return LimitReached("memory")
    if code in _TOO_BIG:
        return InputError("the query is too large for the store; take it apart", code="query_too_expensive")
    if code == _BAD_REGEX:
        return InputError("the store's engine does not take this regular expression", code="bad_regex")
    if code in _DATA_FAULTS:
        return InputError(f"the store refuses this data: {brief(error)}", code="bad_data")
    return BackendUnavailable(f"the store's engine failed: {brief(error)}")


def brief(error: RuntimeError) -> str:
    found = _find_code(str(error))
    return " ".join((found[2] if found else str(error)).split())[:300]
