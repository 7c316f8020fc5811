"""The simulated chain and provider against oracles that share nothing with them, and each fault against what it says it does."""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
import trio
import trio.testing
from eth_abi.abi import decode, encode

from actors.config import load
from actors.errors import (
    BadAnswer,
    DecodeError,
    NodeBehind,
    NodeError,
    Permanent,
    Throttled,
    TooLarge,
    Transient,
    WrongBlock,
    WrongChain,
)
from actors.evm.abi import parse_call
from actors.evm.block import Header, Pin
from actors.evm.endpoint import Endpoint
from actors.evm.logs import Trigger, decode_log, filter_for
from actors.evm.pool import Pool
from actors.evm.reader import Reader
from actors.evm.rung import Failure
from actors.evm.source import Source
from tests.simulation import chain as sim
from tests.simulation.chain import (
    FAILURES,
    SOURCES,
    TOKEN,
    TRIGGERS,
    VIEWS,
    ZERO,
    Block,
    Chain,
    Change,
    random_changes,
    sum_of,
    wallet_of,
)
from tests.simulation.faults import WORDINGS, Faults
from tests.simulation.provider import Node, Provider
from tests.simulation.socket import Wire

PLAN = tuple(Source(contract, parse_call(call)) for contract, call in VIEWS.items())
FOLLOWED = [Trigger.parse(contract, event, wallets) for contract, event, wallets in TRIGGERS]
Clock = trio.testing.MockClock


class World:
    """A chain with a past that forked, two nodes, and the real pool over them."""

    def __init__(self, seed: int = 1, blocks: int = 60) -> None:
        self.rng = random.Random(seed)
        self.wallets = [wallet_of(index) for index in range(40)]
        self.chain = Chain(self.rng, self.wallets, number=100)
        self.provider = Provider(self.chain, self.rng)
        for at in range(blocks):
            self.mine()
            if at % 10 == 9:
                self.fork(self.rng.randint(1, 4), self.rng.randint(1, 5))
        self.pool = Pool(self.provider.http_urls, sim.CHAIN_ID, cast(Any, self.provider), trio.current_time)

    @property
    def reader(self) -> Reader:
        """Multicall3 alone: the ladder has its own tests."""
        return Reader(sim.CHAIN_ID, sim.MULTICALL3, "multicall3")

    def mine(self, *changes: Change) -> Block:
        """A block with these changes, or with random ones."""
        return self.chain.mine(changes or random_changes(self.rng, self.wallets), 0)

    def fork(self, depth: int, length: int) -> Block:
        """A reorg; the head that it orphaned."""
        old = self.chain.head
        self.chain.fork(depth, length, lambda: random_changes(self.rng, self.wallets), 0)
        return old

    @property
    def a(self) -> Node:
        """The first node."""
        return self.provider.nodes["a"]

    @property
    def endpoint(self) -> Endpoint:
        """The first node, as the system sees it."""
        return self.pool.endpoints[0]

    async def read(self, block: Block, wallets: list[bytes]) -> list[int | Failure]:
        """The wallets' sums, as the batcher reads them."""
        pin = Pin(block.number, block.hash, Header.from_json(block.header))
        return (await self.reader.read(self.endpoint, pin, [(PLAN, wallet) for wallet in wallets])).values

    async def ask(self, method: str, *params: Any) -> Any:
        """The first node's raw answer object."""
        body = json.dumps({"jsonrpc": "2.0", "id": 7, "method": method, "params": params}).encode()
        return json.loads((await self.provider.post("http://a.sim/key", body))[2])


@pytest.fixture
def world() -> World:
    """A fresh one. The test itself must take the virtual clock, or it runs on the real one."""
    return World()


def branch(head: Block) -> list[Block]:
    """A block and all its ancestors, oldest first, by the parents alone."""
    found = [head]
    while found[-1].parent is not None:
        found.append(found[-1].parent)
    return found[::-1]


