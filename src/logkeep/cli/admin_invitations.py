"""`logkeep admin invitation`."""

from typing import Annotated

import typer

from logkeep.cli.admin_common import Config, Data, Json, Team, day, opened, refuse_unknown_team, show
from logkeep.clock import SystemClock
from logkeep.metastore.links import mail_state
from logkeep.metastore.teams import FIRST_TEAM


def list_invitations(team: Team = FIRST_TEAM, data: Data = None, config: Config = None, json: Json = False) -> int:
    """List the invitations into a team that wait."""
    with opened(data, config) as admin:
        refuse_unknown_team(admin, team)
        rows = [
            {
                "invitation": one.id,
                "email": one.email,
                "role": one.role,
                "made": day(one.made_ns),
                "expires": day(one.expires_ns),
                "mail": ": ".join(filter(None, mail_state(one, SystemClock().now_ns()))),
            }
            for one in admin.directory.links.invitations(team)
        ]
    return show(rows, json, empty="no invitation waits; `logkeep admin invite EMAIL` makes one")


def withdraw(
    invitation: Annotated[str, typer.Argument(metavar="INVITATION", help="Its id, as `invitation list` shows it.")],
    team: Team = FIRST_TEAM,
    data: Data = None,
    config: Config = None,
) -> int:
    """Let the link of an invitation be worth nothing any more."""
    with opened(data, config) as admin:
        admin.directory.links.withdraw(admin.by, team, invitation)
    return 0
