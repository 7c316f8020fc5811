"""The town on the private chain, which judges the rows: so its own words are checked first."""

from __future__ import annotations

import tomllib

from actors.sandbox.anvil import Anvil
from actors.sandbox.town import MULTICALL3, SEEDED, Town, selector


def test_every_wallet_starts_with_the_same_coins_and_a_little(town: Town) -> None:
    truths = town.truths(town.wallets, town.block())
    assert [truths[wallet] for wallet in town.wallets] == [SEEDED + index for index in range(20)]


def test_a_wallets_truth_is_the_sum_of_the_three_sources(town: Town) -> None:
    first, second = town.wallets[:2]
    town.stake(first, 5)
    town.delegate(first, second, 7)
    town.transfer(first, second, 100)
    town.mine()
    assert town.truth(first) == SEEDED + 5 + 7 - 100
    assert town.truth(second) == SEEDED + 1 + 100


def test_the_truth_can_be_asked_of_an_older_block(town: Town) -> None:
    first, before = town.wallets[0], town.block()
    town.stake(first, 5)
    town.mine()
    assert town.truths([first], before) == {first: SEEDED}
    assert town.truths([first], town.block()) == {first: SEEDED + 5}


def test_the_last_events_name_whoever_a_log_names() -> None:
    with Anvil(options=["--no-mining"]) as anvil:
        town = Town(anvil, wallets=3)
        (first, second, third), start = town.wallets, town.started_at
        town.transfer(first, second, 1)
        town.mine()
        town.delegate(second, third, 1)
        town.mine()
        town.stake(first, 1)
        town.mine()
        assert town.last_events(start) == {first: start + 3, second: start + 2, third: start + 2}
        assert town.last_events(start + 2) == {first: start + 3}


def test_nothing_has_happened_above_the_head(town: Town) -> None:
    assert town.last_events(town.block()) == {}


def test_all_of_the_traffic_leaves_a_log() -> None:
    with Anvil(block_time=1) as anvil:
        town = Town(anvil, wallets=1000)
        town.traffic(200)
        where = {"fromBlock": hex(town.started_at + 1), "toBlock": "latest"}
        for _ in range(50):  # on a busy machine the node takes the last ones in after the block
            town.mine()
            if len(logs := anvil.rpc("eth_getLogs", where)) >= 200:
                break
        assert len(logs) == 200


def test_multicall3_stands_where_it_stands_on_most_chains(town: Town, anvil: Anvil) -> None:
    asked = {"to": MULTICALL3, "data": "0x" + selector("getBlockNumber()")}
    block = town.block()
    assert int(anvil.rpc("eth_call", asked, hex(block)), 16) == block


def test_its_config_names_its_own_contracts(town: Town) -> None:
    config = tomllib.loads(town.toml(chain='follow = "heads"'))
    assert config["chain"][0]["follow"] == "heads"
    assert [source["contract"] for source in config["asset"][0]["sources"]] == [contract for contract, _ in town.sources()]
