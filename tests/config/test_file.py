"""A file that is none, is no TOML, or holds keys that nobody knows."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors.config import load
from actors.errors import ConfigError
from tests.config.texts import MINIMAL, changed, loaded, refusal


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


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"{'a.' * 301}b = 1", "line 1: expected at most 300 dots"),
        (f"{'a.' * 25}b = 1", "expected tables and arrays nested at most 20 deep"),
        (f"x = {'[' * 30}{']' * 30}", "expected tables and arrays nested at most 20 deep"),
        (f"x = {'[' * 5000}", "line 1: not TOML: "),
        ("#" * 1_000_001, "expected at most 1,000,000 bytes"),
    ],
    ids=["a key of many parts", "tables in tables", "arrays in arrays", "more than the parser takes", "a large file"],
)
def test_a_document_that_would_take_the_parser_hours_or_the_stack_is_refused(file: Path, text: str, says: str) -> None:
    assert refusal(file, text).startswith(says)


def test_a_comment_may_have_as_many_dots_as_it_likes(file: Path) -> None:
    loaded(file, f"  # {'.' * 1000}\n{MINIMAL}")


def test_a_number_of_thousands_of_digits_is_no_number_of_blocks(file: Path) -> None:
    text = changed("chain_id = 1", f"chain_id = 1\nmax_log_blocks = 0x{'f' * 5000}")
    assert refusal(file, text) == "key chain[0].max_log_blocks: expected a number of at most 2147483647, got a number of more than 80 digits"


def test_what_is_refused_is_told_in_a_line_of_bounded_length(file: Path) -> None:
    assert len(refusal(file, f"{'x' * 100_000} = 1")) < 1100
