"""The mails themselves, from templates: plain text, and the same as simple HTML."""

from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from logkeep.mail.port import Message


def invitation_link(public_url: str, secret: str) -> str:
    return f"{public_url}/invitation?secret={secret}"


def reset_link(public_url: str, secret: str) -> str:
    return f"{public_url}/password-reset?secret={secret}"


def invitation(*, to: str, team: str, by: str, link: str, days: int) -> Message:
    subject = _line(f"You are invited to {team} on Logkeep")
    return _message(to, subject, "invitation", team=team, by=by, link=link, days=days)


def password_reset(*, to: str, link: str, minutes: int) -> Message:
    return _message(to, "A new password for Logkeep", "password_reset", link=link, minutes=minutes)


def _message(to: str, subject: str, template: str, **values: Any) -> Message:
    text = _texts().get_template(f"{template}.txt").render(**values)
    html = _pages().get_template(f"{template}.html").render(subject=subject, **values)
    return Message(to, subject, text, html)


def _line(text: str) -> str:
    """What others have named stays on its line."""
    return "".join(char if char.isprintable() else " " for char in text)[:200]


@cache
def _texts() -> Environment:
    return Environment(loader=PackageLoader("logkeep.mail"), undefined=StrictUndefined, keep_trailing_newline=True)


@cache
def _pages() -> Environment:
    return Environment(loader=PackageLoader("logkeep.mail"), autoescape=True, undefined=StrictUndefined)
