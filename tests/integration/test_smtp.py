"""Mails over SMTP to a real server on loopback: encrypted, with a password, and what is made of its refusals."""

import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope
from tests.programs import require_program
from tests.service import free_port

from logkeep.clock import SystemClock
from logkeep.errors import BackendUnavailable, InputError
from logkeep.mail import compose
from logkeep.mail.smtp import SmtpMail
from logkeep.settings import MailSettings

USER, PASSWORD = "logs", "a password of the mail server"
LINK = "https://logs.example.org/password-reset?secret=x"


class Mailbox:
    """What the server took. `answer`: what it says to a recipient instead of taking it."""

    def __init__(self) -> None:
        self.taken: list[Envelope] = []
        self.answer = ""

    async def handle_RCPT(self, server: Any, session: Any, envelope: Envelope, address: str, options: Any) -> str:
        if self.answer:
            return self.answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Envelope) -> str:
        self.taken.append(envelope)
        return "250 taken"


class There:
    def __init__(self, mailbox: Mailbox, settings: MailSettings) -> None:
        self.mailbox, self.settings = mailbox, settings

    def send(self, to: str = "anna@example.org", **changes: Any) -> None:
        given = {name: getattr(self.settings, name) for name in self.settings.__struct_fields__} | changes
        mail = SmtpMail(MailSettings(**given), clock=SystemClock())
        mail.send(compose.password_reset(to=to, link=LINK, minutes=60))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of 127.0.0.1, and its key beside it."""
    folder = tmp_path_factory.mktemp("certificate")
    command = [
        require_program("openssl"), "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
        "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
        "-keyout", str(folder / "key.pem"), "-out", str(folder / "crt.pem"),
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True)
    return folder / "crt.pem"


@pytest.fixture
def make(certificate: Path) -> Iterator[Callable[..., There]]:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))

    def knows(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        is_right = (data.login, data.password) == (USER.encode(), PASSWORD.encode())
        return AuthResult(success=is_right, handled=False)

    with ExitStack() as stack:

        def start(security: str = "starttls") -> There:
            mailbox, port, options = Mailbox(), free_port(), {}
            if security == "starttls":
                options = {"tls_context": context, "require_starttls": True}
                options |= {"authenticator": knows, "auth_required": True}
            elif security == "tls":
                options = {"ssl_context": context}
            controller = Controller(mailbox, "127.0.0.1", port, **options)
            controller.start()
            stack.callback(controller.stop)
            user = {"user": USER, "password": PASSWORD} if security == "starttls" else {}
            given = {"kind": "smtp", "host": "127.0.0.1", "port": port, "security": security, "timeout_s": 5}
            return There(
                mailbox, MailSettings(**given, **user, ca_file=str(certificate), sender="Logkeep <logs@example.org>")
            )

        yield start


@pytest.mark.parametrize("security", ["starttls", "tls", "none"])
def test_a_mail_arrives_whole(make: Callable[..., There], security: str) -> None:
    it = make(security)
    it.send()
    (envelope,) = it.mailbox.taken
    assert (envelope.mail_from, envelope.rcpt_tos) == ("logs@example.org", ["anna@example.org"])
    assert isinstance(envelope.content, bytes)
    mail = message_from_bytes(envelope.content, policy=policy.default)
    body = mail.get_body(("plain",))
    assert mail["Subject"] == "A new password for Logkeep" and body is not None and LINK in body.get_content()


def test_who_cannot_prove_to_be_the_server_gets_no_password(make: Callable[..., There]) -> None:
    it = make()
    with pytest.raises(BackendUnavailable) as unknown:
        it.send(ca_file="")
    assert "certificate" in unknown.value.message and it.mailbox.taken == []
    plain = make("none")
    with pytest.raises((BackendUnavailable, InputError)):  # it offers no STARTTLS, and nothing is sent without
        plain.send(security="starttls")
    assert plain.mailbox.taken == []


def test_what_the_server_refuses_is_tried_again_only_where_it_says_so(make: Callable[..., There]) -> None:
    it = make()
    it.mailbox.answer = "550 no such mailbox"
    with pytest.raises(InputError, match="550 no such mailbox"):
        it.send()
    it.mailbox.answer = "451 try later"
    with pytest.raises(BackendUnavailable, match="451 try later") as later:
        it.send()
    assert later.value.code == "mail_unavailable" and PASSWORD not in later.value.message
    with pytest.raises(InputError, match="535"):
        it.send(password="wrong")


def test_a_server_that_is_away_is_said_to_be(make: Callable[..., There]) -> None:
    with pytest.raises(BackendUnavailable, match="does not answer"):
        make("none").send(port=1)
