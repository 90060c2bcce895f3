"""A text as a QR code: the numbers of a picture, drawn by whoever shows it. Pure."""

from typing import Annotated

import msgspec
from msgspec import Meta

QUIET = 4  # light modules all around, as ISO/IEC 18004 wants


class QrCode(msgspec.Struct, frozen=True):
    """Dark on light, whatever the colours of the page: cameras do not read the opposite everywhere."""

    size: Annotated[int, Meta(description="width and height, the quiet zone among it: `viewBox` is `0 0 size size`")]
    path: Annotated[str, Meta(description="the dark modules, as `d` of an SVG path")]


def qr_code(text: str) -> QrCode:
    """Error correction M: a tenth of the picture may be unreadable."""
    import segno  # by those who show one alone

    matrix = segno.make(text, error="m", micro=False, boost_error=False).matrix
    runs = [
        f"M{start + QUIET} {y + QUIET}h{length}v1h-{length}z"
        for y, row in enumerate(matrix)
        for start, length in _runs(row)
    ]
    return QrCode(len(matrix) + 2 * QUIET, "".join(runs))


def _runs(row: bytes | bytearray) -> list[tuple[int, int]]:
    """Where dark modules begin, and how many there are."""
    found: list[tuple[int, int]] = []
    for x, dark in enumerate(row):
        if not dark:
            continue
        if found and sum(found[-1]) == x:
            found[-1] = (found[-1][0], found[-1][1] + 1)
        else:
            found.append((x, 1))
    return found
