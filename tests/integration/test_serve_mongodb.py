"""`logkeep serve` with its events in MongoDB: from the sender to the page, over a restart, and while the store is away.

Tested on the MongoDB wire protocol (tests/servers/mongodb.py).
"""

import threading
from collections.abc import Callable

from tests.servers import mongodb
from tests.service import Service, wait_for

from logkeep.store.mongodb_client import Server


def test_a_service_keeps_its_events_in_mongodb(start_service: Callable[..., Service]) -> None:
    with mongodb.running() as server:
        service = start_service(
            LOGKEEP_STORE_KIND="mongodb",
            LOGKEEP_MONGODB_URL=server.url,
            LOGKEEP_MONGODB_DATABASE="served",
        )
        events = [
            {"session": "s-1", "key": "log", "value": f"order {number} paid", "level": "info", "user": "anna"}
            for number in range(20)
        ]
        assert service.post(events).status_code == 202
        assert len(service.wait_for_events("paid", 20)) == 20
        assert service.get("/sessions/s-1.json").json()["user"] == "anna"
        table = service.get("/api/v1/stats", query="paid | count by user", **{"from": "-1d"}).json()
        assert table["rows"] == [["anna", 20]]
        assert not (service.folder / "store").exists()
        assert (service.folder / "run" / "settings.json").stat().st_mode & 0o077 == 0

        server.stop()
        assert service.post([{"session": "s-1", "key": "log", "value": "while it is away"}]).status_code == 202
        wait_for(lambda: service.get("/api/v1/search", query="paid").status_code == 503, 60.0, "a search to be refused")
        server.start()
        # The driver looks for its server in turns; a search that comes before is refused.
        wait_for(
            lambda: service.get("/api/v1/search", query="paid").status_code == 200, 60.0, "searches to be answered"
        )
        service.wait_for_events("away", 1)
        ledger = service.wait_until_drained()
        assert (ledger["received"], ledger["stored"], ledger["queued"]) == (21, 21, 0)


def test_days_are_listed_while_collections_are_made() -> None:
    """MongoDB does, and so must what stands in for it: else a search in the moment of a first write is refused."""
    with mongodb.running() as running:
        writer, reader = (
            Server(running.url, prefix="made", read_preference="primary", connect_timeout_s=5) for _ in range(2)
        )
        made = threading.Event()

        def make() -> None:
            for number in range(60):
                writer.upsert(f"c{number}", [(str(name), {"$set": {"at": 1}}) for name in range(20)])
            made.set()

        making = threading.Thread(target=make)
        making.start()
        try:
            while making.is_alive():
                assert reader.days() == []
        finally:
            making.join()
            for server in (writer, reader):
                server.close()
        assert made.is_set()
