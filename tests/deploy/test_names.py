"""Everything of Logkeep that deploy/ and its how-tos name exists: variables, roles, commands, ports, addresses."""

import re
from pathlib import Path

import pytest
from tests.deploy.site import DEPLOY
from tests.style.tree import ROOT, SOURCE, files

from logkeep import settings
from logkeep.api.routes import ROUTES
from logkeep.cli.app import COMMANDS
from logkeep.cli.serve import ROLES
from logkeep.receiver.routes import route_of

HOW_TOS = [
    ROOT / f"docs/how-to/{name}.md"
    for name in ("nginx", "systemd", "compose", "kubernetes", "from-one-machine-to-many")
]
NAMING = [path for path in files() if path.is_relative_to(DEPLOY)] + HOW_TOS


def found(pattern: str) -> dict[str, str]:
    """What the pattern's group finds → a file that has it."""
    return {name: str(path.relative_to(ROOT)) for path in NAMING for name in re.findall(pattern, path.read_text())}


def unknown(named: dict[str, str], known: set[str]) -> dict[str, str]:
    return {name: place for name, place in named.items() if name not in known}


def variables_there() -> set[str]:
    of_options = set(re.findall(r'envvar="(LOGKEEP_\w+)"', "".join(p.read_text() for p in SOURCE.glob("cli/*.py"))))
    return {row.variable for row in settings.rows()} | of_options


def test_every_variable_is_a_setting_or_an_options() -> None:
    named = found(r"(?<!\w)(LOGKEEP_[A-Z_]*[A-Z])\b(?!_)")
    assert len(named) > 15
    assert unknown(named, variables_there() | {"LOGKEEP_SECTION_NAME"}) == {}


def test_every_role_can_be_run() -> None:
    named = found(r"\brun,? (receiver|udp|keeper|\w+?)\b(?=[\],]| --config)") | found(r"logkeep@(\w+)(?!\.service|\w)")
    assert {"receiver", "udp", "processor", "api"} <= set(named)
    assert unknown(named, set(ROLES)) == {}


def test_every_command_is_one() -> None:
    named = found(r"(?m)(?:bin/|^ *|\| |`)logkeep ([a-z]+)\b")
    assert {"serve", "send", "query"} <= set(named)
    assert unknown(named, {row.name for row in COMMANDS}) == {}


def test_every_port_of_logkeep_is_its_default() -> None:
    default = settings.Settings()
    ports = {str(default.intake.port), str(default.api.port), str(default.processor.port)}
    assert unknown(found(r"\b(73\d\d)\b"), ports) == {}


def test_every_setting_is_in_the_table() -> None:
    sections = "|".join(sorted({row.name.partition(".")[0] for row in settings.rows() if "." in row.name}))
    named = found(rf"(?<![\w./@-])((?:{sections})\.[a-z]+(?:_[a-z]+)+)\b")
    assert len(named) > 10
    assert unknown(named, {row.name for row in settings.rows()}) == {}


@pytest.mark.parametrize("path", ["/v1/events", "/health/live", "/health/ready", "/metrics"])
def test_the_intake_has_what_is_passed_on_to_it(path: str) -> None:
    method = b"POST" if path.startswith("/v1/") else b"GET"
    assert route_of(method, path.encode())


def test_the_api_has_every_address_that_is_named() -> None:
    """/v1/ is the intake's; what stands in an expression of nginx is taken apart."""
    there = {route.path for route in ROUTES}
    text = (DEPLOY / "nginx/logkeep/http.conf").read_text()
    expressions = re.findall(r"location ~ \^(/api/v1/)\(([a-z|]+)\)\$", text)
    named = {prefix + name for prefix, names in expressions for name in names.split("|")}
    named |= set(re.findall(r"location = (/[\w/-]+)", text))
    named |= set(found(r"(/api/v1/[a-z-]+)")) | set(found(r"(/health/[a-z]+)"))
    assert {"/api/v1/tail", "/api/v1/export", "/sign-in", "/metrics", "/health/live"} <= named
    assert named - there == set()


def test_every_file_of_deploy_that_a_how_to_names_is_there() -> None:
    for page in HOW_TOS:
        for name in re.findall(r"\bdeploy/[\w@./-]*[\w]", page.read_text()):
            assert (ROOT / name).exists(), f"{page.name}: {name}"


def test_no_file_of_deploy_holds_a_secret() -> None:
    held: list[Path] = []
    for path in NAMING:
        if re.search(r"BEGIN [A-Z ]*PRIVATE KEY|lk[wr]_[\w-]{20}|kind: Secret$", path.read_text(), re.MULTILINE):
            held.append(path)
    assert held == []
