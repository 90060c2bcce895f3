"""`logkeep admin people`, `team`, `invite`, `reset-password`."""

import sys
from typing import Annotated

import typer

from logkeep.cli.admin_common import (
    Admin,
    Config,
    Data,
    Json,
    Team,
    day,
    opened,
    person,
    refuse_unknown_team,
    show,
    tell,
)
from logkeep.clock import SystemClock
from logkeep.errors import InputError, LogkeepError
from logkeep.metastore.people import Person, new_password
from logkeep.metastore.port import SignIn
from logkeep.metastore.teams import FIRST_TEAM
from logkeep.metastore.writing import not_found

Email = Annotated[str, typer.Argument(metavar="EMAIL", help="Address of the person.")]
Name = Annotated[str, typer.Option("--name", metavar="NAME", help="What to call them. [before the @]")]
Role = Annotated[str, typer.Option("--role", metavar="ROLE", help="owner, admin, member or read_only.")]
TeamName = Annotated[str, typer.Argument(metavar="TEAM", help="Name of the team.")]


def list_people(data: Data = None, config: Config = None, json: Json = False) -> int:
    """List everybody who may sign in."""
    with opened(data, config) as admin:
        rows = [
            {
                "email": one.email,
                "name": one.name,
                "person": one.id,
                "password": bool(one.password),
                "totp": bool(one.totp),
                "disabled": bool(one.disabled_ns),
                "made": day(one.made_ns),
            }
            for one in admin.directory.people.all()
        ]
    return show(rows, json, empty="nobody yet; `logkeep admin people create EMAIL` makes somebody")


def create_person(
    email: Email,
    name: Name = "",
    team: Team = FIRST_TEAM,
    role: Role = "member",
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input instead of making one.")
    ] = False,
    data: Data = None,
    config: Config = None,
    json: Json = False,
) -> int:
    """Make a person with a password, in a team. The password is printed once.

    Where mails work, `logkeep admin invite` is better: then nobody else has ever seen the password.
    """
    password = sys.stdin.readline().rstrip("\n") if password_stdin else new_password()
    with opened(data, config) as admin:
        join = admin.directory.teams.joining(admin.by, team, role)
        made = admin.directory.people.create(admin.by, email=email, name=name, password=password, join=join)
    told = {"person": made.id, "email": made.email, "team": team, "role": role}
    if password_stdin:
        return tell(told, json, made.id, f"{made.email} is {role} of {team}")
    return tell(told | {"password": password}, json, password, f"the password of {made.email}, {role} of {team}")


def disable_person(email: Email, data: Data = None, config: Config = None) -> int:
    """Let a person do nothing any more; their sign-ins end, their tokens are worth nothing."""
    with opened(data, config) as admin:
        admin.directory.people.set_disabled(admin.by, person(admin, email).id, True)
    return 0


def enable_person(email: Email, data: Data = None, config: Config = None) -> int:
    """Let a person who was disabled sign in again."""
    with opened(data, config) as admin:
        admin.directory.people.set_disabled(admin.by, person(admin, email).id, False)
    return 0


def list_sign_ins(email: Email, data: Data = None, config: Config = None, json: Json = False) -> int:
    """List the browsers in which a person is signed in, used last first."""
    with opened(data, config) as admin:
        rows = [
            {
                "sign_in": one.id,
                "address": one.address,
                "agent": one.agent,
                "made": day(one.made_ns),
                "used": day(one.used_ns),
            }
            for one in _sign_ins(admin, person(admin, email))
        ]
    return show(rows, json, empty="signed in nowhere")


def sign_out(
    email: Email,
    sign_in: Annotated[
        str, typer.Option("--sign-in", metavar="ID", help="This one alone, as `people sign-ins` shows it. [all]")
    ] = "",
    data: Data = None,
    config: Config = None,
) -> int:
    """End all sign-ins of a person, or one of them."""
    with opened(data, config) as admin:
        found = person(admin, email)
        if not sign_in:
            admin.directory.people.sign_out_everywhere(admin.by, found.id)
            return 0
        row = next((one for one in _sign_ins(admin, found) if one.id == sign_in), None)
        if row is None:
            raise not_found("sign-in", sign_in)
        admin.directory.sign_ins.remove(row.sha256)
        told = admin.directory.people.entry(admin.by, "sign_in.ended", found, {"sign_in": row.id})
        admin.directory.audit.add([told])
    return 0


def _sign_ins(admin: Admin, of: Person) -> list[SignIn]:
    """Those that are good."""
    from logkeep.api.sign_ins import is_in_time

    now_ns = SystemClock().now_ns()
    rows = admin.directory.sign_ins.of_person(of.id)
    return [row for row in rows if not of.disabled_ns and row.epoch >= of.epoch and is_in_time(row, now_ns)]


def remove_totp(email: Email, data: Data = None, config: Config = None) -> int:
    """Ask a person for no code any more: for who has lost the device and the recovery codes."""
    with opened(data, config) as admin:
        admin.directory.totp.remove(admin.by, person(admin, email).id)
    return 0


# ── teams ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def list_teams(data: Data = None, config: Config = None, json: Json = False) -> int:
    """List all teams."""
    with opened(data, config) as admin:
        rows = [
            {"team": team.name, "title": team.title, "made": day(team.made_ns)} for team in admin.directory.teams.some()
        ]
    return show(rows, json, empty="no team yet; start the service once")


