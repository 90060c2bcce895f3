"""Teams, people with roles, apps of a team, write keys, tokens, links, steps of a sign-in, attempts, the audit log.

What revision 0001 had goes into the team `main`: apps as they are, people as its owners, keys with their hashes. A
token of the owner, which 0001 made for the first app, is from now on of the whole team.
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

from logkeep.metastore.migrations.columns import OPTIONS, data, name

revision = "0002"
down_revision = "0001"

TEAM = "main"


def text(column: str, chars: int, **options: Any) -> sa.Column[str]:
    return sa.Column(column, name(chars), nullable=False, **options)


def count(column: str, **options: Any) -> sa.Column[int]:
    return sa.Column(column, sa.BigInteger(), nullable=False, **options)


def table(table_name: str, *columns: Any) -> None:
    op.create_table(table_name, *columns, **OPTIONS)


def rows(sql: str) -> Sequence[Any]:
    return op.get_bind().execute(sa.text(sql)).fetchall()


def insert(table_name: str, found: list[dict[str, Any]]) -> None:
    if found:
        columns = ", ".join(found[0])
        values = ", ".join(f":{column}" for column in found[0])
        op.get_bind().execute(sa.text(f"INSERT INTO {table_name} ({columns}) VALUES ({values})"), found)  # noqa: S608


def upgrade() -> None:
    apps = rows("SELECT name, made_ns FROM apps ORDER BY number")
    people = rows("SELECT email, password, made_ns FROM people")
    keys = rows("SELECT sha256, app, scope, made_ns FROM credentials")
    signed = rows("SELECT sha256, name, token_sha256, made_ns, used_ns FROM sign_ins")
    for gone in ("people", "credentials", "sign_ins"):
        op.drop_table(gone)
    make_accounts()
    make_keys()
    make_signing_in()
    make_audit()
    insert("changes", [{"topic": "audit", "number": 1}])
    if apps:
        insert("teams", [{"name": TEAM, "title": "Main", "made_ns": apps[0][1], "revision": 1}])
    ids = keep_people(people)
    keep_keys(keys, apps)
    keep_sign_ins(signed, ids)


def make_accounts() -> None:
    table("teams", text("name", 64, primary_key=True), text("title", 200), count("made_ns"), count("revision"))
    op.add_column("apps", text("team", 64, server_default=TEAM))
    op.add_column("apps", text("title", 200, server_default=""))
    op.add_column("apps", count("archived_ns", server_default="0"))
    op.add_column("apps", count("revision", server_default="1"))
    table(
        "people", text("id", 32, primary_key=True), text("email", 254, unique=True), text("name", 200),
        text("password", 255), text("totp", 64), text("totp_pending", 64), count("totp_step"), text("provider", 255),
        text("subject", 255), count("made_ns"), count("disabled_ns"), count("epoch"), count("revision"),
    )  # fmt: skip
    op.create_index("people_by_subject", "people", ["provider", "subject"])
    table("recovery_codes", text("person", 32, primary_key=True), text("sha256", 64, primary_key=True))
    table(
        "memberships", text("team", 64, primary_key=True), text("person", 32, primary_key=True), text("role", 16),
        count("made_ns"), count("revision"),
    )  # fmt: skip
    table("app_roles", text("app", 255, primary_key=True), text("person", 32, primary_key=True), text("role", 16))


def make_keys() -> None:
    table(
        "write_keys", text("id", 32, primary_key=True), text("app", 255), text("name", 200), text("prefix", 16),
        text("sha256", 64, unique=True), text("origins", 2000), count("made_ns"), text("made_by", 32),
        count("expires_ns"), count("revision"),
    )  # fmt: skip
    op.create_index("write_keys_by_app", "write_keys", ["app"])
    table(
        "tokens", text("id", 32, primary_key=True), text("team", 64), text("app", 255), text("person", 32),
        text("name", 200), text("prefix", 16), text("sha256", 64, unique=True), text("scopes", 200), count("made_ns"),
        text("made_by", 32), count("expires_ns"), count("used_day"),
    )  # fmt: skip
    op.create_index("tokens_by_team", "tokens", ["team"])


def make_signing_in() -> None:
    table(
        "links", text("sha256", 64, primary_key=True), text("id", 32, unique=True), text("kind", 16), text("team", 64),
        text("person", 32), text("email", 254), text("role", 16), text("made_by", 32), count("made_ns"),
        count("expires_ns"), count("used_ns"),
    )  # fmt: skip
    op.create_index("links_by_team", "links", ["team", "kind"])
    table(
        "sign_ins", text("sha256", 64, primary_key=True), text("id", 32, unique=True), text("person", 32),
        text("token_sha256", 64), text("name", 254), text("address", 64), text("agent", 200), count("made_ns"),
        count("used_ns"), count("epoch"),
    )  # fmt: skip
    op.create_index("sign_ins_by_use", "sign_ins", ["used_ns"])
    op.create_index("sign_ins_by_person", "sign_ins", ["person"])
    table(
        "steps", text("sha256", 64, primary_key=True), text("kind", 16), text("person", 32), text("body", 2000),
        count("expires_ns"), count("tries"),
    )  # fmt: skip
    table(
        "attempts", text("name", 128, primary_key=True), count("failures"), count("until_ns"), count("changed_ns"),
    )  # fmt: skip
    op.create_index("attempts_by_age", "attempts", ["changed_ns"])


def make_audit() -> None:
    number = sa.Column("number", sa.BigInteger(), primary_key=True, autoincrement=False)
    table(
        "audit", number, text("id", 32, unique=True), count("made_ns"), text("team", 64), text("app", 255),
        text("who", 32), text("who_name", 254), text("what", 64), text("target", 300), text("ip", 64),
        sa.Column("detail", data(), nullable=False), text("previous", 64), text("hash", 64),
    )  # fmt: skip
    op.create_index("audit_by_team", "audit", ["team", "number"])


def keep_people(people: Sequence[Any]) -> dict[str, str]:
    """Their ids by e-mail. They signed in as what is an owner now."""
    ids = {email: f"per_{number:016x}" for number, (email, _, _) in enumerate(sorted(people), 1)}
    found = [
        {
            "id": ids[email], "email": email, "name": email.partition("@")[0][:200], "password": password, "totp": "",
            "totp_pending": "", "totp_step": 0, "provider": "", "subject": "", "made_ns": made_ns, "disabled_ns": 0,
            "epoch": 1, "revision": 1,
        }
        for email, password, made_ns in people
    ]  # fmt: skip
    insert("people", found)
    owners = [
        {"team": TEAM, "person": one["id"], "role": "owner", "made_ns": one["made_ns"], "revision": 1} for one in found
    ]
    insert("memberships", owners)
    return ids


def keep_keys(keys: Sequence[Any], apps: Sequence[Any]) -> None:
    first = apps[0][0] if apps else ""
    common = [
        {"id": sha256[:16], "app": app, "name": "first start", "prefix": "", "sha256": sha256, "made_ns": made_ns,
         "made_by": "", "expires_ns": 0, "scope": scope}
        for sha256, app, scope, made_ns in keys
    ]  # fmt: skip
    writing, reading = [], []
    for key in common:
        scope = key.pop("scope")
        if scope == "write":
            writing.append(key | {"id": f"key_{key['id']}", "origins": "", "revision": 1})
        else:
            app = "" if scope == "admin" and key["app"] == first else key["app"]
            own = {"id": f"tok_{key['id']}", "team": TEAM, "app": app, "person": "", "scopes": scope, "used_day": 0}
            reading.append(key | own)
    insert("write_keys", writing)
    insert("tokens", reading)


def keep_sign_ins(signed: Sequence[Any], ids: dict[str, str]) -> None:
    insert(
        "sign_ins",
        [
            {
                "sha256": sha256, "id": f"sig_{sha256[:16]}", "person": "" if token else ids[who],
                "token_sha256": token, "name": who[:254], "address": "", "agent": "", "made_ns": made_ns,
                "used_ns": used_ns, "epoch": 1,
            }
            for sha256, who, token, made_ns, used_ns in signed
            if token or who in ids
        ],
    )  # fmt: skip
