"""What all changes of accounts have in common: checked texts, one transaction with its entry in the audit log."""

import re
import secrets
from collections.abc import Callable
from typing import TypeVar

from logkeep.clock import Clock
from logkeep.errors import InputError
from logkeep.metastore.accounts import TOPIC
from logkeep.metastore.database import Database, Transaction, bump

NAME_CHARS_MAX = 200
EMAIL_CHARS_MAX = 254  # RFC 5321
SLUG_CHARS_MAX = 63
_SLUG = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
# RFC 5321: names between dots, in the domain without a dash at either end. Of others a mail server takes none.
_ATOM = r"[^@\s<>\"(),:;\\\[\].]+"
_LABEL = r"[^\W_](?:[\w-]*[^\W_])?"
_EMAIL = re.compile(rf"(?=[^@]{{1,64}}@){_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})*")

T = TypeVar("T")


class Writer:
    """Changes that this process knows at once, and every other one within `refresh_s`."""

    def __init__(self, database: Database, clock: Clock, look: Callable[[], object]) -> None:
        """look: makes this process know what the database has."""
        self._database, self.clock, self._look = database, clock, look

    def read(self, work: Callable[[Transaction], T]) -> T:
        return self._database.read(work)

    def change(self, work: Callable[[Transaction], T]) -> T:
        """What `work` returns; done, durably. One at a time: others wait from the first statement on."""

        def changed(transaction: Transaction) -> T:
            bump(transaction, TOPIC)
            return work(transaction)

        result = self._database.write(changed)
        self._look()
        return result

    def write(self, work: Callable[[Transaction], T]) -> T:
        """The same for what nobody keeps in memory."""
        return self._database.write(work)


def new_id(kind: str) -> str:
    return f"{kind}_{secrets.token_hex(8)}"


def not_found(what: str, name: str) -> InputError:
    return InputError(f"there is no {what} {name[:80]!r}", code="not_found", status=404)


def conflict(what: str, revision: int) -> InputError:
    return InputError(
        f"{what} was changed by somebody else and has revision {revision} now; read it again, then change it",
        code="conflict",
        status=409,
    )


def refuse_stale(what: str, found: int, given: int | None) -> None:
    """Raises InputError (409) when what is to be changed is not what the asker has seen. given: None: not told."""
    if given is not None and given != found:
        raise conflict(what, found)


def refuse_overtaken(what: str, present: int, given: int | None) -> None:
    """The same of what is set as a whole. Raises InputError (409)."""
    if given is not None and given != present:
        raise InputError(
            f"{what} were changed meanwhile (version {present}, not {given}); look at them again",
            code="changed_meanwhile",
            status=409,
        )


def slug(text: str, what: str) -> str:
    """Raises InputError."""
    if not _SLUG.fullmatch(text):
        raise InputError(
            f"the name of {what} is 1 to {SLUG_CHARS_MAX} of a-z, 0-9, '.', '_' and '-', and begins with a letter or "
            f"digit; {text[:80]!r} is not",
            code="bad_name",
        )
    return text


def title(text: str, what: str, *, chars_max: int = NAME_CHARS_MAX) -> str:
    """One line that can be printed. Raises InputError."""
    clean = text.strip()
    if not clean or len(clean) > chars_max or not clean.isprintable():
        raise InputError(f"{what} must be one line of 1 to {chars_max} printable characters", code="bad_name")
    return clean


def clean_email(text: str) -> str:
    """As addresses of people are kept, so that theirs are found; whether it is an address is not looked at."""
    return text.strip().lower()


def email_address(text: str) -> str:
    """As it is kept. Raises InputError."""
    clean = clean_email(text)
    if len(clean) > EMAIL_CHARS_MAX or not clean.isprintable() or not _EMAIL.fullmatch(clean):
        raise InputError(f"{text[:80]!r} is no e-mail address", code="bad_email")
    return clean
