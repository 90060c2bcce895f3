"""deploy/compose against the compose specification; what it names is there; what it starts is bounded."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.deploy.conftest import tool
from tests.deploy.site import DEPLOY

from logkeep import settings

FOLDERS = ("small", "large")
WITHOUT_HEALTH = {"udp"}  # has no HTTP
# Made by whoever installs it: certificates and passwords are not in the repository.
MADE_BY_HAND = {"certificates", "secrets/logkeep.toml", "secrets/mariadb-password"}


@pytest.fixture(params=FOLDERS)
def folder(request: pytest.FixtureRequest) -> Path:
    return DEPLOY / "compose" / request.param


@pytest.fixture
def compose(folder: Path) -> dict[str, Any]:
    return dict(yaml.safe_load((folder / "compose.yaml").read_text()))


def test_it_is_what_the_compose_specification_allows(folder: Path) -> None:
    command = [tool("check-jsonschema"), "--builtin-schema", "vendor.compose-spec", str(folder / "compose.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout


def test_every_service_is_bounded_restarted_and_asked_for_its_health(compose: dict[str, Any]) -> None:
    for name, service in compose["services"].items():
        assert {"mem_limit", "restart", "logging", "networks", "security_opt"} <= set(service), name
        health = service["healthcheck"]
        assert health == {"disable": True} if name in WITHOUT_HEALTH else health["test"][0] in ("CMD", "CMD-SHELL")
        image, _, tag = service["image"].partition(":")
        assert tag.count(".") == 2, f"{image} is not pinned to a version"


def test_a_service_waits_for_those_it_needs(compose: dict[str, Any]) -> None:
    services = compose["services"]
    for name, service in services.items():
        for needed, how in service.get("depends_on", {}).items():
            wanted = "service_started" if needed in WITHOUT_HEALTH else "service_healthy"
            assert (name, needed, how["condition"]) == (name, needed, wanted)
            assert set(services[needed]["networks"]) & set(service["networks"]), f"{name} cannot reach {needed}"


def test_every_file_network_volume_and_secret_that_it_names_is_there(folder: Path, compose: dict[str, Any]) -> None:
    named, used = set(compose.get("volumes", {})), set()
    for service in compose["services"].values():
        assert set(service["networks"]) <= set(compose["networks"])
        assert set(service.get("secrets", [])) <= set(compose.get("secrets", {}))
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            used |= {source} & named
            if source not in named and source.removeprefix("./") not in MADE_BY_HAND:
                assert (folder / source).exists(), source
    assert used == named
    files = {secret["file"].removeprefix("./") for secret in compose.get("secrets", {}).values()}
    assert files <= MADE_BY_HAND


def test_no_password_stands_in_it(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        for name, value in service.get("environment", {}).items():
            assert "PASSWORD" not in name or name.endswith("_PASSWORD_FILE") or "RANDOM" in name, name
            assert "@" not in str(value) or name.startswith("KAFKA_"), f"{name}={value}"


def test_the_upstreams_of_nginx_are_services_at_their_ports(folder: Path, compose: dict[str, Any]) -> None:
    default = settings.Settings()
    text = (folder / "upstreams.conf").read_text() + (folder / "udp-upstreams.conf").read_text()
    servers = [
        line.split()[1].rstrip(";").split(":") for line in text.splitlines() if line.strip().startswith("server")
    ]
    assert [int(port) for _, port in servers] == [default.intake.port, default.api.port, default.intake.port]
    assert {name for name, _ in servers} <= set(compose["services"])


def test_the_example_of_secrets_names_settings_alone() -> None:
    """Sections that are on their way are not read yet; the rest of the file is."""
    text = (DEPLOY / "compose/large/logkeep.toml.example").read_text()
    assert "PASSWORD" in text and "[metastore]" in text
