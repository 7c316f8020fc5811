"""A value that cannot be is refused in one line, by its key and by what was expected."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.config.texts import MINIMAL, changed, refusal


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("[sweeper]\nbatch_size = true", "key sweeper.batch_size: expected a whole number, got true"),
        ('[sweeper]\nbatch_size = "50"', 'key sweeper.batch_size: expected a whole number, got "50"'),
        ("[sweeper]\nbatch_size = 50.0", "key sweeper.batch_size: expected a whole number, got 50.0"),
        ("[sweeper]\nbatch_size = 0", "key sweeper.batch_size: expected a number of at least 1, got 0"),
        ("[sweeper]\nbatch_size = 9999999", "key sweeper.batch_size: expected a number of at most 1000000, got 9999999"),
        ("[sweeper]\ninterval_secs = 0", "key sweeper.interval_secs: expected a number above 0, got 0.0"),
        ("[sweeper]\ninterval_secs = -1.5", "key sweeper.interval_secs: expected a number above 0, got -1.5"),
        ("[sweeper]\ninterval_secs = nan", "key sweeper.interval_secs: expected a number, got nan"),
        ("[sweeper]\ninterval_secs = inf", "key sweeper.interval_secs: expected a number, got inf"),
        ("[sweeper]\ninterval_secs = true", "key sweeper.interval_secs: expected a number, got true"),
        ("[sweeper]\ninterval_secs = 2020-01-01", "key sweeper.interval_secs: expected a number, got a date or time"),
        ("[ledger]\nenabled = 1", "key ledger.enabled: expected true or false, got 1"),
        ('[ledger]\naddress_from = "wallets"', 'key ledger.address_from: expected an array of texts, got "wallets"'),
        ("[ledger]\naddress_from = []", "key ledger.address_from: expected at least one entry, got an empty array"),
        ("[server]\nbind = 1325", "key server.bind: expected a text, got 1325"),
        ('[server]\nbind = "1325"', 'key server.bind: expected host:port, [host]:port, or "" to turn it off, got "1325"'),
        ('[server]\nbind = "a:70000"', 'key server.bind: expected host:port, [host]:port, or "" to turn it off, got "a:70000"'),
        ("[supervisor]\nmax_restarts = -1", "key supervisor.max_restarts: expected a number of at least 0, got -1"),
        (
            "[supervisor]\nbackoff_initial_secs = 9",
            "key supervisor.backoff_initial_secs: expected at most backoff_max_secs (5), got 9",
        ),
        ("[chaos]\nenabled = true", "key chaos.token: expected a token, since chaos is enabled, got an empty text"),
    ],
)
def test_a_wrong_value_is_refused_by_key_and_by_what_was_expected(file: Path, line: str, message: str) -> None:
    assert refusal(file, f"{MINIMAL}\n{line}\n") == message


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[[chain]]", "[chain]", "key chain: expected tables headed [[chain]], got a table"),
        ('"ethereum"\nchain_id', '"a chain"\nchain_id', "expected a name of letters"),
        ('http = ["https://eth.example"]', "http = []", "key chain[0].http: expected at least one entry, got an empty array"),
        ('"eth_wallet_balances"', '"a.b.c"', "key asset[0].table: expected a table as name or schema.name"),
        ('"eth_wallet_balances"', '"x; drop table users"', "key asset[0].table: expected a table as name or schema.name"),
        ('"eth_wallet_balances"', '"trueup_blocks"', "expected a table of balances, not one of trueup's own"),
        ('"audio_transfers"', '""', "key asset[0].checkpoint: expected a text that is not empty"),
        ('chain = "ethereum"', 'chain = "etherium"', 'the name of a [[chain]], got "etherium", did you mean ethereum?'),
        ('checkpoint = "', 'track = "tabel"\ncheckpoint = "', "key asset[0].track: expected discover, table or one SELECT"),
        ('checkpoint = "', 'track = "select 1; drop table users"\ncheckpoint = "', "without a semicolon"),
        ('checkpoint = "', 'track = "delete from users"\ncheckpoint = "', "key asset[0].track: expected discover"),
        ("sources = [{", "sources = []\nother = [{", "other: unknown key"),
        ('checkpoint = "', 'track = "select \\u0000"\ncheckpoint = "', "key asset[0].track: expected discover"),
        ("@localhost/", "@local\\u0000host/", "key database.url: expected a postgresql:// URL, got one with a NUL"),
        ("chain_id = 1", 'chain_id = 1\nfollow = "blocks"', 'key chain[0].follow: expected logs or heads, got "blocks"'),
        ("chain_id = 1", "chain_id = 1\ncalls_in_flight = 0", "key chain[0].calls_in_flight: expected a number of at least 1"),
    ],
)
def test_a_chain_or_an_asset_is_refused_by_its_index(file: Path, old: str, new: str, message: str) -> None:
    assert message in refusal(file, changed(old, new))


def test_a_config_without_assets_does_nothing_and_is_refused(file: Path) -> None:
    without = MINIMAL[: MINIMAL.index("[[asset]]")]
    assert refusal(file, without) == "key asset: expected at least one [[asset]], or [ledger] enabled, got neither"
