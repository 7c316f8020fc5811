"""What the doctor says of whole endpoints, good and bad, side by side: none of them stops the others."""

from __future__ import annotations

import io
import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from actors.cli import doctor as command
from actors.cli import main
from actors.config import Config, load
from actors.doctor import nodes
from actors.doctor.finding import Finding
from actors.doctor.node import measure, push
from actors.doctor.node import probe as probing
from actors.evm import http
from actors.evm.http import HttpClient
from actors.sandbox.anvil import Anvil
from actors.sandbox.town import Town
from tests.proxy import Fault, Post, Proxy, Response, open_proxy
from tests.proxy_faults import (
    BodyCap,
    HangUp,
    HtmlPage,
    IgnoresHash,
    Lag,
    LogCap,
    OtherChain,
    Refuse,
    Throttle,
    Vanish,
)
from tests.proxy_limits import BatchCap, GasCap, Hang, NoLogPushes, NoOverride, Pruned, RequestsUntil
from tests.world import eventually

Made = tuple[Anvil, Town]
LOOKS = 10


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(push, "WAIT_SECS", (0.5, 0.5))
    monkeypatch.setattr(probing, "PAUSE_SECS", (0.01, 0.05))


def config_of(folder: Path, town: Town, urls: Sequence[str], chain: str = "", ws: Sequence[str] = ()) -> Config:
    """The town's chain behind these endpoints."""
    text = town.toml(ws=False, chain=f"ws = {json.dumps(list(ws))}\n{chain}")
    text = text.replace(f'["{town._anvil.http}"]', json.dumps(list(urls)))
    path = folder / "trueup.toml"
    path.write_text('[database]\nurl = "postgresql://nobody@127.0.0.1:1/none"\n' + text)
    return load(str(path), {})


async def look(config: Config, quick: bool = False) -> list[Finding]:
    async with HttpClient() as client:
        return await nodes.look(client, config, quick)


def measured(found: list[Finding], endpoint: str) -> dict[str, Any]:
    return next(each.measured for each in found if each.measured.get("endpoint", "").startswith(endpoint))


def wrong(found: list[Finding]) -> list[str]:
    assert all(each.fix for each in found if not each.ok)
    return [each.text for each in found if not each.ok]


def fixes(found: list[Finding]) -> list[str]:
    return [each.fix for each in found if each.ok and each.fix]


@pytest.mark.long
async def test_three_endpoints_with_three_limits_each_are_measured_at_once_and_each_number_is_the_one_that_was_set(
    tmp_path: Path, measured_town: Made, capsys: pytest.CaptureFixture[str]
) -> None:
    """By the command itself, and what it prints as JSON."""
    anvil, town = measured_town
    async with open_proxy(anvil) as one, open_proxy(anvil) as two, open_proxy(anvil) as three:
        for proxy, (blocks, logs, state, gas, body, batch) in zip(
            (one, two, three),
            ((300, 500, 16, 20_000_000, 600_000, 20), (77, 1000, 128, 50_000_000, 1_048_576, 33), (200, 1999, 300, 33_333_333, 99_999, 100)),
            strict=True,
        ):
            limits = [LogCap(blocks), LogCap(logs, "results"), Pruned(state), GasCap(gas), BodyCap(body), BatchCap(batch)]
            for fault in limits:
                proxy.add(fault)
        config = config_of(tmp_path, town, [one.http, two.http, three.http])
        code = await trio.to_thread.run_sync(main, ["doctor", "-c", config.path, "--json"])
    found = json.loads(capsys.readouterr().out)
    assert code == 1  # no database is there
    assert [each["about"] for each in found if not each["ok"]] == ["database"]
    by_name = {each["measured"]["endpoint"]: each["measured"] for each in found if each["measured"]}
    keys = ("log_blocks", "log_results", "state_blocks", "call_gas", "body_bytes", "batch_items")
    assert [[by_name[proxy.http][key]["limit"] for key in keys] for proxy in (one, two, three)] == [
        [300, 500, 16, 20_000_000, 600_000, 20],
        [77, 1000, 128, 50_000_000, 1_048_576, 33],
        [200, 1999, 300, 33_333_333, 99_999, 100],
    ]
    assert {each["calls"] > 50 for each in by_name.values()} == {True}
    assert "max_log_blocks = 77" in [each["fix"] for each in found]


@pytest.mark.parametrize("blocks", [3, 10, 40])
async def test_a_node_behind_is_told_by_how_many_blocks(tmp_path: Path, measured_town: Made, limited: Proxy, blocks: int) -> None:
    anvil, town = measured_town
    with limited.fault(Lag(blocks)):
        found = await look(config_of(tmp_path, town, [anvil.http, limited.http]), quick=True)
    assert measured(found, limited.http)["blocks_behind"] == blocks
    assert measured(found, anvil.http)["blocks_behind"] == 0
    assert any(each.text == f"{limited.http} is {blocks} blocks behind the others" for each in found)


