"""`python -m tests.servers fetch` brings all jars and packages.

`python -m tests.servers opensearch` is a node for many runs.
"""

import signal
import sys

from tests.servers import elasticsearch, kafka, mongodb, oidc, opensearch
from tests.servers.java import fetched

KEPT = {"opensearch": opensearch, "elasticsearch": elasticsearch}


def main(wanted: list[str]) -> int:
    if wanted == ["fetch"]:
        for module in (kafka, opensearch, elasticsearch, mongodb):
            fetched(*module.LIBRARY)
        oidc.fetched()
        return 0
    if len(wanted) != 1 or wanted[0] not in KEPT:
        print(f"usage: python -m tests.servers fetch | {' | '.join(KEPT)}", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with KEPT[wanted[0]].running() as server:
            print(f"export LOGKEEP_TEST_{wanted[0].upper()}_URL={server.url}\nuntil Ctrl-C", flush=True)
            signal.pause()
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