def test_balances_and_touches_are_what_the_logs_of_the_branch_say() -> None:
    world = World(seed=5, blocks=300)
    world.mine(Change("transfer", world.wallets[0], world.wallets[1], 10**30))  # more than there is
    blocks = branch(world.chain.head)
    balances, touches = dict(blocks[0].state[TOKEN]), dict[bytes, int]()
    for block in blocks:
        assert block.at(block.number) is block
        for log in block.logs:
            try:
                event = decode_log(FOLLOWED, log)
            except DecodeError:
                continue
            assert event is not None
            assert (event.block, event.block_hash) == (block.number, block.hash)
            touches.update(dict.fromkeys(event.wallets, block.number))
            if bytes.fromhex(log["address"][2:]) == TOKEN:
                source, target = (bytes.fromhex(topic[26:]) for topic in log["topics"][1:])
                value = int(log["data"], 16)
                for wallet, moved in ((source, -value), (target, value)):
                    balances[wallet] = balances.get(wallet, 0) + moved
    balances.pop(ZERO, None)
    assert balances == world.chain.head.state[TOKEN]
    assert touches == world.chain.head.last_touch
    assert world.chain.head.line[: len(blocks)] == blocks
    assert len(touches) > 20


async def test_a_read_through_the_real_reader_gives_the_sum_at_the_pin(autojump_clock: Clock, world: World) -> None:
    for pins in (None, True):
        for block in branch(world.chain.head)[-30::7]:
            world.endpoint.hash_pins = pins
            assert await world.read(block, world.wallets) == [sum_of(block, wallet) for wallet in world.wallets]


async def test_the_probe_finds_hash_pins_where_they_are_honoured(autojump_clock: Clock, world: World) -> None:
    for fault, honoured in (("", True), ("refuses_hash", False), ("ignores_hash", False)):
        world.a.faults.clear()
        if fault:
            setattr(world.a.faults, fault, True)
        world.endpoint.probed = False
        await world.reader.probe(world.endpoint)
        assert world.endpoint.hash_pins is honoured
        assert bool(fault) == (world.a.faults.struck[fault] > 0)


@pytest.mark.parametrize("mode", FAILURES)
async def test_a_failing_wallet_fails_alone_until_it_is_mended(autojump_clock: Clock, world: World, mode: str) -> None:
    wallet, other = world.wallets[3], world.wallets[4]
    block = world.mine(Change("fail", wallet, mode=mode))
    assert sum_of(block, wallet) is None
    found = await world.read(block, [wallet, other])
    assert isinstance(found[0], Failure)
    assert found[1] == sum_of(block, other)
    assert await world.read(world.mine(Change("mend", wallet)), [wallet]) == [sum_of(block.parent or block, wallet)]


async def test_a_wallet_that_burns_gas_fails_the_calls_behind_it(autojump_clock: Clock, world: World) -> None:
    block = world.mine(*(Change("fail", wallet, mode="gas burning") for wallet in world.wallets[:2]))
    with pytest.raises(TooLarge):
        await world.read(block, world.wallets)


async def test_the_encoded_answer_is_what_an_abi_library_reads(autojump_clock: Clock, world: World) -> None:
    modes = {wallet: mode for wallet, mode in zip(world.wallets, FAILURES, strict=False) if mode != "gas burning"}
    block = world.mine(*(Change("fail", wallet, mode=mode) for wallet, mode in modes.items()))
    pairs = [(contract, wallet) for wallet in modes for contract in SOURCES] + [(bytes(20), bytes(20))]
    calls = [("0x" + to.hex(), True, (sim.SELECTORS.get(to) or b"") + bytes(12) + wallet) for to, wallet in pairs]
    data = "0x82ad56cb" + encode(["(address,bool,bytes)[]"], [calls]).hex()
    answer = await world.ask("eth_call", {"to": "0x" + sim.MULTICALL3.hex(), "data": data}, "latest")
    (found,) = decode(["(bool,bytes)[]"], bytes.fromhex(answer["result"][2:]))
    expected = [FAILURES[modes[w]] if sim.failing_source(w) == to else (True, word(block.balance(to, w))) for to, w in pairs[:-1]]
    assert list(found) == [*expected, (True, b"")]


def word(value: int) -> bytes:
    return value.to_bytes(32, "big")


