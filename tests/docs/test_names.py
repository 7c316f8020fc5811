"""What the pages name exists: commands and flags, keys, metrics, alerts, reasons, tables, paths and tests."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from prometheus_client import generate_latest

from actors import health, warnings
from actors.cli import main
from actors.config.keys import ARRAYS, TABLES, keys_of
from actors.metrics import Metrics
from actors.store.schema_parts import parts
from tests.docs.pages import PAGES, README, ROOT, blocks, prose, spans

KEYS = {name: set(keys_of(table)) for name, table in {**TABLES, **ARRAYS}.items()}
OPERATING = ROOT / "docs" / "operating.md"
CONTRIBUTING = ROOT / "docs" / "contributing.md"
# Made by the reader, or by what he runs.
OWN = {"packaging/.env", "tests/fuzz/.corpus"}
FOLDERS = ("actors", "bench", "config", "docs", "packaging", "tests")
PATH = re.compile(rf"(?:{'|'.join(FOLDERS)})/[\w./-]*\w|(?:{'|'.join(FOLDERS)})/")


def code_of(page: Path) -> Iterator[str]:
    """Spans, and the lines of blocks."""
    yield from spans(page)
    for block in blocks(page):
        yield from block.text.splitlines()


@pytest.fixture(scope="module")
def helps() -> dict[str, str]:
    """What each command's --help says, by its name."""
    found: dict[str, str] = {}

    def help_of(name: str) -> str:
        if name not in found:
            import contextlib
            import io

            said = io.StringIO()
            with contextlib.redirect_stdout(said):
                assert main([name, "--help"]) == 0, f"there is no command {name}"
            found[name] = said.getvalue()
        return found[name]

    listed = help_of("--help").split("COMMAND", 1)[1]
    return {name: help_of(name) for name in re.findall(r"^    (\w+) ", listed, re.MULTILINE)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_their_flags_are_there(page: Path, helps: dict[str, str]) -> None:
    for text in code_of(page):
        for name, rest in re.findall(r"(?:^|[\s;(&|])(?:trueup|just(?= demo)) ([a-z]+)([^`|;#]*)", text):
            assert name in helps, f"{page.name}: trueup {name}"
            for flag in re.findall(r"(?<!\S)(--?[a-z][a-z-]*)", rest):
                assert re.search(rf"{flag}\b", helps[name]), f"{page.name}: trueup {name} {flag}"


def test_every_command_and_its_own_flags_are_in_the_readmes_table(helps: dict[str, str]) -> None:
    section = README.read_text().split("\n## Commands\n")[1].split("\n## ")[0]
    table = {row.split()[0].strip("`"): row for row in re.findall(r"^\| `trueup ([^\n]+)", section, re.MULTILINE)}
    assert set(table) == set(helps)
    for name, row in table.items():
        for flag in re.findall(r"`(--[a-z-]+)", row):
            assert flag in helps[name]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_keys_are_there(page: Path) -> None:
    for text in spans(page):
        for table, key in re.findall(r"(?<![\w./-])([a-z]+)\.([a-z_]+)(?![\w./(])", text):
            if table in KEYS and key not in ("toml", "py"):
                assert key in KEYS[table], f"{page.name}: {table}.{key}"
        for table, key in re.findall(r"\[+(\w+)\]+ ([a-z_]+)", text):
            assert table not in KEYS or key in KEYS[table], f"{page.name}: [{table}] {key}"
        for variable in re.findall(r"TRUEUP_([A-Z]+(?:__[A-Z0-9_]+?)+)(?![A-Z0-9_])", text):
            table, *_, key = variable.lower().split("__")
            assert key in KEYS[table], f"{page.name}: TRUEUP_{variable}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_configs_have_keys_that_are_there(page: Path) -> None:
    for block in blocks(page):
        table = ""
        for line in block.text.splitlines() if block.language == "toml" else ():
            if found := re.match(r"\[+(\w+)\]+", line):
                table = found[1]
            elif found := re.match(r"(\w+) = ", line):
                assert found[1] in KEYS[table], f"{block.place}: [{table}] {found[1]}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_metrics_and_tables_are_there(page: Path) -> None:
    page_of_metrics = generate_latest(Metrics().registry).decode()
    known = set(re.findall(r"^# HELP (\w+)", page_of_metrics, re.MULTILINE))
    known |= set(re.findall(r"\b(trueup_\w+)", "\n".join(parts().values())))
    for text in code_of(page):
        for name in re.findall(r"(?<![\w.])trueup_[a-z_]+\w", text):
            assert name in known, f"{page.name}: {name}"


def test_every_alert_says_what_to_do() -> None:
    alerts = dict(re.findall(r"- alert: (\w+)\n.*?severity: (\w+)", (ROOT / "config" / "alerts.yml").read_text(), re.DOTALL))
    assert dict(re.findall(r"^\| `(Trueup\w+)` \| (\w+) \|", OPERATING.read_text(), re.MULTILINE)) == alerts


@pytest.mark.parametrize("module", [health, warnings], ids=["reasons", "warnings"])
def test_every_reason_and_warning_is_in_the_runbook(module: ModuleType) -> None:
    """By the longest piece of each that is always the same."""
    said = re.sub(r"\s+", " ", OPERATING.read_text())
    pieces = list(_pieces(module))
    assert len(pieces) >= 8
    for piece in pieces:
        assert piece in said, f"the runbook of docs/operating.md does not say what to do about “{piece}”"


def _pieces(module: ModuleType) -> Iterator[str]:
    for function in ast.parse(inspect.getsource(module)).body:
        if isinstance(function, ast.FunctionDef) and function.name.startswith(("_reasons", "_chain_reasons", "_asset_reasons", "_of_")):
            for node in ast.walk(function):
                if isinstance(node, ast.JoinedStr):
                    constants = [str(part.value) for part in node.values if isinstance(part, ast.Constant)]
                    piece = max(constants, key=len, default="").strip(" :;,.…")
                    yield from [piece] if len(piece) > 6 else []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_paths_and_tests_are_there(page: Path) -> None:
    for text in spans(page):
        for path, _, test in re.findall(rf"(?<![\w./-])({PATH.pattern})(::(\w+))?", text):
            assert (ROOT / path).exists() or path in OWN, f"{page.name}: {path}"
            assert not test or f"def {test}(" in (ROOT / path).read_text(), f"{page.name}: {path}::{test}"


def test_contributing_names_every_module_that_lies_at_the_top() -> None:
    said = prose(CONTRIBUTING)
    top = {f"actors/{path.name}" + ("/" if path.is_dir() else "") for path in (ROOT / "actors").iterdir()}
    assert sorted(name for name in top if "__" not in name and f"`{name}`" not in said) == []
