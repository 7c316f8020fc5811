"""The commands of README and of the pages run as they are written; which are not run is known."""

from __future__ import annotations

import re

import pytest

from tests.docs.pages import DOCS, PAGES, README, ROOT, blocks
from tests.docs.reader import Reader
from tests.postgres_world import admin

ROLE = "balances_keeper"  # which belongs to the whole server
OPERATING = ROOT / "docs" / "operating.md"
MOVING = [page for page in DOCS if page.name.startswith("moving-")]
RUN = [README, OPERATING, *MOVING]
COMMAND = re.compile(r"(\$ |sudo |\.?/?[\w./-]*(python3?|pip|just|uv|apt-get|systemctl|docker|podman|psql|pg_\w+|curl|cp|sed|kill|trueup)\b (?! )|export )")
# By their first lines, with the reason.
NOT_RUN = {
    "README.md": {
        "python3 -m venv .uv && .uv/bin/pip install -q uv && .uv/bin/uv run just demo": "installs; tests/cli/test_demo.py runs the demo",
        "python3 -m venv .uv && .uv/bin/pip install -q uv && .uv/bin/uv run just test": "is what runs this",
        "pip install .": "installs",
        "$ ./trueup demo --for 15 --wallets 300 --chaos": "needs the binary; tests/smoke/ runs it",
        "docker compose -f packaging/compose.yaml up -d": "needs Docker; tests/packaging/test_container.py reads the files",
    },
    "docs/operating.md": {"kill -HUP PID": "needs the process's number; tests/tuning/test_sighup.py sends it"},
    "docs/fuzzing.md": {"just fuzz                                # every target for a minute each, by coverage": "tests/fuzz/test_runner.py runs each"},
    "docs/watching.md": {"$ trueup verify -c my.toml --all": "shows what a wrong row looks like; tests/audit/test_auditor.py makes them wrong"},
    "docs/contributing.md": {
        "python3 -m venv .uv && .uv/bin/pip install -q uv && .uv/bin/uv run just test": "is what runs this",
        ".venv/bin/python -m pytest tests/store -x -q        # one part": "is how this is run",
    },
}


@pytest.mark.long
@pytest.mark.timeout(240)
def test_the_commands_of_readme_run_and_fill_a_table(reader: Reader) -> None:
    reader.follow(README)
    reader.town.traffic(10)
    reader.town.mine()
    reader.run("until psql -qAt \"$DATABASE_URL\" -c 'select balance from token_balances' | grep -q .; do sleep 0.1; done")
    assert "0 wrong" in reader.run("trueup verify -c my.toml --all")


@pytest.mark.long
@pytest.mark.timeout(240)
def test_the_commands_of_operating_run_and_a_restored_table_is_true(reader: Reader) -> None:
    reader.town.traffic(10)
    reader.town.mine()
    reader.write_files(README)
    try:
        reader.follow(OPERATING)
        assert "0 wrong" in reader.run("trueup verify -c my.toml --all")
    finally:
        reader.stop()
        admin(reader.database, f"DROP OWNED BY {ROLE}", f"DROP ROLE {ROLE}")


def test_every_page_with_commands_is_run_or_lists_them_as_not_run() -> None:
    shown = {
        str(page.relative_to(ROOT)): {block.text.splitlines()[0] for block in blocks(page) if block.language != "sh" and COMMAND.match(block.text)}
        for page in PAGES
    }
    assert {page: lines for page, lines in shown.items() if lines} == {page: set(lines) for page, lines in NOT_RUN.items()}
    assert {page for page in PAGES if any(block.language == "sh" for block in blocks(page))} == set(RUN)


def test_the_lines_that_the_gate_and_a_newcomer_begin_with_stand_in_readme() -> None:
    start = "python3 -m venv .uv && .uv/bin/pip install -q uv && .uv/bin/uv run just "
    assert [block.text for block in blocks(README)[1:3]] == [f"{start}demo\n", f"{start}test\n"]
    assert f"{start}test\n" in (ROOT / ".ci" / "run").read_text()
