"""`logkeep admin`: people, teams, apps, keys, tokens and the audit log, on the metastore itself.

Whoever may run it on a machine with the settings of the service may do everything: it asks for no token, and works
while the service runs, while it does not, and when nobody knows a password any more.
"""

import inspect
from collections.abc import Callable

import typer

from logkeep.cli import admin_apps, admin_audit, admin_invitations, admin_people


def _group(help: str) -> typer.Typer:
    return typer.Typer(help=inspect.cleandoc(help), add_completion=False, rich_markup_mode=None, no_args_is_help=True)


admin = _group(
    """Manage people, teams, apps, keys and tokens.

    Works on the metastore itself, beside a running service or without one, and needs no token: whoever can read the
    settings and the data folder may do everything. The service knows of it within `metastore.refresh_s` (2 seconds).
    """
)
_COMMANDS: dict[str, tuple[str, dict[str, Callable[..., int]]]] = {
    "people": (
        "People: who may sign in.",
        {
            "list": admin_people.list_people,
            "create": admin_people.create_person,
            "disable": admin_people.disable_person,
            "enable": admin_people.enable_person,
            "sign-ins": admin_people.list_sign_ins,
            "sign-out": admin_people.sign_out,
            "remove-totp": admin_people.remove_totp,
        },
    ),
    "team": (
        "Teams and their members.",
        {
            "list": admin_people.list_teams,
            "create": admin_people.create_team,
            "title": admin_people.title_team,
            "members": admin_people.members,
            "add": admin_people.add_member,
            "role": admin_people.change_role,
            "remove": admin_people.remove_member,
        },
    ),
    "invitation": (
        "Invitations into a team that wait; `logkeep admin invite` makes them.",
        {"list": admin_invitations.list_invitations, "withdraw": admin_invitations.withdraw},
    ),
    "app": (
        "Apps.",
        {
            "list": admin_apps.list_apps,
            "create": admin_apps.create_app,
            "title": admin_apps.title_app,
            "archive": admin_apps.archive_app,
            "restore": admin_apps.restore_app,
        },
    ),
    "key": (
        "Write keys of an app.",
        {
            "list": admin_apps.list_keys,
            "create": admin_apps.create_key,
            "change": admin_apps.change_key,
            "rotate": admin_apps.rotate_key,
            "revoke": admin_apps.revoke_key,
        },
    ),
    "token": (
        "API tokens.",
        {
            "list": admin_apps.list_tokens,
            "create": admin_apps.create_token,
            "revoke": admin_apps.revoke_token,
        },
    ),
    "audit": (
        "Who did what.",
        {"list": admin_audit.list_audit, "export": admin_audit.export, "verify": admin_audit.verify},
    ),
}

for noun, (help, commands) in _COMMANDS.items():
    group = _group(help)
    for verb, body in commands.items():
        group.command(verb)(body)
    admin.add_typer(group, name=noun)
admin.command("invite")(admin_people.invite)
admin.command("reset-password")(admin_people.reset_password)
