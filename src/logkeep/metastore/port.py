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


class Credentials(Protocol):
    def credential(self, secret: str) -> Credential | None:
        """Whom `secret` stands for, None when it is unknown. Answered from memory: safe on the hot path.

        Raises BackendUnavailable when the metastore has not answered lately and `secret` is not among what was known
        before, or that is too old to count.
        """
        ...


class Metastore(Credentials, Protocol):
    def sign_in(self, email: str, password: str) -> Credential | None:
        """Whom this person acts as, None when e-mail or password is wrong. Slow on purpose (a password hash).

        Raises BackendUnavailable.
        """
        ...

    def app_names(self) -> list[str]: ...

    def default_app(self) -> str:
        """The app of the first start."""
        ...

    def credential_of(self, sha256: str) -> Credential | None:
        """As `credential`, by the SHA-256 of the secret in hex."""
        ...


class SignIn(msgspec.Struct, frozen=True):
    """A browser that has signed in. sha256: of its cookie. token_sha256: of the token it was done with, "" for none.

    used_ns: when it was last used, some minutes more or less. Both times ns UTC.
    """

    sha256: str
    credential: Credential
    token_sha256: str
    made_ns: int
    used_ns: int


class SignInRows(Protocol):
    """Sign-ins, shared by all instances. Raises BackendUnavailable."""

    def put(self, row: SignIn, *, made_after_ns: int, used_after_ns: int, rows_max: int) -> None:
        """It is kept, durably; those made or used last before these times are not, nor more than `rows_max`."""
        ...

    def find(self, sha256: str) -> SignIn | None: ...

    def touch(self, sha256: str, used_ns: int) -> None: ...

    def remove(self, sha256: str) -> None: ...
