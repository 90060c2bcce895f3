"""Mails as they go out: what they say, and that nobody makes them say more."""

from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from tests.service import wait_for

from logkeep.clock import ManualClock
from logkeep.disk import SystemDisk
from logkeep.errors import BackendUnavailable, InputError
from logkeep.mail import compose, files, outbox
from logkeep.mail.files import FileMail
from logkeep.mail.outbox import Outbox
from logkeep.mail.port import Message, as_email
from logkeep.telemetry import Telemetry

LINK = "https://logs.example.org/invitation?secret=x-_1"
SENDER = "Logkeep <logs@example.org>"


def invitation(**changes: Any) -> Message:
    given = {"to": "anna@example.org", "team": "Kasse", "by": "bert@example.org", "link": LINK, "days": 7} | changes
    return compose.invitation(**given)


def parsed(message: Message) -> Any:
    return message_from_bytes(bytes(as_email(message, SENDER, 1_785_578_400_000_000_000)), policy=policy.default)


def test_a_mail_says_the_same_as_text_and_as_html() -> None:
    mail = parsed(invitation())
    assert (mail["To"], mail["From"], mail["Subject"]) == (
        "anna@example.org", SENDER, "You are invited to Kasse on Logkeep",
    )  # fmt: skip
    assert mail["Date"] == "Sat, 01 Aug 2026 10:00:00 +0000" and mail["Auto-Submitted"] == "auto-generated"
    text, html = (mail.get_body((kind,)).get_content() for kind in ("plain", "html"))
    assert LINK in text and f'href="{LINK}"' in html and "7 days" in text and "7 days" in html
    reset = parsed(compose.password_reset(to="anna@example.org", link=LINK, minutes=60))
    assert "60 minutes" in reset.get_body(("plain",)).get_content()


def test_what_others_named_is_a_text_on_one_line() -> None:
    hostile = "x\r\nBcc: eve@evil.example\r\n\r\n<script>alert(1)</script>"
    mail = parsed(invitation(team=hostile, by=hostile))
    assert mail["Bcc"] is None and len(mail.get_all("To")) == 1
    assert "Bcc: eve@evil.example" in mail["Subject"]  # as a part of the line
    assert "<script>" not in mail.get_body(("html",)).get_content()


@pytest.mark.parametrize(
    "address",
    [
        "anna@example.org\r\nBcc: eve@evil.example", "anna@example.org\nX: y", "anna@example.org, eve@evil.example",
        "anna@example.org;eve@evil.example", '"a b"@example.org', "<anna@example.org>", "anna", "", "a@b\0c",
        "x" * 300 + "@example.org", "anna@example.org eve@evil.example",
    ],
)  # fmt: skip
def test_an_address_that_is_more_than_one_is_refused(address: str) -> None:
    with pytest.raises(InputError):
        as_email(Message(address, "subject", "text", "html"), SENDER, 0)
    with pytest.raises(InputError):
        as_email(Message("anna@example.org", "subject\r\nBcc: eve@evil.example", "text", "html"), SENDER, 0)
    with pytest.raises(InputError):
        as_email(Message("anna@example.org", "subject", "text", "html"), f"Logs\r\nBcc: {address} <a@b.c>", 0)


def test_mails_are_files_for_their_owner_alone_and_the_oldest_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "FILES_MAX", 2)
    clock = ManualClock()
    mail = FileMail(tmp_path / "mail", sender=SENDER, disk=SystemDisk(), clock=clock)
    for number in range(3):
        mail.send(invitation(to=f"person-{number}@example.org"))
        clock.advance(1)
    kept = sorted((tmp_path / "mail").iterdir())
    assert [b"person-1@" in path.read_bytes() or b"person-2@" in path.read_bytes() for path in kept] == [True, True]
    assert {path.stat().st_mode & 0o777 for path in kept} == {0o600}
    assert (tmp_path / "mail").stat().st_mode & 0o777 == 0o700


class Carrier:
    """Fails so often, then carries."""

    def __init__(self, *failures: Exception) -> None:
        self.failures, self.carried = list(failures), []  # type: ignore[var-annotated]

    def send(self, message: Message) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.carried.append(message)


def outcome(carrier: Carrier, monkeypatch: pytest.MonkeyPatch, *made: Any) -> str:
    """What the counter of mails says after these."""
    monkeypatch.setattr(outbox, "PAUSE_S", 0.001)
    telemetry = Telemetry()
    box = Outbox(carrier, telemetry)
    for one in made:
        box.post(one)
        box._carry(box._waiting.get()[0])
    text = telemetry.exposition().decode()
    return " ".join(line.partition("mails_total")[2] for line in text.splitlines() if "logkeep_mails_total{" in line)


def test_a_mail_is_tried_again_while_nobody_answers_and_not_when_it_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    away = Carrier(BackendUnavailable("away"), BackendUnavailable("away"))
    assert outcome(away, monkeypatch, invitation) == '{outcome="sent"} 1.0' and len(away.carried) == 1
    refusing = Carrier(InputError("no such mailbox"))
    assert outcome(refusing, monkeypatch, invitation) == '{outcome="failed"} 1.0' and refusing.carried == []
    gone = Carrier(*[BackendUnavailable("away")] * 9)
    assert outcome(gone, monkeypatch, invitation) == '{outcome="failed"} 1.0' and len(gone.failures) == 4


def test_whoever_asked_is_told_what_became_of_it_also_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    box = Outbox(Carrier(InputError("no such mailbox")), Telemetry())
    box.start()
    for _ in range(2):
        box.post(invitation, told.append)
    wait_for(lambda: len(told) == 2, 20, "both mails")
    box.close()
    late = Outbox(Carrier(), Telemetry())
    late.post(invitation, told.append)
    late.close()
    assert told == ["no such mailbox", "", "the service ended before it was sent"]


def test_a_mail_to_nobody_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    carrier = Carrier()
    assert outcome(carrier, monkeypatch, lambda: None) == "" and carrier.carried == []


def test_more_mails_than_may_wait_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "WAITING_MAX", 1)
    box = Outbox(Carrier(), Telemetry())
    box.post(invitation)
    with pytest.raises(BackendUnavailable):
        box.post(invitation)
