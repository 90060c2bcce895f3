"""Which web pages may use a key that is bound to some."""

from logkeep.errors import InputError


def refuse_other_pages(origins: tuple[str, ...], origin: bytes | None) -> None:
    """Raises InputError (403) when a page of another site sent this, or no page at all.

    origins: `https://shop.example`, `https://*.shop.example` (a name before it, not itself). origin: the header.
    Browsers add it to every POST to another site and let no page change it; who forges it has no browser, and nothing
    but a write key that anybody can read in the page.
    """
    told = (origin or b"").decode("latin-1").strip().lower()
    if not any(_matches(allowed, told) for allowed in origins):
        raise InputError(
            f"this key is for pages of {', '.join(origins)[:200]}, not {told[:100] or 'no page'}; add the "
            "origin to the key, or use one without origins",
            code="origin_not_allowed",
            status=403,
        )


def _matches(allowed: str, origin: str) -> bool:
    scheme, _, host = allowed.partition("://")
    if not host.startswith("*."):
        return origin == allowed
    place = origin.removeprefix(f"{scheme}://")
    before, _, rest = place.partition(".")
    return place != origin and "/" not in place and bool(before) and f".{rest}".endswith(host[1:])
