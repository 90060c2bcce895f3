"""The files of the viewer as it was built from the folder viewer/: its page, script and style."""

import re
import secrets
from importlib.resources import files
from importlib.resources.abc import Traversable

import msgspec

from logkeep.errors import InputError

# Only scripts and styles of this server run. The nonce is for the style sheets that components make in the page.
_POLICY = (
    "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self' 'nonce-{nonce}'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
# A worker has the policy of the file it is made of, not the page's: the one of a live tail asks the API.
ASSET_POLICY = "default-src 'none'; connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_ENCODINGS = (("br", ".br"), ("gzip", ".gz"))  # the smaller one first
# What viewer/index.html holds in their place.
_NONCE, _TOLD = "__NONCE__", "__LOGKEEP__"
_NOT_BUILT = (
    "the viewer is not part of this installation: it was made without Node; install Node 20 or newer and run "
    "`make viewer`, then start again. /overview and the other pages work without it"
)


class ViewerConfig(msgspec.Struct):
    """What the page is told with itself, so that it need not ask. retention_days: what is kept. start: the
    search that a person begins with, "" for none; None for others, whose browser keeps it."""

    app: str
    version: str
    retention_days: int
    intake: str
    start: str | None = None


class Viewer:
    """The built files, read once: about a megabyte. Empty where there are none."""

    def __init__(self) -> None:
        folder = files("logkeep.api") / "static" / "viewer"
        index = folder / "index.html"
        self._index = index.read_text(encoding="utf-8") if index.is_file() else ""
        self._assets = _read_all(folder / "assets") if self._index else {}

    @property
    def is_built(self) -> bool:
        return bool(self._index)

    def page(self, told: ViewerConfig) -> tuple[bytes, str]:
        """The page and the policy it needs, both with a nonce of its own. Raises InputError (404)."""
        if not self._index:
            raise InputError(_NOT_BUILT, code="viewer_not_built", status=404)
        nonce = secrets.token_urlsafe(16)
        content = _attribute(msgspec.json.encode(told).decode())
        page = self._index.replace(_NONCE, nonce).replace(_TOLD, content)
        return page.encode(), _POLICY.format(nonce=nonce)

    def asset(self, name: str, accepted: str) -> tuple[bytes, str, str]:
        """Content, type and encoding ("": as it is) of a file. Raises InputError (404)."""
        kind = _TYPES.get(name[name.rfind(".") :] if "." in name else "")
        if kind is None or name not in self._assets:
            raise InputError("there is no such file; reload the page", code="not_found", status=404)
        for encoding, suffix in _ENCODINGS:
            if name + suffix in self._assets and _accepts(accepted, encoding):
                return self._assets[name + suffix], kind, encoding
        return self._assets[name], kind, ""


def _read_all(folder: Traversable) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}


def _accepts(accepted: str, encoding: str) -> bool:
    """Whether an Accept-Encoding header names `encoding` without refusing it."""
    found = re.search(rf"(?:^|[,\s]){encoding}\s*(;\s*q\s*=\s*([0-9.]+))?\s*(?:,|$)", accepted, re.IGNORECASE)
    return found is not None and (found[2] is None or float(found[2].rstrip(".") or 0) > 0)


def _attribute(text: str) -> str:
    """`text` for a double-quoted attribute."""
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;").replace(">", "&gt;")
