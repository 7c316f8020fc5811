"""What the environment fills in and overrides."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.config.texts import MINIMAL, changed, loaded, refusal


def test_a_variable_is_filled_in(file: Path) -> None:
    config = loaded(file, changed("https://eth.example", "https://${HOST}/v2/${KEY}"), HOST="eth.example", KEY="abcdef")
    assert config.chains[0].http == ("https://eth.example/v2/abcdef",)


def test_what_a_variable_holds_is_not_filled_in_again(file: Path) -> None:
    text = changed("https://eth.example", "https://eth.example/${KEY}")
    assert loaded(file, text, KEY="${HOME}").chains[0].http == ("https://eth.example/${HOME}",)


def test_a_variable_that_is_not_set_is_named_with_its_key(file: Path) -> None:
    message = refusal(file, changed("https://eth.example", "${ETH_HTTP_URL}"))
    assert message == "key chain[0].http[0]: expected environment variable ETH_HTTP_URL to be set, got none"


def test_a_broken_variable_is_refused(file: Path) -> None:
    assert refusal(file, changed("https://eth.example", "https://${KEY")).startswith("key chain[0].http[0]: expected ${NAME}")


@pytest.mark.parametrize("table", ["[chaos]\ntoken = '${UNSET}'", "[chaos]\nenabled = false\ntoken = '${UNSET}'"])
def test_a_table_that_is_off_needs_no_variable(file: Path, table: str) -> None:
    assert loaded(file, f"{MINIMAL}\n{table}").chaos.token == ""


def test_a_table_that_is_on_needs_its_variable(file: Path) -> None:
    text = MINIMAL + "[chaos]\nenabled = true\ntoken = '${UNSET}'"
    assert refusal(file, text) == "key chaos.token: expected environment variable UNSET to be set, got none"
    off = MINIMAL + "[chaos]\ntoken = '${UNSET}'"
    assert "UNSET" in refusal(file, off, TRUEUP_CHAOS__ENABLED="true")


@pytest.mark.parametrize(
    ("variable", "text", "table", "name", "value"),
    [
        ("TRUEUP_SWEEPER__BATCH_SIZE", "200", "sweeper", "batch_size", 200),
        ("TRUEUP_SWEEPER__INTERVAL_SECS", "0.5", "sweeper", "interval_secs", 0.5),
        ("TRUEUP_SERVER__BIND", "", "server", "bind", ""),
        ("TRUEUP_LEDGER__ENABLED", "true", "ledger", "enabled", True),
        ("TRUEUP_LEDGER__ADDRESS_FROM", "wallets, wallet_balances", "ledger", "address_from", ("wallets", "wallet_balances")),
        ("TRUEUP_DATABASE__URL", "postgres://elsewhere", "database", "url", "postgres://elsewhere"),
    ],
)
def test_the_environment_overrides_a_key(file: Path, variable: str, text: str, table: str, name: str, value: Any) -> None:
    assert getattr(getattr(loaded(file, MINIMAL, **{variable: text}), table), name) == value


def test_the_environment_overrides_an_entry_by_its_name(file: Path) -> None:
    text = changed('name = "ethereum"', 'name = "eth-main"').replace('chain = "ethereum"', 'chain = "eth-main"')
    env = {"TRUEUP_CHAIN__ETH_MAIN__POLL_INTERVAL_SECS": "2", "TRUEUP_ASSET__AUDIO__TRACK": "table"}
    config = loaded(file, text, **env)
    assert config.chains[0].poll_interval_secs == 2
    assert config.assets[0].track == "table"


@pytest.mark.parametrize(
    ("variable", "text", "message"),
    [
        (
            "TRUEUP_SWEEPER__BATCH_SIZE",
            "many",
            'key sweeper.batch_size (from TRUEUP_SWEEPER__BATCH_SIZE): expected a whole number, got "many"',
        ),
        ("TRUEUP_SWEEPER__BATCH_SIZ", "1", "TRUEUP_SWEEPER__BATCH_SIZ: unknown key sweeper.batch_siz, did you mean batch_size?"),
        ("TRUEUP_SWEEPR__BATCH_SIZE", "1", "environment variable TRUEUP_SWEEPR__BATCH_SIZE: no such key, overrides are "),
        ("TRUEUP_CHAIN__BASE__FOLLOW", "logs", "expected the name of one [[chain]], got BASE"),
        ("TRUEUP_ASSET__AUDIO__SOURCES", "[]", "asset[0].sources can be set in the file only"),
        (
            "TRUEUP_CHAIN__ETHEREUM__HTTP",
            "ftp://x",
            "key chain[0].http[0] (from TRUEUP_CHAIN__ETHEREUM__HTTP): expected an http://",
        ),
    ],
)
def test_an_override_that_cannot_be_is_refused_by_its_variable(file: Path, variable: str, text: str, message: str) -> None:
    assert message in refusal(file, MINIMAL, **{variable: text})


def test_other_variables_of_trueup_are_no_overrides(file: Path) -> None:
    loaded(file, MINIMAL, TRUEUP_CHAOS_TOKEN="x", TRUEUP_HOME="y")


@pytest.mark.parametrize("name", ["HOST", "TRUEUP_CHAIN__ETHEREUM__FOLLOW"])
def test_a_variable_that_is_no_text_is_refused(file: Path, name: str) -> None:
    bytes_of_latin_1 = b"\xe9".decode("utf-8", "surrogateescape")
    message = refusal(file, changed("https://eth.example", "https://${HOST}"), **{"HOST": "eth.example", name: bytes_of_latin_1})
    assert name in message
    assert "UTF-8 text" in message


def test_an_entry_whose_name_is_a_huge_number_has_no_override(file: Path) -> None:
    text = changed('name = "ethereum"', f"name = 0x{'f' * 5000}")
    assert "expected the name of one [[chain]]" in refusal(file, text, TRUEUP_CHAIN__ETHEREUM__FOLLOW="heads")