async def test_blocks_it_cannot_answer_for_are_refused_as_real_nodes_do(autojump_clock: Clock, world: World) -> None:
    orphan = world.fork(2, 3)
    at, head = {"to": "0x" + TOKEN.hex(), "data": "0x" + sim.SELECTORS[TOKEN].hex() + bytes(32).hex()}, world.chain.head
    for where, words in [
        (hex(head.number + 1), "header not found"),
        ({"blockHash": "0x" + "ab" * 32, "requireCanonical": True}, "not found"),
        ({"blockHash": orphan.header["hash"], "requireCanonical": True}, "not currently canonical"),
    ]:
        assert words in (await world.ask("eth_call", at, where))["error"]["message"]
    assert "result" in await world.ask("eth_call", at, {"blockHash": orphan.header["hash"]})
    world.a.state_window = 10
    assert "result" in await world.ask("eth_call", at, hex(head.number - 9))
    with pytest.raises(NodeBehind, match="missing trie node"):
        await world.endpoint.call("eth_call", [at, hex(head.number - 10)])
    assert await world.endpoint.header(head.number + 1) is None
    assert await world.endpoint.header("0x" + "ab" * 32) is None
    assert (await world.ask("eth_getLogs", {"blockHash": "0x" + "ab" * 32}))["error"]["message"] == "unknown block"
    assert (await world.ask("eth_mystery"))["error"]["code"] == -32601
    batch = await world.endpoint.batch([("eth_blockNumber", []), ("eth_mystery", []), ("eth_chainId", [])])
    assert (batch[0], batch[2], type(batch[1])) == (hex(head.number), hex(31337), Permanent)


async def test_logs_by_range_and_by_hash_are_those_of_the_blocks(autojump_clock: Clock, world: World) -> None:
    blocks = branch(world.chain.head)
    everything = [log for block in blocks for log in block.logs]
    where = filter_for(FOLLOWED)
    assert await world.endpoint.logs({**where, "fromBlock": hex(0), "toBlock": "latest"}) == everything
    part = {"fromBlock": hex(blocks[10].number), "toBlock": hex(blocks[20].number)}
    assert await world.endpoint.logs({**where, **part}) == [log for block in blocks[10:21] for log in block.logs]
    staked = filter_for(FOLLOWED[1:2])
    assert await world.endpoint.logs({**staked, "fromBlock": "0x0"}) == [one for one in everything if one["topics"][0] == sim.STAKED]
    for block in blocks[5:15]:
        assert await world.endpoint.logs({**where, "blockHash": block.header["hash"]}) == list(block.logs)


FAULTS: list[tuple[str, dict[str, Any], type[NodeError]]] = [
    ("down", {"down": True}, Transient),
    ("slow", {"slow": 1.0, "slow_secs": 11.0}, Transient),
    ("failing_status", {"failing_status": 1.0, "status": 500}, Transient),
    ("throttle", {"throttle": 1.0, "retry_after": "7"}, Throttled),
    ("throttle", {"throttle": 1.0}, Throttled),
    ("limit_in_200", {"limit_in_200": 1.0}, Throttled),
    ("html", {"html": 1.0}, BadAnswer),
    ("half_json", {"half_json": 1.0}, BadAnswer),
    ("other_id", {"other_id": 1.0}, BadAnswer),
    ("body_limit", {"body_limit": 1000}, TooLarge),
    ("response_limit", {"response_limit": 1000}, TooLarge),
    ("max_sub_calls", {"max_sub_calls": 10}, TooLarge),
    ("lag", {"lag": 3}, NodeBehind),
    ("ignores_tag", {"ignores_tag": True}, WrongBlock),
    ("wrong_chain_id", {"wrong_chain_id": 5}, WrongBlock),
]


@pytest.mark.parametrize(("name", "values", "kind"), FAULTS)
async def test_a_fault_shows_as_what_it_is_is_counted_and_ends(
    autojump_clock: Clock, world: World, name: str, values: dict[str, Any], kind: type[NodeError]
) -> None:
    block = world.chain.head if name != "ignores_tag" else world.chain.head.parent
    assert block is not None
    await world.endpoint.check_chain()
    for key, value in values.items():
        setattr(world.a.faults, key, value)
    with pytest.raises(kind) as raised:
        await world.read(block, world.wallets)
    assert world.a.faults.struck[name] == 1 or name in ("wrong_chain_id", "lag")
    if isinstance(raised.value, Throttled) and "retry_after" in values:
        assert raised.value.retry_after_secs == 7.0
    world.provider.clear()
    assert [getattr(world.a.faults, key) for key in values] == [getattr(Faults(), key) for key in values]
    assert await world.read(block, world.wallets) == [sum_of(block, wallet) for wallet in world.wallets]


