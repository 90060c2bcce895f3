"""What is known about apps, their keys and the people who may sign in."""

from typing import Literal, Protocol

import msgspec

from logkeep.metastore.roles import NOTHING, Scopes

Scope = Literal["write", "read", "admin"]


class Credential(msgspec.Struct, frozen=True):
    """Whom a key or token stands for: one app and what it may do there. "admin" may also read, erase and change.

    name: to tell it from others in a receipt; never the secret. id: of the key, token or person. origins: of web pages
    that may use this write key, and then nobody else; () for all. expires_ns: ns UTC, 0 for never.
    """

    app: str
    scope: Scope
    name: str = ""
    id: str = ""
    origins: tuple[str, ...] = ()
    expires_ns: int = 0


class Caller(msgspec.Struct, frozen=True):
    """Who asks the API, and what it may do where, as of now.

    apps, teams: those it may do anything in, in the order in which they were made, with the scopes it has there; the
    one that a person has chosen as the default app is the first.
    person: the id of the person, also of the one a token belongs to; "" for tokens of a team and keys.
    default_app: what a person has chosen, one of `apps`; "" for none, and for tokens and keys.
    """

    kind: Literal["key", "token", "person"]
    id: str
    name: str
    apps: dict[str, Scopes]
    teams: dict[str, Scopes]
    person: str = ""
    default_app: str = ""

    def scopes_in(self, app: str) -> Scopes:
        return self.apps.get(app, NOTHING)


class Credentials(Protocol):
    def credential(self, secret: str) -> Credential | None:
        """Whom `secret` stands for, None when it is unknown. Answered from memory: safe on the hot path.

        Raises BackendUnavailable when the metastore has not answered lately and `secret` is not among what was known
        before, or that is too old to count.
        """
        ...

    def outdated(self) -> str | None:
        """Why no key counts any more, in words; None while those that are known do."""
        ...


class Metastore(Credentials, Protocol):
    """All of it from memory. `caller…` raise as `credential` does."""

    def caller(self, secret: str) -> Caller | None:
        """Who holds this key or token."""
        ...

    def caller_of(self, sha256: str) -> Caller | None:
        """The same by the SHA-256 of the secret in hex."""
        ...

    def person(self, id: str, epoch: int) -> Caller | None:
        """The person, as one who signed in with this epoch; None when disabled, or signed out everywhere since."""
        ...

    def change(self) -> int:
        """Another number after anything changed that the answers here depend on."""
        ...

    def team_of(self, app: str) -> str: ...

    def title_of(self, app: str) -> str: ...

    def app_names(self) -> list[str]: ...

    def default_app(self) -> str:
        """The app of the first start."""
        ...


class SignIn(msgspec.Struct, frozen=True):
    """A browser that has signed in, as a person or with a token. sha256: of its cookie.

    person: "" for a token. token_sha256: of the token, "" for a person. address, agent: where it was done, to recognise
    it by. used_ns: when it was last used, some minutes more or less. Both times ns UTC. epoch: of the person, then.
    """

    sha256: str
    person: str
    token_sha256: str
    name: str
    made_ns: int
    used_ns: int
    address: str = ""
    agent: str = ""
    epoch: int = 1

    @property
    def id(self) -> str:
        return f"sig_{self.sha256[:16]}"


class SignInRows(Protocol):
    """Sign-ins, shared by all instances. Raises BackendUnavailable."""

    def put(self, row: SignIn, *, made_after_ns: int, used_after_ns: int, rows_max: int) -> None:
        """It is kept, durably; those made or used last before these times are not, nor more than `rows_max` of
        the same person or token."""
        ...

    def find(self, sha256: str) -> SignIn | None: ...

    def touch(self, sha256: str, used_ns: int) -> None: ...

    def remove(self, sha256: str) -> None: ...

    def of_person(self, person: str) -> list[SignIn]:
        """Those used last first."""
        ...
