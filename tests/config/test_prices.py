"""A chain's prices and its budget."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors.errors import ConfigError
from tests.config.texts import MINIMAL, changed, loaded, refusal


def test_a_chain_picks_a_table_of_the_price_file(file: Path) -> None:
    config = loaded(file, changed("chain_id = 1", 'chain_id = 1\nprices = "alchemy"'))
    assert config.prices[config.chains[0].prices].of("eth_call") == 26


def test_an_operators_price_file_lies_beside_the_config(file: Path) -> None:
    (file.parent / "mine.toml").write_text("[mine]\ndefault = 3")
    text = changed("chain_id = 1", 'chain_id = 1\nprices = "mine"') + '[budget]\nprices_file = "mine.toml"'
    assert loaded(file, text).prices["mine"].of("eth_call") == 3


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('prices = "alchemi"', 'key chain[0].prices: expected a table of the price file, got "alchemi", did you mean alchemy?'),
        ("compute_units_per_sec = -1", "key chain[0].compute_units_per_sec: expected a number of at least 0, got -1"),
        ("compute_units_per_month = 1.5", "key chain[0].compute_units_per_month: expected a whole number, got 1.5"),
        ("month_starts_on = 31", "key chain[0].month_starts_on: expected a number of at most 28, got 31"),
    ],
)
def test_a_budget_that_makes_no_sense_is_refused(file: Path, lines: str, said: str) -> None:
    assert refusal(file, changed("chain_id = 1", f"chain_id = 1\n{lines}")) == said


def test_a_price_file_that_is_not_there_is_refused_by_its_name(file: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: no such file$"):
        loaded(file, MINIMAL + '[budget]\nprices_file = "none.toml"')


def test_a_file_that_nothing_can_be_called_is_refused(file: Path) -> None:
    text = MINIMAL + '[budget]\nprices_file = "a\\u0000b"\n'
    with pytest.raises(ConfigError, match="there is a NUL in its name"):
        loaded(file, text)
