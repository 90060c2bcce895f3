"""An authority of the tests' own that signs certificates of servers and clients on loopback."""

import functools
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.programs import require_program
from tests.servers.process import lasting_folder


@dataclass(frozen=True)
class Issued:
    """PEM files. bundle: key and certificate in one, as some servers and clients want them."""

    ca: str
    certificate: str
    key: str
    bundle: str


class Authority:
    """Everyone it signs for is 127.0.0.1."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True)
        self._folder = folder
        self._openssl("-subj", "/CN=authority of tests", "-keyout", "ca.key", "-out", "ca.crt")
        signed = ["-CA", "ca.crt", "-CAkey", "ca.key", "-addext", "subjectAltName=IP:127.0.0.1"]
        signed += ["-addext", "basicConstraints=critical,CA:FALSE"]
        self._openssl(*signed, "-subj", "/CN=logkeep", "-keyout", "own.key", "-out", "own.crt")
        (folder / "own.pem").write_text((folder / "own.key").read_text() + (folder / "own.crt").read_text())
        (folder / "own.pem").chmod(0o600)

    def _openssl(self, *options: str) -> None:
        made = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
        command = [require_program("openssl"), *made, *options]
        subprocess.run(command, cwd=self._folder, check=True, capture_output=True)

    @property
    def files(self) -> Issued:
        return _issued(self._folder)

    def issue(self, folder: Path, user: str | None = None) -> Issued:
        """Copies in `folder` that are `user`'s: servers look at who may read a key."""
        place = folder / "tls"
        if not place.exists():
            shutil.copytree(self._folder, place)
            if user is not None:
                for path in (place, *place.iterdir()):
                    shutil.chown(path, user)
        return _issued(place)


def _issued(folder: Path) -> Issued:
    return Issued(*(str(folder / name) for name in ("ca.crt", "own.crt", "own.key", "own.pem")))


@functools.cache
def shared() -> Authority:
    """The one of a run."""
    return Authority(lasting_folder("authority") / "ours")
