"""Suggestions are made where they differ from the config, for what was measured, and only there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from actors.config import ChainConfig
from actors.doctor.node.advice import Chain, advise
from actors.doctor.node.measured import Measured
from actors.doctor.node.search import Found

URL = "https://node.example"
ALL = ("packed", "multicall3", "deployless", "single")
# An endpoint with which the defaults are well served.
GOOD = Measured(
    "https://node.example",
    rungs=ALL,
    multicall3=True,
    state_override=True,
    block_secs=12.0,
    log_blocks=Found(10_000, 10_001, 10),
    log_results=Found(10_000, 10_001, 10),
    events_per_block=3.0,
    default_gas=550_000_000,
    holder_gas=9_000,
    holder_gas_of="AUDIO",
    body_bytes=Found(5_000_000, 5_000_001, 10),
    batch_items=Found(100, 101, 10),
    in_flight=4,
    units=100,
    secs=2.0,
)
CONFIG = ChainConfig("ethereum", 1, (URL,), ("wss://node.example",))


def lines(config: dict[str, Any], measured: dict[str, Any], *more: Measured, ws_found: tuple[str, ...] = ()) -> list[str]:
    chain = Chain(replace(CONFIG, **config), [replace(GOOD, **measured), *more], ws_found=ws_found)
    found = list(advise(chain))
    assert all(each.ok and each.text and each.about == "chain ethereum" for each in found)
    return [each.fix for each in found]


def test_where_the_config_fits_nothing_is_suggested() -> None:
    assert lines({}, {}) == []


SUGGESTED: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "a shorter range": ({}, {"log_blocks": Found(2000, 2001, 9)}, "max_log_blocks = 2000"),
    "a longer range": ({"max_log_blocks": 500}, {}, "max_log_blocks = 9000"),
    "a range below a silent cut": ({}, {"logs_cut": True}, "max_log_blocks = 1600"),
    "fewer holders by gas": ({}, {"default_gas": 30_000_000}, "holders_per_call = 3100"),
    "fewer holders by body": ({}, {"body_bytes": Found(100_000, 100_001, 9)}, "holders_per_call = 2200"),
    "more holders": ({"holders_per_call": 200}, {}, "holders_per_call = 6000"),
    "a better rung": ({"reads": "multicall3"}, {}, 'reads = "auto"'),
    "where Multicall3 is": ({}, {"multicall3": False, "multicall3_elsewhere": True}, 'multicall3 = "0xca11bde05977b3631167028862be2a173976ca11"'),
    "heads for a busy token": ({}, {"events_per_block": 250.0}, 'follow = "heads"'),
    "logs for a quiet one": ({"follow": "heads"}, {}, 'follow = "logs"'),
    "polls at the block time": ({"ws": ()}, {}, "poll_interval_secs = 12"),
    "polls on a fast chain": ({"ws": ()}, {"block_secs": 0.25}, "poll_interval_secs = 0.5"),
    "closings not below the block time": ({"confirm_secs": 10.0}, {}, "confirm_secs = 60"),
    "silence not below the block time": ({"stall_secs": 10.0}, {}, "stall_secs = 60"),
    "fewer calls at once": ({}, {"in_flight": 2}, "calls_in_flight = 2"),
    "a rate of one's own": ({}, {"rate_limited": "429"}, "compute_units_per_sec = 50"),
    "a socket": ({"ws": ()}, {"block_secs": 4.0}, 'ws = ["wss://…"], if your provider has one'),
    "the provider's prices": ({"http": ("https://eth-mainnet.g.alchemy.com/v2/KEY",)}, {}, 'prices = "alchemy"'),
}


@pytest.mark.parametrize("name", SUGGESTED)
def test_what_differs_is_suggested_as_a_line_of_the_config(name: str) -> None:
    config, measured, line = SUGGESTED[name]
    assert line in lines(config, measured)


@pytest.mark.parametrize("name", [name for name in SUGGESTED if "=" in SUGGESTED[name][2] and SUGGESTED[name][2].split(" = ")[1].isdigit()])
def test_what_was_suggested_is_not_suggested_again(name: str) -> None:
    config, measured, line = SUGGESTED[name]
    key, value = line.split(" = ")
    assert line not in lines({**config, key: int(value)}, measured)


def test_the_strictest_endpoint_counts() -> None:
    assert lines({}, {}, replace(GOOD, endpoint="https://other", log_blocks=Found(800, 801, 9))) == ["max_log_blocks = 800"]


def test_what_was_not_measured_suggests_nothing() -> None:
    assert list(advise(Chain(CONFIG, [Measured(URL), Measured(URL, error="not reached")]))) == []


def test_a_limit_that_is_not_known_exactly_suggests_no_number() -> None:
    assert lines({}, {"log_blocks": Found(100, 200, 9, stopped="rate limited")}) == []


def test_a_socket_at_the_same_url_is_named() -> None:
    assert 'ws = ["wss://…"], the same URL as in http' in lines({"ws": ()}, {"block_secs": 4.0}, ws_found=("wss://node.example",))
