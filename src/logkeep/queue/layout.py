"""The layout of what a queue keeps: segments, streams, topics, marks. An older Logkeep leaves a newer one alone.

The first layout has no sign. A later one leaves its number: locally in the file `layout`, on Redis in the key
PREFIX:layout, on Kafka in the name of an empty topic, TOPIC-layout-NUMBER, as topics can carry nothing else. So nothing
is written, and nothing can be missing, as long as there is only one.
"""

from logkeep.errors import BackendUnavailable

LAYOUT = 1
NAME = "layout"


def refuse_newer(where: str, sign: str | bytes | None) -> None:
    """sign: the number as it was found, None without any. Raises BackendUnavailable."""
    text = sign.decode(errors="replace") if isinstance(sign, bytes) else sign
    if text is None or (text.strip().isdecimal() and int(text) <= LAYOUT):
        return
    raise BackendUnavailable(
        f"{where} has layout {text.strip()[:20]!r}, this program knows up to {LAYOUT}; "
        "start the newer program that wrote it",
        code="queue_too_new",
    )