async def test_a_node_on_another_chain_and_one_without_batches_are_told_apart(autojump_clock: Clock, world: World) -> None:
    world.a.faults.wrong_chain_id, world.provider.nodes["b"].faults.no_batches = 5, True
    with pytest.raises(WrongChain):
        await world.endpoint.header("latest")
    assert await world.pool.endpoints[1].batch([("eth_chainId", []), ("eth_chainId", [])]) == ["0x7a69"] * 2
    assert await world.ask("eth_chainId") == {"jsonrpc": "2.0", "id": 7, "result": "0x5"}
    with pytest.raises(Transient):
        await world.provider.post("http://c.sim", b"{}")


async def test_an_orphaned_view_is_consistent_in_itself_and_a_balancer_mixes_two(autojump_clock: Clock, world: World) -> None:
    orphan = world.fork(3, 4)
    world.a.faults.sits_on = orphan
    header = await world.endpoint.header("latest")
    assert header is not None
    assert header.hash == orphan.hash
    assert await world.read(orphan, world.wallets) == [sum_of(orphan, wallet) for wallet in world.wallets]
    with pytest.raises(NodeBehind):
        await world.endpoint.logs({"blockHash": world.chain.head.header["hash"]})
    world.a.faults.sits_on, world.a.faults.balancer, world.a.faults.other_sits_on = None, True, orphan
    found = await world.endpoint.batch([("eth_getBlockByNumber", ["latest", False])] * 60)
    assert {one["hash"] for one in found} == {orphan.header["hash"], world.chain.head.header["hash"]}
    world.a.faults.ignores_canonical, world.a.faults.balancer, world.endpoint.hash_pins = True, False, True
    assert await world.read(orphan, world.wallets) == [sum_of(orphan, wallet) for wallet in world.wallets]


@pytest.mark.parametrize("provider", WORDINGS)
async def test_a_range_cap_and_a_result_cap_are_worded_as_the_provider_does(autojump_clock: Clock, world: World, provider: str) -> None:
    world.a.faults.wording, world.a.faults.max_range = provider, 10
    whole = {"fromBlock": "0x64", "toBlock": hex(world.chain.head.number)}
    refused = (await world.ask("eth_getLogs", whole))["error"]
    assert (refused["code"], "10" in refused["message"] or "0xa" in refused["message"]) == (WORDINGS[provider][0], True)
    assert "result" in await world.ask("eth_getLogs", {"fromBlock": "0x64", "toBlock": hex(109)})
    world.a.faults.max_range, world.a.faults.max_results = None, 5
    refused = (await world.ask("eth_getLogs", whole))["error"]
    assert (refused["code"], "{" in refused["message"]) == (WORDINGS[provider][2], False)
    assert "result" in await world.ask("eth_getLogs", {"blockHash": world.chain.head.header["hash"]})


def cut(faults: Faults) -> None:
    faults.cuts_page = 3


def omit(faults: Faults) -> None:
    faults.omits_logs = 0.5


def fall_behind(faults: Faults) -> None:
    faults.lag = 30


@pytest.mark.parametrize("fault", [cut, omit, fall_behind])
async def test_a_log_is_kept_back_in_silence_once_at_most(autojump_clock: Clock, world: World, fault: Callable[[Faults], None]) -> None:
    whole = {"fromBlock": "0x64", "toBlock": hex(world.chain.head.number)}
    everything = await world.endpoint.logs(whole)
    fault(world.a.faults)
    fault(world.provider.nodes["b"].faults)
    seen: list[str] = []
    for endpoint in world.pool.endpoints:
        try:
            seen += [json.dumps(log) for log in await endpoint.logs(whole)]
        except NodeBehind:
            assert fault is fall_behind
            seen += [json.dumps(log) for log in everything]  # an error withholds nothing
    assert len(world.provider.withheld.by) > 0
    assert len(seen) == 2 * len(everything) - len(world.provider.withheld.by)
    assert {*seen} == {json.dumps(log) for log in everything}


async def test_a_lagging_node_has_no_logs_above_its_head_or_an_error(autojump_clock: Clock, world: World) -> None:
    world.a.faults.lag = 5
    above = {"fromBlock": hex(world.chain.head.number - 1), "toBlock": hex(world.chain.head.number)}
    assert await world.endpoint.logs(above) == []
    world.a.faults.range_errors = True
    with pytest.raises(NodeBehind, match="beyond current head"):
        await world.endpoint.logs(above)
    with pytest.raises(NodeBehind, match="unknown block"):
        await world.endpoint.logs({"blockHash": world.chain.head.header["hash"]})