BROKEN: dict[str, tuple[Fault, str]] = {
    "another chain": (OtherChain(chain_id=5), "is chain 5, not 31337"),
    "hung": (Hang(), "no answer within 3 s"),
    "hangs up": (HangUp(), "not reached: "),
    "a page for people": (HtmlPage(), "answered an HTML page"),
    "rate limited": (Throttle("1"), "status 429"),
    "out of requests": (Refuse(), "daily request count exceeded"),
}


@pytest.mark.parametrize("name", BROKEN)
async def test_a_broken_endpoint_is_said_and_stops_no_other(
    tmp_path: Path, measured_town: Made, limited: Proxy, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    anvil, town = measured_town
    fault, said = BROKEN[name]
    if name == "hung":  # elsewhere a node that is only busy would be found broken as well
        monkeypatch.setattr(http, "REQUEST_SECS", 3.0)
    with limited.fault(fault):
        found = await look(config_of(tmp_path, town, [limited.http, "http://127.0.0.1:1/SECRETKEY1234567", anvil.http]), quick=True)
    first, second = wrong(found)
    assert first.startswith(limited.http)
    assert said in first
    assert second == "http://127.0.0.1:1: not reached: ConnectError"
    assert measured(found, anvil.http)["rungs"] == ("packed", "multicall3", "deployless", "single")


async def test_what_an_endpoint_does_not_serve_is_measured(tmp_path: Path, measured_town: Made, limited: Proxy) -> None:
    _, town = measured_town
    nowhere = f'multicall3 = "0x{"12" * 20}"'
    with limited.fault(NoOverride()), limited.fault(IgnoresHash()):
        found = await look(config_of(tmp_path, town, [limited.http], nowhere), quick=True)
    numbers = measured(found, limited.http)
    assert (numbers["state_override"], numbers["hash_pins"], numbers["multicall3"], numbers["rungs"]) == (False, False, False, ("deployless",))
    assert numbers["attested_by"] == "number with parent hash, timestamp and PREVRANDAO inside the call"
    assert 'multicall3 = "0xca11bde05977b3631167028862be2a173976ca11"' in fixes(found)


async def test_a_rung_that_is_named_and_not_served_is_wrong(tmp_path: Path, measured_town: Made, limited: Proxy) -> None:
    _, town = measured_town
    with limited.fault(NoOverride()):
        found = await look(config_of(tmp_path, town, [limited.http], 'reads = "packed"'), quick=True)
    assert wrong(found) == [f"{limited.http} does not serve packed, which reads names"]


async def test_a_rate_limit_that_shows_itself_ends_the_searches_and_is_not_hammered(
    tmp_path: Path, measured_town: Made, limited: Proxy
) -> None:
    _, town = measured_town
    with limited.fault(RequestsUntil(30)) as fault:
        found = await look(config_of(tmp_path, town, [limited.http]))
    numbers = measured(found, limited.http)
    assert numbers["rate_limited"].startswith("rate limited after ")
    assert fault.struck <= 3
    assert any(fix.startswith("compute_units_per_sec = ") for fix in fixes(found))
    assert wrong(found) == []


@dataclass(eq=False)
class HangWithoutDelay(Hang):
    """Its last answer makes whoever asks impatient: what is answered may take its time, and what hangs need not be waited for."""

    make_impatient: Callable[[], object] = bool

    async def on_request(self, body: bytes, post: Post) -> Response:
        if self._seen == self.after - 1:
            self.make_impatient()
        return await super().on_request(body, post)


async def test_an_endpoint_that_hangs_in_the_middle_is_measured_as_far_as_it_went(
    tmp_path: Path, measured_town: Made, limited: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, town = measured_town
    with limited.fault(HangWithoutDelay(after=25, make_impatient=partial(monkeypatch.setattr, http, "REQUEST_SECS", 0.3))):
        found = await look(config_of(tmp_path, town, [limited.http]))
    numbers = measured(found, limited.http)
    assert numbers["rungs"]
    assert numbers["batch_items"]["limit"] is None
    assert "no answer within" in numbers["batch_items"]["stopped"]


async def test_it_changes_nothing(tmp_path: Path, measured_town: Made, limited: Proxy) -> None:
    _, town = measured_town
    await look(config_of(tmp_path, town, [limited.http], ws=[limited.ws]))
    assert not {"eth_sendRawTransaction", "eth_sendTransaction"} & set(limited.asked)
    assert all(method.startswith("eth_") or method == "web3_clientVersion" for method in limited.asked)


# --- WebSockets


@pytest.fixture
def ticking(anvil: Anvil) -> Town:
    """A chain with a block, and an event, now and then."""
    town = Town(anvil, wallets=20)
    anvil.rpc("evm_setIntervalMining", 1)
    return town


@pytest.fixture
async def proxy(anvil: Anvil) -> AsyncIterator[Proxy]:
    async with open_proxy(anvil) as proxy:
        yield proxy


async def pushed(folder: Path, town: Town, url: str, http_url: str) -> Finding:
    """What is said of the socket."""
    config = config_of(folder, town, [http_url], ws=[url])
    async with HttpClient() as client:
        look = nodes.Look(client, config)
        probe = probing.Probe("node", http_url, config.chains[0], config.prices["plain"], client)
        await measure.stands(probe)
        found: list[Any] = []
        await nodes._sockets(look, config.chains[0], [probe], config.assets, found)
    return nodes._socket(found[0], config.chains[0])


async def pushed_in_traffic(folder: Path, town: Town, url: str, http_url: str, ok: bool) -> Finding:
    """While the town's people send tokens around. A busy node's block may have none of that, or its logs come late: it is looked at again,
    so many times at most, and of a sound socket one look may be of late logs.
    """

    async def send() -> None:
        while True:
            await trio.to_thread.run_sync(town.traffic, 5)
            await trio.sleep(0.2)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        await eventually(lambda: bool(town.last_events(town.started_at)), "a block with logs")
        late = 0
        for _ in range(LOOKS):
            found = await pushed(folder, town, url, http_url)
            if found.measured["logs_due"] and (found.ok or not ok or late):
                break
            late += bool(found.measured["logs_due"])
        nursery.cancel_scope.cancel()
    return found


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """For whoever expects a head, which ends the wait."""
    monkeypatch.setattr(push, "WAIT_SECS", (60.0, 60.0))


async def test_a_socket_that_pushes_is_measured(tmp_path: Path, ticking: Town, proxy: Proxy, patient: None) -> None:
    found = await pushed(tmp_path, ticking, proxy.ws, proxy.http)
    assert found.ok
    assert "pushes heads, the first after " in found.text
    assert found.measured["first_head_secs"] >= 0


@pytest.mark.long
async def test_a_socket_that_pushes_nothing_while_blocks_come_is_wrong(
    tmp_path: Path, ticking: Town, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(push, "WAIT_SECS", (5.0, 5.0))
    with proxy.fault(Vanish()):
        found = await pushed(tmp_path, ticking, proxy.ws, proxy.http)
    assert not found.ok
    assert "pushed no head within 5" in found.text
    assert found.measured["http_blocks"] >= 1


async def test_logs_that_are_pushed_are_counted_against_those_of_their_block(
    tmp_path: Path, ticking: Town, proxy: Proxy, patient: None
) -> None:
    found = await pushed_in_traffic(tmp_path, ticking, proxy.ws, proxy.http, ok=True)
    assert found.ok
    assert found.measured["logs"] == found.measured["logs_due"] > 0


async def test_a_socket_that_pushes_heads_and_withholds_logs_is_wrong(tmp_path: Path, ticking: Town, proxy: Proxy, patient: None) -> None:
    with proxy.fault(NoLogPushes()):
        found = await pushed_in_traffic(tmp_path, ticking, proxy.ws, proxy.http, ok=False)
    assert not found.ok
    assert found.measured["logs"] == 0 < found.measured["logs_due"]


async def test_a_quiet_chain_is_not_held_against_its_socket(tmp_path: Path, measured_town: Made, limited: Proxy) -> None:
    _, town = measured_town
    found = await pushed(tmp_path, town, limited.ws, limited.http)
    assert found.ok
    assert "none came over HTTP either: it cannot be told" in found.text


async def test_a_dead_socket_and_one_of_another_chain_are_wrong(tmp_path: Path, measured_town: Made, limited: Proxy) -> None:
    _, town = measured_town
    with limited.fault(OtherChain(chain_id=5)):
        found = await look(config_of(tmp_path, town, [town._anvil.http], ws=["ws://127.0.0.1:1/SECRETKEY1234567", limited.ws]), quick=True)
    assert wrong(found) == ["ws://127.0.0.1:1: the socket is closed: HandshakeError", f"{limited.ws} is chain 5, not 31337"]


async def test_an_endpoint_that_takes_sockets_where_it_takes_http_is_told(tmp_path: Path, measured_town: Made) -> None:
    anvil, town = measured_town
    found = await look(config_of(tmp_path, town, [anvil.http]), quick=True)
    assert 'ws = ["wss://…"], the same URL as in http' in fixes(found)


# --- The terminal


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_what_is_measured_now_is_shown_on_a_terminal_alone() -> None:
    for stream, shown in ((Terminal(), True), (io.StringIO(), False)):
        with command.measuring(stream) as progress:
            progress("https://node", "log range", 12)
        assert ("https://node log range (12 calls)" in stream.getvalue()) == shown
        assert stream.getvalue().endswith("\r\x1b[K" if shown else "")
