"""The price file: what comes with the program, what an operator's own may say, and how it is refused."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from actors.budget.prices import Prices
from actors.config.prices import SHIPPED, load, shipped
from actors.errors import ConfigError

BESIDE_THE_CONFIGS = Path(__file__).parents[2] / "config" / "prices.toml"


def loaded(folder: Path, text: str) -> Prices:
    file = folder / "prices.toml"
    file.write_text(text)
    (prices,) = load(file).values()
    return prices


def test_there_is_one_price_file_and_it_lies_beside_the_configs_too() -> None:
    assert BESIDE_THE_CONFIGS.resolve() == SHIPPED
    assert sorted(shipped()) == ["alchemy", "infura", "plain", "quicknode"]


def test_a_table_has_no_key_that_is_not_read() -> None:
    for name, table in tomllib.loads(SHIPPED.read_text()).items():
        prices = shipped()[name]
        assert {key: getattr(prices, key) for key in table} == table


@pytest.mark.parametrize(("name", "units"), [("plain", 1), ("alchemy", 26), ("infura", 80), ("quicknode", 20)])
def test_an_eth_call_costs_what_the_provider_says(name: str, units: int) -> None:
    assert shipped()[name].of("eth_call") == units


def test_a_method_that_is_not_listed_costs_the_default_and_a_batch_the_sum() -> None:
    alchemy = shipped()["alchemy"]
    assert alchemy.of("eth_mine") == 20
    assert alchemy.total(["eth_call", "eth_call", "eth_getLogs"]) == 2 * 26 + 60


def test_a_method_that_nobody_knows_is_shown_as_other() -> None:
    prices = Prices(methods={"eth_mine": 5})
    assert [prices.label(method) for method in ("eth_call", "eth_mine", "eth_made_up")] == ["eth_call", "eth_mine", "other"]


def test_an_operators_table_needs_nothing_but_its_name(tmp_path: Path) -> None:
    assert loaded(tmp_path, "[mine]") == Prices("mine")
    own = loaded(tmp_path, "[mine]\nwindow_secs = 0.5\nunits_per_window = 50\ndefault = 7\nmethods = { eth_call = 9 }")
    assert own == Prices("mine", 7, 0.5, 50, {"eth_call": 9})
    assert own.stated_per_sec == 100


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("mine = 3", "key mine: expected a table, got a whole number"),
        ("[mine]\nprice = 3", "key mine.price: unknown key, known are default, window_secs, units_per_window, methods"),
        ("[mine]\ndefault = -1", "key mine.default: expected a whole number of units, 0 to 1000000000, got -1"),
        ("[mine]\nunits_per_window = 0", "key mine.units_per_window: expected a whole number of units, 1 to 1000000000, got 0"),
        ("[mine]\nwindow_secs = 0", "key mine.window_secs: expected a number of seconds, above 0 and at most 3600, got 0"),
        ("[mine]\nmethods = 3", "key mine.methods: expected a table, got a whole number"),
        ('[mine]\nmethods = { eth_call = "26" }', 'key mine.methods.eth_call: expected a whole number of units, 0 to 1000000000, got "26"'),
        ("[mine]\ndefault = true", "key mine.default: expected a whole number of units, 0 to 1000000000, got true"),
        ("[mine", "line 1: not TOML: Expected ']' at the end of a table declaration"),
    ],
)
def test_what_is_wrong_with_it_is_said_in_a_line(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path}/prices.toml: {said}")