SUBSCRIBE = {"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe"}


async def subscribe(wire: Wire, *params: Any) -> str:
    """Subscribe; the subscription's id."""
    await wire.send_message(json.dumps({**SUBSCRIBE, "params": params}))
    return str(json.loads(await wire.get_message())["result"])


async def notes(wire: Wire) -> list[dict[str, Any]]:
    """What the socket pushes within a while, by the text's order."""
    found = []
    with trio.move_on_after(30):
        while True:
            found.append(json.loads(await wire.get_message())["params"])
    return found


async def test_a_socket_answers_and_pushes_heads_and_logs_and_what_a_reorg_removed(autojump_clock: Clock, world: World) -> None:
    async with world.provider.connect("ws://a.sim/key") as wire:
        heads, logs = await subscribe(wire, "newHeads"), await subscribe(wire, "logs", filter_for(FOLLOWED))
        await wire.send_message('{"jsonrpc":"2.0","id":9,"method":"eth_chainId","params":[]}')
        assert json.loads(await wire.get_message()) == {"jsonrpc": "2.0", "id": 9, "result": "0x7a69"}
        await wire.ping()
        changes = [Change("stake", world.wallets[0], value=5), Change("delegate", world.wallets[1], world.wallets[2], 5)]
        old = [world.mine(*changes), world.mine(*changes)]
        pushed = await notes(wire)
        assert [one["result"] for one in pushed if one["subscription"] == heads] == [block.header for block in old]
        assert [one["result"] for one in pushed if one["subscription"] == logs] == [log for block in old for log in block.logs]
        world.chain.fork(2, 1, lambda: changes, 0)  # to a shorter branch
        pushed = await notes(wire)
        removed = [{**log, "removed": True} for block in old[::-1] for log in block.logs]
        assert [one["result"] for one in pushed if one["subscription"] == heads] == [world.chain.head.header]
        assert [one["result"] for one in pushed if one["subscription"] == logs] == [*removed, *world.chain.head.logs]
        assert wire in world.a.wires
    assert world.a.wires == []
    with pytest.raises(Transient):
        await wire.get_message()


@pytest.mark.parametrize(
    ("name", "expected"),
    [("ws_silent", []), ("ws_drops", []), ("ws_repeats", [1, 1, 2, 2, 3, 3, 4, 4]), ("lag", [1, 2]), ("", [1, 2, 3, 4])],
)
async def test_a_socket_that_is_faulty_pushes_less_or_more(
    autojump_clock: Clock, world: World, name: str, expected: list[int]
) -> None:
    async with world.provider.connect("ws://a.sim") as wire:
        await subscribe(wire, "newHeads")
        if name:
            setattr(world.a.faults, name, 2 if name == "lag" else 1.0)
        first = world.chain.head.number
        for _ in range(4):
            world.mine()
        assert [int(one["result"]["number"], 16) - first for one in await notes(wire)] == expected
        await wire.ping()
        world.provider.clear()
        assert [int(one["result"]["number"], 16) - first for one in await notes(wire)] == ([3, 4] if name == "lag" else [])
        world.mine()
        assert len(await notes(wire)) == 1
    assert world.provider.struck()["ws_drops"] == (4 if name == "ws_drops" else 0)


async def test_a_socket_reorders_omits_removals_and_sends_half_a_note(autojump_clock: Clock, world: World) -> None:
    async with world.provider.connect("ws://a.sim") as wire:
        await subscribe(wire, "newHeads")
        world.a.faults.ws_reorders = 0.5
        mined = [world.mine().header for _ in range(20)]
        pushed = [one["result"] for one in await notes(wire)]
        assert pushed != mined
        assert sorted(pushed, key=lambda one: int(one["number"], 16)) == mined
        world.provider.clear()
        logs = await subscribe(wire, "logs", filter_for(FOLLOWED))
        world.mine(Change("stake", world.wallets[0], value=1))
        await notes(wire)
        world.a.faults.omits_removed = True
        world.chain.fork(1, 1, list, 0)
        assert [one for one in await notes(wire) if one["subscription"] == logs] == []
        world.a.faults.ws_half = 1.0
        world.mine()
        with pytest.raises(ValueError):
            json.loads(await wire.get_message())


