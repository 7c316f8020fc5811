"""What a config may say, and what is then looked up in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors import secrets
from actors.config import AssetConfig, ChaosConfig, LedgerConfig, ServerConfig, SupervisorConfig, SweeperConfig, show
from actors.errors import ConfigError
from tests.config.texts import MINIMAL, SECOND, TOKEN, changed, loaded


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
    config = loaded(file, changed(f'{{ contract = "{TOKEN}", call = "balanceOf(address)" }}', "{ native = true }"))
    assert config.assets[0].sources[0].contract is None


def test_an_asset_without_triggers_is_swept_only(file: Path) -> None:
    assert loaded(file, MINIMAL + SECOND).asset("STAKE").triggers == ()


@pytest.mark.parametrize(
    "select", ["SELECT wallet FROM users", "with u as (select 1) select * from u", "select\\n wallet from users"]
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
    [("", None), ("0.0.0.0:80", ("0.0.0.0", 80)), ("[::1]:0", ("::1", 0)), ("localhost:1325", ("localhost", 1325))],
)
def test_the_server_binds_to_host_and_port(file: Path, bind: str, address: object) -> None:
    assert loaded(file, MINIMAL + f'[server]\nbind = "{bind}"').server.address == address


def test_libpqs_keywords_are_a_database_too(file: Path) -> None:
    config = loaded(file, changed("postgresql://keeper@localhost/balances", "host=localhost password=s3cr3t-pass dbname=b"))
    assert secrets.mask("s3cr3t-pass") == "***"
    assert "s3cr3t-pass" not in show(config)


def test_a_name_that_is_not_there_is_answered_with_the_nearest(file: Path) -> None:
    config = loaded(file, MINIMAL)
    assert isinstance(config.asset("AUDIO"), AssetConfig)
    with pytest.raises(ConfigError, match="there is no asset named AUDOI, did you mean AUDIO"):
        config.asset("AUDOI")
