"""Where a load goes: an address that may be loaded."""

import ipaddress
import socket
from urllib.parse import urlsplit

import msgspec

from logkeep.errors import InputError


class Target(msgspec.Struct, frozen=True):
    """address: an IP address, so that what was checked is what is loaded. host: as written, for the Host header."""

    host: str
    address: str
    port: int
    tls: bool


def resolve_target(url: str, *, allow_remote: bool) -> Target:
    """Raises InputError: not an http(s) URL, unknown host, or another machine without `allow_remote`."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or {"http": 80, "https": 443}[parts.scheme]
        if not host or parts.path.strip("/") or parts.query:
            raise ValueError
    except (ValueError, KeyError) as error:
        raise InputError(f"{url!r} is no address to load; give one like http://127.0.0.1:7300") from error
    try:
        address = str(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][4][0])
    except OSError as error:
        raise InputError(f"cannot find the host {host}: {error}") from error
    if not allow_remote and not ipaddress.ip_address(address.partition("%")[0]).is_loopback:
        raise InputError(f"{host} ({address}) is another machine; loading it on purpose takes --allow-remote")
    return Target(host, address, port, parts.scheme == "https")
