"""What is installed is what requirements.lock pins, by hash."""

from __future__ import annotations

import re
import tomllib
from importlib.metadata import distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}(?= |$)")


def pinned() -> list[tuple[Requirement, list[str]]]:
    """Each requirement of the lock, and its hashes."""
    text = "\n".join(line for line in (ROOT / "requirements.lock").read_text().splitlines() if not line.lstrip().startswith("#"))
    lines = text.replace("\\\n", " ").split("\n")
    return [(Requirement(line.split(" --hash")[0].strip()), HASH.findall(line)) for line in lines if line.strip()]


def here() -> dict[str, str]:
    """The versions that are pinned for this machine, by name."""
    return {canonicalize_name(each.name): str(each.specifier) for each, _ in pinned() if each.marker is None or each.marker.evaluate()}


def test_every_line_of_the_lock_is_one_version_with_its_hashes() -> None:
    for requirement, hashes in pinned():
        assert re.fullmatch(r"==[^,*]+", str(requirement.specifier)), requirement
        assert hashes, requirement
        assert requirement.url is None


def test_all_that_the_project_asks_for_is_in_the_lock() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    asked = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    asked += [each for extra in project["project"]["optional-dependencies"].values() for each in extra]
    versions = here()
    for requirement in map(Requirement, asked):
        if requirement.marker is not None and not requirement.marker.evaluate():
            continue  # for another Python, which another line of the lock is for
        name = canonicalize_name(requirement.name)
        assert name in versions, requirement
        assert requirement.specifier.contains(versions[name].removeprefix("==")), requirement


def test_nothing_is_installed_that_the_lock_does_not_pin() -> None:
    versions, loose = here(), {"pip", "setuptools", "trueup"}
    for each in distributions():
        name = canonicalize_name(each.metadata["Name"])
        assert name in loose or versions.get(name) == f"=={each.version}", each.metadata["Name"]


def test_the_recipes_install_by_hash_and_an_audit_that_could_not_look_fails() -> None:
    recipes = (ROOT / "justfile").read_text()
    assert "pip sync -q --require-hashes" in recipes
    assert re.search(r"pip-audit==[\d.]+ pip-audit --strict --require-hashes --disable-pip -r requirements.lock", recipes)
