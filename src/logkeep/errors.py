"""What can go wrong, in four kinds; everything else is a bug.

    LogkeepError
    ├── InputError           the sender's fault; 4xx; never retried
    │   └── QuerySyntaxError   with the column (1-based) where reading stopped
    ├── QuotaExceeded        429 with Retry-After; the sender waits and tries again
    ├── BackendUnavailable   503 with Retry-After; ours; retried with jitter, bounded
    └── CorruptData          that part stops, is counted, raises an alarm; never retried

Dropping an event is not an error: it is an outcome, counted under a `RejectReason` (event.py).
"""


class LogkeepError(Exception):
    """Base of the four kinds; `code` is the stable word a program can test for."""

    code = "error"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code


class InputError(LogkeepError):
    """The sender's fault. `status` is the HTTP status it maps to (400, 401, 403, 404, 409, 413, 415)."""

    code = "bad_input"

    def __init__(self, message: str, *, code: str | None = None, status: int = 400) -> None:
        super().__init__(message, code=code)
        self.status = status


class QuerySyntaxError(InputError):
    """A query that cannot be read; `column` counts characters from 1."""

    code = "query_syntax"

    def __init__(self, message: str, *, column: int) -> None:
        super().__init__(message)
        self.column = column


class QuotaExceeded(LogkeepError):
    code = "quota_exceeded"

    def __init__(self, message: str, *, retry_after_s: int) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class BackendUnavailable(LogkeepError):
    code = "unavailable"

    def __init__(self, message: str, *, code: str | None = None, retry_after_s: int = 5) -> None:
        super().__init__(message, code=code)
        self.retry_after_s = retry_after_s


class CorruptData(LogkeepError):
    code = "corrupt_data"
