"""Who may do what: roles of people, scopes of tokens and routes. Pure."""

from collections.abc import Iterable
from typing import Literal, get_args

Role = Literal["owner", "admin", "member", "read_only"]
AppRole = Literal["admin", "member", "read_only", "none"]
TokenScope = Literal["read", "edit", "erase", "keys", "audit", "admin"]

ROLES: tuple[Role, ...] = get_args(Role)  # the strongest first
APP_ROLES: tuple[AppRole, ...] = get_args(AppRole)
TOKEN_SCOPES: tuple[TokenScope, ...] = get_args(TokenScope)

Scopes = frozenset[str]
NOTHING: Scopes = frozenset()

_ADMIN: Scopes = frozenset(TOKEN_SCOPES)
ROLE_SCOPES: dict[str, Scopes] = {
    "none": NOTHING,
    "read_only": frozenset({"read"}),
    "member": frozenset({"read", "edit"}),
    "admin": _ADMIN,
    "owner": _ADMIN | {"owner"},
}


def scopes_of_token(given: Iterable[str]) -> Scopes:
    """What these scopes allow: `admin` all the others, each of them to read."""
    found = frozenset(given)
    if "admin" in found:
        return _ADMIN
    return found | {"read"} if found else NOTHING
