"""The commented reference and the set-ups of the two seeds."""

from __future__ import annotations

import dataclasses
import re
import tomllib

from actors.config import load
from actors.config.keys import ARRAYS, TABLES, keys_of
from tests.config.texts import CONFIGS, ENV


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
    for entry in (config.server, config.log, config.sweeper, config.ledger, config.audit, config.supervisor, config.chaos, *config.chains, *config.assets):
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


def test_the_reference_file_marks_the_keys_that_change_while_the_service_runs() -> None:
    table: type[object] | None = None
    marked, tunable = [], []
    for line in (CONFIGS / "trueup.toml").read_text().splitlines():
        if (head := re.match(r"\[+(\w+)\]", line)) is not None:
            table = {**TABLES, **ARRAYS}[head[1]]
        elif (key := re.match(r"(\w+) = ", line)) is not None and table is not None:
            tunable += [(table, key[1])] if keys_of(table)[key[1]].metadata["tunable"] else []
            marked += [(table, key[1])] if re.search(r"  # \*( |$)", line) else []
    assert marked == tunable
    assert len(tunable) == sum(key.metadata["tunable"] for kind in (TABLES, ARRAYS) for each in kind.values() for key in keys_of(each).values())


def test_the_first_seeds_config_has_its_three_sources_and_its_trigger() -> None:
    asset = load(CONFIGS / "audius.toml", ENV).asset("AUDIO")
    assert [(source.selector or b"").hex() for source in asset.sources] == ["70a08231", "4b341aed", "b0303b75"]
    assert asset.calls == ("balanceOf(address)", "totalStakedFor(address)", "getTotalDelegatorStake(address)")
    assert asset.triggers[0].event.topic0.hex() == "ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef"
    assert asset.triggers[0].wallets == ("from", "to")
    assert (asset.table, asset.checkpoint) == ("eth_wallet_balances", "audio_transfers")


def test_the_second_seeds_config_needs_no_asset() -> None:
    config = load(CONFIGS / "ledger.toml", ENV)
    assert config.ledger.enabled
    assert config.assets == ()