@pytest.mark.parametrize("name", ["ws_cuts", "down", "cut"])
async def test_a_cut_socket_wakes_whoever_waits(autojump_clock: Clock, world: World, name: str) -> None:
    async def break_it() -> None:
        await trio.sleep(5)
        if name == "cut":
            world.a.cut()
        else:
            setattr(world.a.faults, name, True)
        world.mine()

    async with world.provider.connect("ws://a.sim") as wire, trio.open_nursery() as nursery:
        await subscribe(wire, "newHeads")
        nursery.start_soon(break_it)
        with pytest.raises(Transient, match="closed"):
            await wire.get_message()
        for attempt in (wire.ping, wire.get_message):
            with pytest.raises(Transient):
                await attempt()
        with pytest.raises(Transient):
            await wire.send_message("{}")
    assert trio.current_time() < 20
    assert world.a.faults.struck[name] == 1


@pytest.mark.parametrize(("name", "value"), [("down", True), ("ws_refuses", True), ("slow", 1.0)])
async def test_a_socket_that_does_not_open(autojump_clock: Clock, world: World, name: str, value: Any) -> None:
    setattr(world.a.faults, name, value)
    world.a.faults.slow_secs = 60
    with pytest.raises(Transient):
        async with world.provider.connect("ws://a.sim"):
            pass
    assert (world.a.wires, world.a.faults.struck[name]) == ([], 1)


async def test_a_deaf_socket_answers_no_ping(autojump_clock: Clock, world: World) -> None:
    async with world.provider.connect("ws://a.sim") as wire:
        world.a.faults.ws_deaf = True
        with trio.move_on_after(10) as late:
            await wire.ping()
        assert late.cancelled_caught


def test_the_config_that_watches_the_chain_loads(tmp_path: Path, world: World) -> None:
    text = '[database]\nurl = "postgres://nobody@127.0.0.1/none"\n'
    (tmp_path / "sim.toml").write_text(
        text + sim.config_toml(world.provider.http_urls, world.provider.ws_urls, "confirm_secs = 20", 'track = "table"')
    )
    config = load(tmp_path / "sim.toml", {})
    assert list(config.chains[0].ws) == world.provider.ws_urls
    assert [source.contract for source in config.assets[0].sources] == list(SOURCES)
    assert [(trigger.contract, trigger.wallets) for trigger in config.assets[0].triggers] == [(c, w) for c, _, w in TRIGGERS]


async def _history(seed: int) -> str:
    """A digest of all bytes that a short history with faults gives, and when it gives them."""
    digest, world = hashlib.sha256(), World(seed, 30)
    faults = world.a.faults
    faults.half_json = faults.html = faults.omits_logs = faults.throttle = faults.limit_in_200 = 0.1
    faults.balancer, faults.other_lag, faults.ws_drops, faults.ws_reorders = True, 2, 0.2, 0.3
    async with world.provider.connect("ws://a.sim") as wire:
        for kind in (["newHeads"], ["logs", filter_for(FOLLOWED)]):
            await wire.send_message(json.dumps({"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": kind}))
        for at in range(60):
            world.fork(2, 2) if at % 9 == 8 else world.mine()
            body = json.dumps({"id": at, "method": "eth_getLogs", "params": [{"fromBlock": "0x0", "toBlock": "latest"}]})
            digest.update(repr(await world.provider.post("http://a.sim", body.encode())).encode())
            with trio.move_on_after(1):
                while True:
                    digest.update((await wire.get_message()).encode())
            digest.update(repr(trio.current_time()).encode())
    return digest.hexdigest() + repr(sorted(world.provider.struck().items()))


def test_one_seed_gives_the_same_bytes_whatever_the_hash_seed() -> None:
    code = "import trio, trio.testing; from tests.simulation.test_provider import _history; "
    code += "clock = trio.testing.MockClock(autojump_threshold=0); print(trio.run(_history, 3, clock=clock))"
    run = [sys.executable, "-c", code]
    found = [
        subprocess.run(run, env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True).stdout
        for seed in ("1", "2")
    ]
    assert found[0] == found[1]
    assert "omits_logs" in found[0]
