"""One process of `logkeep serve`, not for people.

    python -m logkeep.cli.child ROLE INDEX SETTINGS.json PARENT [DESCRIPTOR]

PARENT: the process id of the supervisor. DESCRIPTOR: of the bound socket that the parent lends to the role `udp`.
"""

import ctypes
import os
import signal
import socket
import sys
from pathlib import Path

import msgspec

from logkeep.errors import LogkeepError
from logkeep.settings import Settings
from logkeep.telemetry import configure_logging, share_metrics_in

_PR_SET_PDEATHSIG = 1


def end_with_parent(parent: int) -> None:
    """SIGTERM to this process when its parent dies, so that a killed supervisor leaves no one behind (Linux).

    parent: its id as it told it: when it died before we looked, our parent is another one by now.
    """
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit(1)


def main() -> int:
    role, index, settings_file = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    lent = int(sys.argv[5]) if len(sys.argv) > 5 else None
    end_with_parent(int(sys.argv[4]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group: the supervisor decides the order
    settings = msgspec.json.decode(settings_file.read_bytes(), type=Settings)
    configure_logging(settings.log_level)
    share_metrics_in(settings.folder / "run" / "metrics")
    from logkeep import wiring  # after share_metrics_in: metrics read the environment when they are imported

    try:
        datagrams = socket.socket(fileno=lent) if lent is not None else None
        wiring.run_role(role, index, settings, datagrams=datagrams, supervised=True)
    except LogkeepError as error:
        print(f"logkeep {role}: {error.message}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
