"""The config: what it accepts, what it refuses in which words, what the environment adds, what it shows."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from actors import secrets
from actors.config import (
    AssetConfig,
    ChaosConfig,
    Config,
    LedgerConfig,
    ServerConfig,
    SupervisorConfig,
    SweeperConfig,
    load,
    show,
)
from actors.config.keys import ARRAYS, TABLES, keys_of
from actors.errors import ConfigError

CONFIGS = Path(__file__).parent.parent / "config"
ENV = {
    "DATABASE_URL": "postgresql://keeper:s3cr3t-pass@db.example:5432/balances",
    "ETH_HTTP_URL": "https://eth.example/v2/HTTPKEY12345",
    "ETH_WS_URL": "wss://eth.example/v2/WSKEY1234567",
}
TOKEN = "0x18aAA7115705e8be94bfFEBDE57Af9BFc265B998"
EVENT = "Transfer(address indexed from, address indexed to, uint256 value)"
MINIMAL = f"""
[database]
url = "postgresql://keeper@localhost/balances"

[[chain]]
name = "ethereum"
chain_id = 1
http = ["https://eth.example"]

[[asset]]
name = "AUDIO"
chain = "ethereum"
table = "eth_wallet_balances"
checkpoint = "audio_transfers"
sources = [{{ contract = "{TOKEN}", call = "balanceOf(address)" }}]
triggers = [{{ contract = "{TOKEN}", event = "{EVENT}", wallets = ["from", "to"] }}]
"""
SECOND = f"""
[[asset]]
name = "STAKE"
chain = "ethereum"
table = "stakes"
checkpoint = "stake_transfers"
sources = [{{ contract = "{TOKEN}", call = "totalStakedFor(address)" }}]
"""


@pytest.fixture(autouse=True)
def _no_secrets_left() -> Iterator[None]:
    secrets.clear()
    yield
    secrets.clear()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "trueup.toml"


def loaded(file: Path, text: str, **env: str) -> Config:
    file.write_text(text)
    return load(file, env)


def refusal(file: Path, text: str, **env: str) -> str:
    with pytest.raises(ConfigError) as caught:
        loaded(file, text, **env)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(f"{file}: ")
    return message.removeprefix(f"{file}: ")


def changed(old: str, new: str, text: str = MINIMAL) -> str:
    assert old in text
    return text.replace(old, new, 1)


# The reference


def test_the_reference_file_holds_every_key() -> None:
    document = tomllib.loads((CONFIGS / "trueup.toml").read_text())
    assert sorted(document) == sorted([*TABLES, *ARRAYS])
    for name, table in TABLES.items():
        assert sorted(document[name]) == sorted(keys_of(table)), name
    for name, table in ARRAYS.items():
        assert sorted(document[name][0]) == sorted(keys_of(table)), name


def test_the_reference_file_holds_the_defaults() -> None:
    config = load(CONFIGS / "trueup.toml", ENV)
    examples = {"ws", "triggers"}
    for entry in (
        config.server,
        config.sweeper,
        config.ledger,
        config.supervisor,
        config.chaos,
        *config.chains,
        *config.assets,
    ):
        for name, key in keys_of(type(entry)).items():
            if key.default is not dataclasses.MISSING and name not in examples:
                assert getattr(entry, name) == key.default, name


def test_the_reference_file_says_which_keys_are_required() -> None:
    lines = (CONFIGS / "trueup.toml").read_text().splitlines()
    for table in [*TABLES.values(), *ARRAYS.values()]:
        for name, key in keys_of(table).items():
            if key.default is dataclasses.MISSING:
                at = next(index for index, line in enumerate(lines) if line.startswith(f"{name} = "))
                assert "equired" in lines[at] + lines[at - 1], name


def test_the_first_seeds_config_has_its_three_sources_and_its_trigger() -> None:
    asset = load(CONFIGS / "audius.toml", ENV).asset("AUDIO")
    assert [(source.selector or b"").hex() for source in asset.sources] == [
        "70a08231",
        "4b341aed",
        "b0303b75",
    ]
    assert asset.calls == ("balanceOf(address)", "totalStakedFor(address)", "getTotalDelegatorStake(address)")
    assert (
        asset.triggers[0].event.topic0.hex()
        == "ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
    )
    assert asset.triggers[0].wallets == ("from", "to")
    assert (asset.table, asset.checkpoint) == ("eth_wallet_balances", "audio_transfers")


def test_the_second_seeds_config_needs_no_asset() -> None:
    config = load(CONFIGS / "ledger.toml", ENV)
    assert config.ledger.enabled
    assert config.assets == ()


# What is accepted


def test_a_minimal_config_has_the_defaults(file: Path) -> None:
    config = loaded(file, MINIMAL)
    assert config.server == ServerConfig()
    assert (config.sweeper, config.supervisor) == (SweeperConfig(), SupervisorConfig())
    assert (config.chaos, config.ledger) == (ChaosConfig(), LedgerConfig())
    assert config.server.address == ("127.0.0.1", 1325)
    assert config.chain("ethereum").multicall3.hex() == "ca11bde05977b3631167028862be2a173976ca11"
    assert config.assets_of("ethereum") == config.assets
    assert config.path == str(file)


def test_the_native_balance_is_a_source(file: Path) -> None:
    config = loaded(
        file, changed(f'{{ contract = "{TOKEN}", call = "balanceOf(address)" }}', "{ native = true }")
    )
    assert config.assets[0].sources[0].contract is None


def test_an_asset_without_triggers_is_swept_only(file: Path) -> None:
    assert loaded(file, MINIMAL + SECOND).asset("STAKE").triggers == ()


@pytest.mark.parametrize(
    "select",
    ["SELECT wallet FROM users", "with u as (select 1) select * from u", "select\\n wallet from users"],
)
def test_a_select_is_a_way_to_track(file: Path, select: str) -> None:
    asset = loaded(file, changed('checkpoint = "', f'track = "{select}"\ncheckpoint = "')).assets[0]
    assert asset.track == select.replace("\\n", "\n")


def test_a_table_is_named_as_postgres_folds_it(file: Path) -> None:
    assert (
        loaded(file, changed('"eth_wallet_balances"', '"Audius.Eth_Wallet_Balances"')).assets[0].table
        == "audius.eth_wallet_balances"
    )


@pytest.mark.parametrize(
    ("bind", "address"),
    [
        ("", None),
        ("0.0.0.0:80", ("0.0.0.0", 80)),
        ("[::1]:0", ("::1", 0)),
        ("localhost:1325", ("localhost", 1325)),
    ],
)
def test_the_server_binds_to_host_and_port(file: Path, bind: str, address: object) -> None:
    assert loaded(file, MINIMAL + f'[server]\nbind = "{bind}"').server.address == address


def test_libpqs_keywords_are_a_database_too(file: Path) -> None:
    config = loaded(
        file,
        changed("postgresql://keeper@localhost/balances", "host=localhost password=s3cr3t-pass dbname=b"),
    )
    assert secrets.mask("s3cr3t-pass") == "***"
    assert "s3cr3t-pass" not in show(config)


# What is refused, and how


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
    assert (
        refusal(file, MINIMAL + "[sweeper]\nbatchsize = 5")
        == "key sweeper.batchsize: unknown key, did you mean batch_size?"
    )
    assert (
        refusal(file, changed("chain_id = 1", "chain_id = 1\nfolow = 'logs'"))
        == "key chain[0].folow: unknown key, did you mean follow?"
    )
    assert refusal(file, MINIMAL + "[sweper]") == "key sweper: unknown table, did you mean sweeper?"
    assert (
        refusal(file, changed(", call =", ", cal ="))
        == "key asset[0].sources[0].cal: unknown key, did you mean call?"
    )
    assert (
        refusal(file, changed("wallets =", "walets ="))
        == "key asset[0].triggers[0].walets: unknown key, did you mean wallets?"
    )


def test_an_unknown_key_like_no_other_is_answered_with_all(file: Path) -> None:
    assert (
        refusal(file, MINIMAL + "[sweeper]\nqq = 5")
        == "key sweeper.qq: unknown key, known are interval_secs, batch_size"
    )


@pytest.mark.parametrize("name", ["name", "chain_id", "http"])
def test_a_required_key_is_missed(file: Path, name: str) -> None:
    line = next(line for line in MINIMAL.splitlines() if line.startswith(f"{name} ="))
    assert refusal(file, changed(line + "\n", "")) == f"key chain[0].{name}: is missing, it has no default"


def test_a_missing_database_is_missed(file: Path) -> None:
    assert refusal(file, "") == "key database.url: is missing, it has no default"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("[sweeper]\nbatch_size = true", "key sweeper.batch_size: expected a whole number, got true"),
        ('[sweeper]\nbatch_size = "50"', 'key sweeper.batch_size: expected a whole number, got "50"'),
        ("[sweeper]\nbatch_size = 50.0", "key sweeper.batch_size: expected a whole number, got 50.0"),
        ("[sweeper]\nbatch_size = 0", "key sweeper.batch_size: expected a number of at least 1, got 0"),
        (
            "[sweeper]\nbatch_size = 9999999",
            "key sweeper.batch_size: expected a number of at most 1000000, got 9999999",
        ),
        ("[sweeper]\ninterval_secs = 0", "key sweeper.interval_secs: expected a number above 0, got 0.0"),
        ("[sweeper]\ninterval_secs = -1.5", "key sweeper.interval_secs: expected a number above 0, got -1.5"),
        ("[sweeper]\ninterval_secs = nan", "key sweeper.interval_secs: expected a number, got nan"),
        ("[sweeper]\ninterval_secs = inf", "key sweeper.interval_secs: expected a number, got inf"),
        ("[sweeper]\ninterval_secs = true", "key sweeper.interval_secs: expected a number, got true"),
        (
            "[sweeper]\ninterval_secs = 2020-01-01",
            "key sweeper.interval_secs: expected a number, got a date or time",
        ),
        ("[ledger]\nenabled = 1", "key ledger.enabled: expected true or false, got 1"),
        (
            '[ledger]\naddress_from = "wallets"',
            'key ledger.address_from: expected an array of texts, got "wallets"',
        ),
        (
            "[ledger]\naddress_from = []",
            "key ledger.address_from: expected at least one entry, got an empty array",
        ),
        ("[server]\nbind = 1325", "key server.bind: expected a text, got 1325"),
        (
            '[server]\nbind = "1325"',
            'key server.bind: expected host:port, [host]:port, or "" to turn it off, got "1325"',
        ),
        (
            '[server]\nbind = "a:70000"',
            'key server.bind: expected host:port, [host]:port, or "" to turn it off, got "a:70000"',
        ),
        (
            "[supervisor]\nmax_restarts = -1",
            "key supervisor.max_restarts: expected a number of at least 0, got -1",
        ),
        (
            "[supervisor]\nbackoff_initial_secs = 9",
            "key supervisor.backoff_initial_secs: expected at most backoff_max_secs (5), got 9",
        ),
        (
            "[chaos]\nenabled = true",
            "key chaos.token: expected a token, since chaos is enabled, got an empty text",
        ),
    ],
)
def test_a_wrong_value_is_refused_by_key_and_by_what_was_expected(
    file: Path, line: str, message: str
) -> None:
    assert refusal(file, f"{MINIMAL}\n{line}\n") == message


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[[chain]]", "[chain]", "key chain: expected tables headed [[chain]], got a table"),
        ('"ethereum"\nchain_id', '"a chain"\nchain_id', "expected a name of letters"),
        (
            'http = ["https://eth.example"]',
            "http = []",
            "key chain[0].http: expected at least one entry, got an empty array",
        ),
        ('"eth_wallet_balances"', '"a.b.c"', "key asset[0].table: expected a table as name or schema.name"),
        (
            '"eth_wallet_balances"',
            '"x; drop table users"',
            "key asset[0].table: expected a table as name or schema.name",
        ),
        ('"eth_wallet_balances"', '"trueup_blocks"', "expected a table of balances, not one of trueup's own"),
        ('"audio_transfers"', '""', "key asset[0].checkpoint: expected a text that is not empty"),
        (
            'chain = "ethereum"',
            'chain = "etherium"',
            'the name of a [[chain]], got "etherium", did you mean ethereum?',
        ),
        (
            'checkpoint = "',
            'track = "tabel"\ncheckpoint = "',
            "key asset[0].track: expected discover, table or one SELECT",
        ),
        ('checkpoint = "', 'track = "select 1; drop table users"\ncheckpoint = "', "without a semicolon"),
        (
            'checkpoint = "',
            'track = "delete from users"\ncheckpoint = "',
            "key asset[0].track: expected discover",
        ),
        ("sources = [{", "sources = []\nother = [{", "other: unknown key"),
        (
            "chain_id = 1",
            'chain_id = 1\nfollow = "blocks"',
            'key chain[0].follow: expected logs or heads, got "blocks"',
        ),
        (
            "chain_id = 1",
            "chain_id = 1\ncalls_in_flight = 0",
            "key chain[0].calls_in_flight: expected a number of at least 1",
        ),
    ],
)
def test_a_chain_or_an_asset_is_refused_by_its_index(file: Path, old: str, new: str, message: str) -> None:
    assert message in refusal(file, changed(old, new))


def test_sources_must_not_be_empty(file: Path) -> None:
    source = f'[{{ contract = "{TOKEN}", call = "balanceOf(address)" }}]'
    assert refusal(file, changed(source, "[]")).startswith("key asset[0].sources: expected at least one of {")
    assert refusal(file, changed(source, "[{ native = false }]")).startswith(
        "key asset[0].sources[0]: expected {"
    )
    assert refusal(file, changed(source, "[{ native = true }, { native = true }]")).startswith(
        "key asset[0].sources[1]: expected each source once"
    )


def test_a_config_without_assets_does_nothing_and_is_refused(file: Path) -> None:
    without = MINIMAL[: MINIMAL.index("[[asset]]")]
    assert (
        refusal(file, without)
        == "key asset: expected at least one [[asset]], or [ledger] enabled, got neither"
    )


@pytest.mark.parametrize(
    ("address", "message"),
    [
        (TOKEN[:-1], "an address of 0x and 40 hex digits, got"),
        (TOKEN + "00", "(42 digits)"),
        (TOKEN[2:], "an address of 0x and 40 hex digits"),
        (TOKEN[:-1] + "g", "an address of 0x and 40 hex digits"),
        (TOKEN.replace("aAA7", "aaA7"), "an address with the right checksum"),
        (TOKEN[:-1] + "9", "an address with the right checksum"),
        ("0x" + "0" * 40, "an address other than zero"),
    ],
)
def test_a_bad_address_is_refused_wherever_it_is(file: Path, address: str, message: str) -> None:
    assert message in refusal(file, changed(TOKEN, address))
    assert refusal(file, MINIMAL.replace(TOKEN, address)).startswith(
        "key asset[0].sources[0].contract: expected an address"
    )
    in_trigger = changed(f'triggers = [{{ contract = "{TOKEN}"', f'triggers = [{{ contract = "{address}"')
    assert refusal(file, in_trigger).startswith("key asset[0].triggers[0].contract: expected an address")
    multicall3 = changed("chain_id = 1", f'chain_id = 1\nmulticall3 = "{address}"')
    assert refusal(file, multicall3).startswith("key chain[0].multicall3: expected an address")


@pytest.mark.parametrize("address", [TOKEN.lower(), "0x" + TOKEN[2:].upper()])
def test_an_address_without_a_checksum_is_taken(file: Path, address: str) -> None:
    assert loaded(file, MINIMAL.replace(TOKEN, address)).assets[0].sources[0].contract == bytes.fromhex(
        TOKEN[2:]
    )


@pytest.mark.parametrize(
    "call", ["balanceOf", "balanceOf(", "balanceOf()", "balanceOf(adress)", "balanceOf(address,uint256)", ""]
)
def test_a_bad_call_is_refused(file: Path, call: str) -> None:
    message = refusal(file, changed("balanceOf(address)", call))
    assert message.startswith("key asset[0].sources[0].call: expected a ")


@pytest.mark.parametrize(
    "event",
    ["Transfer", "Transfer(address from", "Transfer(adress from, address to)", "1(address from, address to)"],
)
def test_a_bad_event_is_refused(file: Path, event: str) -> None:
    message = refusal(file, changed(EVENT, event))
    assert message.startswith("key asset[0].triggers[0].event: expected a signature")


@pytest.mark.parametrize(
    "wallets", ['["from", "too"]', '["value"]', '["from", "from"]', "[]", '"from"', "[1]"]
)
def test_wallets_are_the_events_own_addresses(file: Path, wallets: str) -> None:
    assert refusal(file, changed('["from", "to"]', wallets)).startswith("key asset[0].triggers[0].wallets")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", "audio"),
        ("table", "public.eth_wallet_balances"),
        ("table", "ETH_wallet_balances"),
        ("checkpoint", "audio_transfers"),
    ],
)
def test_two_assets_share_nothing(file: Path, key: str, value: str) -> None:
    line = next(line for line in SECOND.splitlines() if line.startswith(f"{key} ="))
    message = refusal(file, MINIMAL + changed(line, f'{key} = "{value}"', SECOND))
    assert message.startswith(f"key asset[1].{key}: expected another {key} than that of asset[0], got ")


def test_two_chains_have_two_names(file: Path) -> None:
    chain = MINIMAL[MINIMAL.index("[[chain]]") : MINIMAL.index("[[asset]]")]
    assert "key chain[1].name: expected another name than that of chain[0]" in refusal(file, MINIMAL + chain)


# URLs and what is secret


@pytest.mark.parametrize(
    "url",
    [
        "ftp://eth.example/KEYKEYKEY",
        "eth.example/KEYKEYKEY",
        "https:///KEYKEYKEY",
        "http://[KEYKEYKEY",
        "",
        "https://a b/KEYKEYKEY",
    ],
)
def test_a_node_is_asked_over_http_and_the_refusal_hides_the_url(file: Path, url: str) -> None:
    message = refusal(file, changed("https://eth.example", url))
    assert message.startswith("key chain[0].http[0]: expected an http:// or https:// URL, got ")
    assert "KEYKEYKEY" not in message


@pytest.mark.parametrize(
    "value", ['"wss://eth.example/KEYKEYKEY"', '["https://eth.example/KEYKEYKEY"]', "[1]", '[["KEYKEYKEY"]]']
)
def test_a_refused_socket_hides_its_key(file: Path, value: str) -> None:
    message = refusal(file, changed("chain_id = 1", f"chain_id = 1\nws = {value}"))
    assert message.startswith("key chain[0].ws")
    assert "KEYKEYKEY" not in message


@pytest.mark.parametrize("url", ["mysql://u:hunter2x@h/d", "hunter2x", ""])
def test_a_refused_database_hides_its_password(file: Path, url: str) -> None:
    message = refusal(file, changed("postgresql://keeper@localhost/balances", url))
    assert message.startswith("key database.url: expected a postgresql:// URL, got ")
    assert "hunter2x" not in message


def test_every_secret_is_masked_from_then_on() -> None:
    config = load(CONFIGS / "trueup.toml", ENV)
    said = secrets.mask(f"{ENV} s3cr3t-pass HTTPKEY12345 WSKEY1234567")
    for secret in ("s3cr3t-pass", "HTTPKEY12345", "WSKEY1234567"):
        assert secret not in said
        assert secret not in repr(config)


def test_show_is_toml_with_every_key_and_no_secret(file: Path) -> None:
    text = (CONFIGS / "trueup.toml").read_text().replace("enabled = false\ntoken", "enabled = true\ntoken")
    shown = show(loaded(file, text, TRUEUP_CHAOS_TOKEN="chaos-token=", **ENV))
    for secret in ("s3cr3t-pass", "keeper", "HTTPKEY12345", "WSKEY1234567", "chaos-token"):
        assert secret not in shown
    original, document = tomllib.loads(text), tomllib.loads(shown)
    assert document["database"] == {"url": "postgresql://db.example:5432/***"}
    assert document["chain"][0].pop("http") == ["https://eth.example/***"]
    assert document["chain"][0].pop("ws") == ["wss://eth.example/***"]
    assert document["chaos"].pop("token") == "***"
    del (
        original["database"],
        document["database"],
        original["chain"][0]["http"],
        original["chain"][0]["ws"],
        original["chaos"]["token"],
    )
    assert document == original


def test_what_show_prints_loads_again(file: Path) -> None:
    config = loaded(
        file,
        changed('checkpoint = "', 'track = "select wallet\\nfrom \\"Users\\""\ncheckpoint = "', MINIMAL)
        + SECOND,
    )
    again = loaded(file, show(config))
    assert dataclasses.replace(again, database=config.database) == config


# The environment


def test_a_variable_is_filled_in(file: Path) -> None:
    config = loaded(
        file, changed("https://eth.example", "https://${HOST}/v2/${KEY}"), HOST="eth.example", KEY="abcdef"
    )
    assert config.chains[0].http == ("https://eth.example/v2/abcdef",)


def test_what_a_variable_holds_is_not_filled_in_again(file: Path) -> None:
    text = changed("https://eth.example", "https://eth.example/${KEY}")
    assert loaded(file, text, KEY="${HOME}").chains[0].http == ("https://eth.example/${HOME}",)


def test_a_variable_that_is_not_set_is_named_with_its_key(file: Path) -> None:
    message = refusal(file, changed("https://eth.example", "${ETH_HTTP_URL}"))
    assert message == "key chain[0].http[0]: expected environment variable ETH_HTTP_URL to be set, got none"


def test_a_broken_variable_is_refused(file: Path) -> None:
    assert refusal(file, changed("https://eth.example", "https://${KEY")).startswith(
        "key chain[0].http[0]: expected ${NAME}"
    )


@pytest.mark.parametrize(
    "table", ["[chaos]\ntoken = '${UNSET}'", "[chaos]\nenabled = false\ntoken = '${UNSET}'"]
)
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
        (
            "TRUEUP_LEDGER__ADDRESS_FROM",
            "wallets, wallet_balances",
            "ledger",
            "address_from",
            ("wallets", "wallet_balances"),
        ),
        ("TRUEUP_DATABASE__URL", "postgres://elsewhere", "database", "url", "postgres://elsewhere"),
    ],
)
def test_the_environment_overrides_a_key(
    file: Path, variable: str, text: str, table: str, name: str, value: Any
) -> None:
    assert getattr(getattr(loaded(file, MINIMAL, **{variable: text}), table), name) == value


def test_the_environment_overrides_an_entry_by_its_name(file: Path) -> None:
    text = changed('name = "ethereum"', 'name = "eth-main"').replace(
        'chain = "ethereum"', 'chain = "eth-main"'
    )
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
        (
            "TRUEUP_SWEEPER__BATCH_SIZ",
            "1",
            "TRUEUP_SWEEPER__BATCH_SIZ: unknown key sweeper.batch_siz, did you mean batch_size?",
        ),
        (
            "TRUEUP_SWEEPR__BATCH_SIZE",
            "1",
            "environment variable TRUEUP_SWEEPR__BATCH_SIZE: no such key, overrides are ",
        ),
        ("TRUEUP_CHAIN__BASE__FOLLOW", "logs", "expected the name of one [[chain]], got BASE"),
        ("TRUEUP_ASSET__AUDIO__SOURCES", "[]", "asset[0].sources can be set in the file only"),
        (
            "TRUEUP_CHAIN__ETHEREUM__HTTP",
            "ftp://x",
            "key chain[0].http[0] (from TRUEUP_CHAIN__ETHEREUM__HTTP): expected an http://",
        ),
    ],
)
def test_an_override_that_cannot_be_is_refused_by_its_variable(
    file: Path, variable: str, text: str, message: str
) -> None:
    assert message in refusal(file, MINIMAL, **{variable: text})


def test_other_variables_of_trueup_are_no_overrides(file: Path) -> None:
    loaded(file, MINIMAL, TRUEUP_CHAOS_TOKEN="x", TRUEUP_HOME="y")


# Looking up


def test_a_name_that_is_not_there_is_answered_with_the_nearest(file: Path) -> None:
    config = loaded(file, MINIMAL)
    assert isinstance(config.asset("AUDIO"), AssetConfig)
    with pytest.raises(ConfigError, match="there is no asset named AUDOI, did you mean AUDIO"):
        config.asset("AUDOI")


# The budget


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
