"""A file that is none, is no TOML, or holds keys that nobody knows."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors.config import load
from actors.errors import ConfigError
from tests.config.texts import MINIMAL, changed, refusal


def test_a_missing_file_is_named(file: Path) -> None:
    with pytest.raises(ConfigError, match=r"trueup\.toml: no such file"):
        load(file, {})


def test_a_directory_is_no_config(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path, {})


def test_broken_toml_is_refused_with_its_line(file: Path) -> None:
    assert refusal(file, "[database]\nurl = = 1\n").startswith("line 2, column 7: not TOML: ")
    assert refusal(file, "[database]\nurl = ").startswith("line 2")


def test_text_that_is_not_utf8_is_refused_with_its_line(file: Path) -> None:
    file.write_bytes(b"[database]\nurl = '\xff'")
    with pytest.raises(ConfigError, match="line 2: expected UTF-8 text"):
        load(file, {})


def test_an_unknown_key_is_answered_with_the_nearest(file: Path) -> None:
    assert refusal(file, MINIMAL + "[sweeper]\nbatchsize = 5") == "key sweeper.batchsize: unknown key, did you mean batch_size?"
    assert (
        refusal(file, changed("chain_id = 1", "chain_id = 1\nfolow = 'logs'"))
        == "key chain[0].folow: unknown key, did you mean follow?"
    )
    assert refusal(file, MINIMAL + "[sweper]") == "key sweper: unknown table, did you mean sweeper?"
    assert refusal(file, changed(", call =", ", cal =")) == "key asset[0].sources[0].cal: unknown key, did you mean call?"
    assert (
        refusal(file, changed("wallets =", "walets =")) == "key asset[0].triggers[0].walets: unknown key, did you mean wallets?"
    )


def test_an_unknown_key_like_no_other_is_answered_with_all(file: Path) -> None:
    assert refusal(file, MINIMAL + "[sweeper]\nqq = 5") == "key sweeper.qq: unknown key, known are interval_secs, batch_size"


@pytest.mark.parametrize("name", ["name", "chain_id", "http"])
def test_a_required_key_is_missed(file: Path, name: str) -> None:
    line = next(line for line in MINIMAL.splitlines() if line.startswith(f"{name} ="))
    assert refusal(file, changed(line + "\n", "")) == f"key chain[0].{name}: is missing, it has no default"


def test_a_missing_database_is_missed(file: Path) -> None:
    assert refusal(file, "") == "key database.url: is missing, it has no default"
