"""What the port of a processor tells whoever watches it."""

import httpx

from logkeep.processor.process import watched
from logkeep.telemetry import Telemetry


def test_readiness_tells_what_is_wrong_and_liveness_does_not() -> None:
    wrong: list[str] = []
    with watched("127.0.0.1", 0, Telemetry(), lambda: wrong) as port, httpx.Client() as client:
        url = f"http://127.0.0.1:{port}"
        assert client.get(f"{url}/health/ready").json() == {"status": "ready"}
        wrong.append("the store does not answer")
        refused = client.get(f"{url}/health/ready")
        assert (refused.status_code, refused.json()["error"]["message"]) == (503, "the store does not answer")
        assert client.get(f"{url}/health/live").json() == {"status": "live"}
        assert "logkeep_processor_events_stored_total" in client.get(f"{url}/metrics").text
        assert client.get(f"{url}/").status_code == 404
