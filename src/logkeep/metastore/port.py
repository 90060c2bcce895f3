"""What is known about apps, their keys and the people who may sign in."""

from typing import Literal, Protocol

import msgspec

Scope = Literal["write", "read", "admin"]


class Credential(msgspec.Struct, frozen=True):
    """Whom a key or token stands for: one app and what it may do there. "admin" may also read, and erase.

    name: to tell it from others in a receipt; never the secret.
    """

    app: str
    scope: Scope
    name: str = ""


class Metastore(Protocol):
    def credential(self, secret: str) -> Credential | None:
        """Whom `secret` stands for, None when it is unknown. Answered from memory: safe on the hot path."""
        ...

    def sign_in(self, email: str, password: str) -> Credential | None:
        """Whom this person acts as, None when e-mail or password is wrong. Slow on purpose (a password hash)."""
        ...

    def app_names(self) -> list[str]: ...

    def default_app(self) -> str:
        """The app of the first start."""
        ...
