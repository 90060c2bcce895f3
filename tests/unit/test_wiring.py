"""Which roles run with which queue and store, and what is said where one cannot."""

import pytest

from logkeep.errors import InputError
from logkeep.settings import QueueSettings, Settings
from logkeep.wiring import run_role


@pytest.mark.parametrize(("kind", "why"), [("local", "set queue.kind to kafka or redis"), ("redis", "run the keeper")])
def test_a_processor_is_refused_what_it_cannot_share(kind: str, why: str) -> None:
    settings = Settings(queue=QueueSettings(kind=kind))  # type: ignore[arg-type]
    with pytest.raises(InputError, match=why):
        run_role("processor", 0, settings)
