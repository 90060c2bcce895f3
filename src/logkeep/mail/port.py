"""What a mail is, and who carries it."""

import re
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid
from typing import Protocol

import msgspec

from logkeep.clock import NS_PER_S
from logkeep.errors import InputError

LINE_CHARS_MAX = 300  # of subject and addresses
_ADDRESS = re.compile(r"[^@\s<>\"(),:;\\\[\]]{1,64}@[^@\s<>\"(),:;\\\[\]]{1,253}")


class Message(msgspec.Struct, frozen=True):
    """One mail to one address. text: plain; html: the same for those who look at it so."""

    to: str
    subject: str
    text: str
    html: str


class Mail(Protocol):
    def send(self, message: Message) -> None:
        """It was handed over: to a server that answers for it, or to a file. Blocks.

        Raises InputError (nobody can send this: an address or subject that is none), BackendUnavailable (try later).
        """
        ...


def as_email(message: Message, sender: str, now_ns: int) -> EmailMessage:
    """As it goes over the wire. Raises InputError when a header would hold more than it says (header injection)."""
    for name, value in (("address", message.to), ("sender", sender), ("subject", message.subject)):
        if not value or len(value) > LINE_CHARS_MAX or not value.isprintable():
            raise InputError(f"the {name} of a mail must be one line of printable characters: {value[:80]!r}")
    address = sender.rpartition("<")[2].removesuffix(">")
    for one in (message.to, address):
        if not _ADDRESS.fullmatch(one):
            raise InputError(f"{one[:80]!r} is no address that a mail can be sent to or from")
    email = EmailMessage(policy=SMTP.clone(utf8=not message.to.isascii()))
    email["From"], email["To"], email["Subject"] = sender, message.to, message.subject
    email["Date"] = format_datetime(datetime.fromtimestamp(now_ns / NS_PER_S, UTC))
    email["Message-ID"] = make_msgid(domain=address.rpartition("@")[2])
    email["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's holiday answer comes back
    email.set_content(message.text)
    email.add_alternative(message.html, subtype="html")
    return email
