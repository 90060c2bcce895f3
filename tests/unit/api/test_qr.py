"""QR codes: the picture is what segno reckons, whole, with its quiet zone."""

import re

import segno

from logkeep.api.qr import QUIET, qr_code

URI = "otpauth://totp/Logkeep:%C3%A4nna%40example.org?secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP&issuer=Logkeep"


def test_the_path_has_every_dark_module_and_no_other() -> None:
    made = qr_code(URI)
    drawn = re.findall(r"M(\d+) (\d+)h(\d+)v1h-(\d+)z", made.path)
    assert "".join(f"M{x} {y}h{go}v1h-{back}z" for x, y, go, back in drawn) == made.path
    dark = {(int(x) + step, int(y)) for x, y, go, _ in drawn for step in range(int(go))}
    matrix = segno.make(URI, error="m", micro=False, boost_error=False).matrix
    assert dark == {(x + QUIET, y + QUIET) for y, row in enumerate(matrix) for x, one in enumerate(row) if one}
    assert made.size == len(matrix) + 2 * QUIET
    assert all(go == back for _, _, go, back in drawn)
