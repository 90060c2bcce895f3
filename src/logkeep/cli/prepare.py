"""The metastore made ready for `logkeep serve`, by a process that ends then. Not for people.

    python -m logkeep.cli.prepare < SETTINGS.json

The settings come on standard input: they hold the password of the database.
"""

import sys

import msgspec

from logkeep.errors import BackendUnavailable, LogkeepError
from logkeep.settings import Settings
from logkeep.telemetry import configure_logging

UNAVAILABLE = 75  # the exit code when the database does not answer: perhaps later


def main() -> int:
    """1: it will not do later either."""
    from logkeep import wiring

    settings = msgspec.json.decode(sys.stdin.buffer.read(), type=Settings)
    configure_logging(settings.log_level)
    try:
        wiring.prepare_metastore(settings)
    except LogkeepError as error:
        print(f"logkeep: {error.message}", file=sys.stderr)
        return UNAVAILABLE if isinstance(error, BackendUnavailable) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
