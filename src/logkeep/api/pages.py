"""Pages from templates: every value escaped, no script at all, one style sheet from this very server."""

import hashlib
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from logkeep.api import links
from logkeep.api.text import marked_up, plain

# No script may run on these pages, whoever's text they show; styles and pictures come from here only.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
STATIC_TYPES = {"logkeep.css": "text/css", "favicon.svg": "image/svg+xml"}


class Pages:
    """The templates, compiled once, and the files they refer to."""

    def __init__(self, *, viewer: bool = False) -> None:
        """viewer: whether pages lead to it."""
        folder = files("logkeep.api") / "static"
        self.static = {name: (folder / name).read_bytes() for name in STATIC_TYPES}
        version = hashlib.sha256(b"".join(self.static.values())).hexdigest()[:12]
        self._environment = Environment(
            loader=PackageLoader("logkeep.api"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
            lstrip_blocks=True, auto_reload=False,
        )  # fmt: skip
        self._environment.filters |= {"shown": marked_up, "plain": plain, "count": "{:,}".format}
        self._environment.globals |= {"links": links, "version": version, "viewer": viewer}

    def render(self, template: str, **values: Any) -> bytes:
        """The page. Takes milliseconds a thousand rows: call it from a reader's thread for long pages."""
        return self._environment.get_template(template).render(**values).encode("utf-8", "replace")
