"""Who may send: the key of a request, found in three places, and whom it stands for."""

from hashlib import sha256
from urllib.parse import unquote_plus

from logkeep.errors import BackendUnavailable, InputError
from logkeep.metastore.port import Credential, Credentials
from logkeep.receiver.origins import refuse_other_pages
from logkeep.receiver.sender_limits import Sender

CACHE_KEYS_MAX = 10_000
KEY_ID_CHARS = 16
SECRET_BYTES_MAX = 1024  # of a header that is looked at as a key


class Admission:
    """Senders by key. The raw header is what is remembered, so the usual request costs one look into a dict."""

    def __init__(self, metastore: Credentials) -> None:
        self._metastore = metastore
        self._senders: dict[bytes, Sender] = {}

    def forget(self) -> None:
        """Keys are asked for again; called every second or so, and a withdrawn key is refused from then on."""
        self._senders.clear()

    def problem(self) -> BackendUnavailable | None:
        """Why nobody is let in now."""
        outdated = self._metastore.outdated()
        return BackendUnavailable(outdated, code="metastore_unavailable") if outdated is not None else None

    def sender_of(
        self, authorization: bytes | None, logkeep_key: bytes | None, query: bytes, origin: bytes | None = None
    ) -> Sender:
        """Whose write key stands in `Authorization: Bearer`, `X-Logkeep-Key` or `?key=`, the first found.

        origin: the header of that name. Raises InputError: 401 without a key, 403 when it is unknown, may not write, or
        is for the pages of other sites.
        """
        if authorization is not None and (known := self._senders.get(authorization)) is not None:
            return known
        secret = _bearer(authorization)
        if not secret:
            authorization = None
            secret = _text(logkeep_key or b"") or _from_query(query)
        if not secret:
            raise InputError(
                "no key; send it as `Authorization: Bearer KEY`, `X-Logkeep-Key: KEY` or `?key=KEY`",
                code="key_missing",
                status=401,
            )
        credential = self._credential_of(secret)
        sender = Sender(credential.app, key_id(secret))
        if credential.origins:
            refuse_other_pages(credential.origins, origin)  # with each request, so these are not remembered
        elif authorization is not None and len(self._senders) < CACHE_KEYS_MAX:
            self._senders[authorization] = sender
        return sender

    def _credential_of(self, secret: str) -> Credential:
        credential = self._metastore.credential(secret) if len(secret) <= SECRET_BYTES_MAX else None
        if credential is None:
            message = "nobody has this key, or its app is archived; look both up in the settings of your app"
            raise InputError(message, code="key_unknown", status=403)
        if credential.scope != "write":
            message = f"this is a {credential.scope} token and cannot write; use a write key of the app"
            raise InputError(message, code="key_cannot_write", status=403)
        return credential


def key_id(secret: str) -> str:
    """How a key is named where the secret must not stand."""
    return sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()[:KEY_ID_CHARS]


def _bearer(authorization: bytes | None) -> str:
    """The token of a Bearer header; "" for other schemes (a proxy's own Basic, say)."""
    if authorization is None or authorization[:7].lower() != b"bearer ":
        return ""
    return _text(authorization[7:])


def _from_query(query: bytes) -> str:
    for pair in query.split(b"&"):
        if pair.startswith(b"key="):
            return unquote_plus(_text(pair[4:]), errors="replace")
    return ""


def _text(value: bytes) -> str:
    return value.strip().decode("latin-1")
