"""What is installed is what was chosen: exact versions, each with hashes, the same for everyone."""

import re
import tomllib

import pytest
from tests.style.tree import ROOT

LOCKS = ("requirements.lock", "requirements-dev.lock")


def locked(name: str) -> dict[str, str]:
    """Package and marker → version."""
    text = (ROOT / name).read_text()
    found = re.findall(r"^([a-z0-9-]+)==([^ \\]+)((?: ; [^\\]+)?)", text, re.MULTILINE)
    return {package + marker.rstrip(): version for package, version, marker in found}


@pytest.mark.parametrize("name", LOCKS)
def test_every_locked_package_has_a_hash_and_no_address(name: str) -> None:
    text = (ROOT / name).read_text()
    entries = re.split(r"\n(?=[a-z0-9])", text)
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []
    assert re.findall(r"https?://\S+|^-i .*|^--index-url.*|^--find-links.*", text, re.MULTILINE) == []


@pytest.mark.parametrize(("name", "groups"), [(LOCKS[0], ["build"]), (LOCKS[1], ["build", "dev"])])
def test_a_lock_holds_every_package_that_pyproject_names(name: str, groups: list[str]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wanted = [*project["project"]["dependencies"], *project["build-system"]["requires"]]
    for group in groups:
        wanted += [line for line in project["dependency-groups"][group] if isinstance(line, str)]
    names = {re.split(r"[<>=!~ \[]", line)[0].lower() for line in wanted}
    assert names - {package.partition(" ")[0] for package in locked(name)} == set()


def test_development_uses_the_very_versions_that_users_run() -> None:
    run, development = locked(LOCKS[0]), locked(LOCKS[1])
    assert {package: development.get(package) for package in run} == run