def create_team(
    team: TeamName,
    title: Annotated[str, typer.Option("--title", metavar="TITLE", help="What to call it. [its name]")] = "",
    owner: Annotated[str, typer.Option("--owner", metavar="EMAIL", help="Who owns it.")] = "",
    data: Data = None,
    config: Config = None,
) -> int:
    """Make a team."""
    with opened(data, config) as admin:
        id = person(admin, owner).id if owner else ""
        admin.directory.teams.create(admin.by, name=team, title_=title, owner=id)
    return 0


def title_team(
    team: TeamName,
    title: Annotated[str, typer.Argument(metavar="TITLE", help="What to call it; its name stays.")],
    data: Data = None,
    config: Config = None,
) -> int:
    """Give a team another title."""
    with opened(data, config) as admin:
        admin.directory.teams.rename(admin.by, team, title, None)
    return 0


def members(team: TeamName, data: Data = None, config: Config = None, json: Json = False) -> int:
    """List who is in a team."""
    with opened(data, config) as admin:
        refuse_unknown_team(admin, team)
        rows = [
            {
                "email": one.email,
                "role": one.role,
                "apps": " ".join(f"{app}={role}" for app, role in sorted(one.app_roles.items())),
                "totp": one.totp,
                "disabled": one.disabled,
            }
            for one in admin.directory.teams.members(team)
        ]
    return show(rows, json, empty="nobody is in this team")


def add_member(team: TeamName, email: Email, role: Role = "member", data: Data = None, config: Config = None) -> int:
    """Put a person into a team."""
    with opened(data, config) as admin:
        admin.directory.teams.add(admin.by, team, person(admin, email).id, role)
    return 0


def change_role(
    team: TeamName,
    email: Email,
    role: Annotated[
        str, typer.Argument(metavar="ROLE", help="owner, admin, member or read_only; with --app see there.")
    ],
    app: Annotated[
        str,
        typer.Option("--app", metavar="APP", help="In this app alone: admin, member, read_only, none, or `same`."),
    ] = "",
    data: Data = None,
    config: Config = None,
) -> int:
    """Give a member another role, in the team or in one app of it."""
    with opened(data, config) as admin:
        admin.directory.teams.change_member(
            admin.by,
            team,
            _member(admin, team, email),
            role=None if app else role,
            app_roles={app: None if role == "same" else role} if app else {},
            revision=None,
            is_owner=True,
        )
    return 0


def remove_member(team: TeamName, email: Email, data: Data = None, config: Config = None) -> int:
    """Take a person out of a team, with their tokens in it."""
    with opened(data, config) as admin:
        admin.directory.teams.remove(admin.by, team, _member(admin, team, email), is_owner=True)
    return 0


def _member(admin: Admin, team: str, email: str) -> str:
    """The id of the person. Raises InputError (404): what is not there is the team, or the person in it."""
    refuse_unknown_team(admin, team)
    found = person(admin, email)
    if found.id not in {one.person for one in admin.directory.teams.members(team)}:
        raise InputError(f"{found.email} is no member of the team {team!r}; `logkeep admin team members` shows who is")
    return found.id


# ── links ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

NoMail = Annotated[bool, typer.Option("--no-mail", help="Send no mail; you pass the link on.")]


def invite(
    email: Email,
    team: Team = FIRST_TEAM,
    role: Role = "member",
    no_mail: NoMail = False,
    data: Data = None,
    config: Config = None,
    json: Json = False,
) -> int:
    """Invite somebody into a team: prints a link that is good once, for a week, and sends it by mail."""
    from logkeep.cli.client import in_force
    from logkeep.mail import compose
    from logkeep.metastore.links import INVITATION_S

    with opened(data, config) as admin:
        links, mail = admin.directory.links, "" if no_mail else "waiting"
        made, secret = links.invite(admin.by, team=team, email=email, role=role, mail=mail)
        link = compose.invitation_link(in_force(admin.settings).public_url, secret)
        if not no_mail:
            (found,) = admin.directory.teams.some([team])
            days = INVITATION_S // 86_400
            try:
                _send(admin, compose.invitation(to=made.email, team=found.title, by="An admin", link=link, days=days))
            except LogkeepError as error:
                links.mailed(admin.by, made, error.message)
                raise
            links.mailed(admin.by, made)
    told = {"invitation": made.id, "email": made.email, "team": team, "role": role, "link": link}
    return tell(told, json, link, _about_mail(no_mail, made.email))


def reset_password(
    email: Email, no_mail: NoMail = False, data: Data = None, config: Config = None, json: Json = False
) -> int:
    """Let a person choose a new password: prints a link that is good once, for an hour, and sends it by mail."""
    from logkeep.cli.client import in_force
    from logkeep.mail import compose
    from logkeep.metastore.links import RESET_S

    with opened(data, config) as admin:
        found = person(admin, email)
        secret = admin.directory.links.ask_reset(admin.by, found)
        link = compose.reset_link(in_force(admin.settings).public_url, secret)
        if not no_mail and "." in found.email.partition("@")[2]:  # admin@localhost gets no mail
            _send(admin, compose.password_reset(to=found.email, link=link, minutes=RESET_S // 60))
    return tell({"person": found.id, "email": found.email, "link": link}, json, link, "good once, for an hour")


def _send(admin: Admin, message: object) -> None:
    from logkeep.mail.port import Message
    from logkeep.wiring_backend import open_mail

    assert isinstance(message, Message)
    open_mail(admin.settings).send(message)


def _about_mail(no_mail: bool, email: str) -> str:
    return "good once, for a week" if no_mail else f"good once, for a week; sent to {email}"
