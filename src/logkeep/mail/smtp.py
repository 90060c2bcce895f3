"""Mails over SMTP, with the standard library: mails are few, and one thread sends them one after another.

aiosmtplib would be a dependency more to do the same without that thread, and its event loop is the one that answers
requests; smtplib has what counts here: STARTTLS with certificates checked, and errors that say whether to try again.
"""

import smtplib
import ssl
from email.message import EmailMessage

from logkeep.clock import Clock
from logkeep.errors import BackendUnavailable, InputError
from logkeep.mail.port import Message, as_email
from logkeep.settings import MailSettings


class SmtpMail:
    """The Mail port. A connection a mail: what stands between drops those that are quiet for hours."""

    def __init__(self, settings: MailSettings, *, clock: Clock) -> None:
        self._settings, self._clock = settings, clock

    def send(self, message: Message) -> None:
        email = as_email(message, self._settings.sender, self._clock.now_ns())
        try:
            self._deliver(email)
        except smtplib.SMTPRecipientsRefused as error:
            raise self._refused(message, next(iter(error.recipients.values()))) from error
        except smtplib.SMTPNotSupportedError as error:
            raise InputError(f"the mail server cannot take the mail to {message.to}: {error}") from error
        except smtplib.SMTPResponseException as error:
            raise self._refused(message, (error.smtp_code, error.smtp_error)) from error
        except (OSError, smtplib.SMTPException) as error:
            where = f"{self._settings.host}:{self._settings.port}"
            raise BackendUnavailable(
                f"the mail server {where} does not answer: {error}", code="mail_unavailable"
            ) from error

    def _deliver(self, email: EmailMessage) -> None:
        settings = self._settings
        context = ssl.create_default_context(cafile=settings.ca_file or None)
        made = (
            smtplib.SMTP_SSL(settings.host, settings.port, timeout=settings.timeout_s, context=context)
            if settings.security == "tls"
            else smtplib.SMTP(settings.host, settings.port, timeout=settings.timeout_s)
        )
        with made as server:
            if settings.security == "starttls":
                server.starttls(context=context)
            if settings.user:
                server.login(settings.user, settings.password)
            server.send_message(email)

    def _refused(self, message: Message, answer: tuple[int, bytes | str]) -> Exception:
        code, reason = answer
        text = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else reason
        told = f"the mail server refuses the mail to {message.to}: {code} {text[:200]}"
        return BackendUnavailable(told, code="mail_unavailable") if 400 <= code < 500 else InputError(told)
