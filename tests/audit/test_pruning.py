"""A node that does not have a block's state any more is told apart from a wrong row, however it says so."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import trio

from actors.audit.check import Checker
from actors.audit.panel import Panel
from actors.audit.verdict import Findings
from actors.evm.http import HttpClient
from actors.ports import ChainPorts
from actors.sandbox.town import Town
from actors.store import audit
from actors.system import System
from tests.audit.audit_faults import Empty, Latest, Liar, Pruned
from tests.audit.audit_world import evidence, on, spoil, text, wallets
from tests.proxy import Fault, Proxy
from tests.proxy_faults import Refuse
from tests.proxy_world import LOGS, Behind, busy, mine, still_true, tally
from tests.world import World, eventually, followed, running

GONE: dict[str, Callable[[], Fault]] = {
    "geth": Pruned,
    "geth by hash": lambda: Pruned(message="header not found"),
    "reth": lambda: Pruned(message="state at block #12 is pruned"),
    "besu": lambda: Pruned(message="World state unavailable"),
    "infura": lambda: Pruned(message="project ID does not have access to archive state"),
    "the latest state": Latest,
    "an empty state": Empty,
}


async def checked(world: World, prepare: Callable[[ChainPorts], object] = lambda ports: None) -> Findings:
    """All rows, once."""
    async with HttpClient() as client:
        system = System(world.config, client)
        ports, asset = system.chains["town"], world.config.assets[0]
        prepare(ports)
        selected = await ports.store.patiently(audit.page, asset, "", 1000)
        with trio.fail_after(60):
            found = await Checker(ports, asset, ports.store, Panel(ports, asset.name), 2).check(selected)
        for store in system.stores.values():
            await store.database.aclose()
        return found


async def rows_of_many_blocks(world: World) -> None:
    """Rows that the service read as traffic came."""
    async with running(world, sweep=False):
        await followed(world)
        for _ in range(4):
            busy(world.town)
            await still_true(world)


async def with_old_rows(world: World) -> tuple[int, int]:
    """Rows of many blocks; how many of them, and how many others, are of blocks among the newest three."""
    await rows_of_many_blocks(world)
    mine(world.town, 1)
    head, blocks = world.town.block(), [block for (block,) in world.query("SELECT read_block FROM eth_wallet_balances")]
    return sum(block > head - 3 for block in blocks), sum(block <= head - 3 for block in blocks)


@pytest.mark.parametrize("make", GONE.values(), ids=GONE)
async def test_rows_of_pruned_blocks_are_not_checked_and_the_others_are(
    behind: Behind, proxy: Proxy, make: Callable[[], Fault]
) -> None:
    world = behind(proxy, **LOGS)
    recent, old = await with_old_rows(world)
    assert old
    with proxy.fault(make()) as fault:
        findings = await checked(world)
    assert fault.struck
    assert findings.drifts == []
    assert (findings.checked, set(findings.uncheckable.values())) == (recent, {"pruned"})


async def test_a_pruned_block_says_so_of_all_older_ones(behind: Behind, proxy: Proxy) -> None:
    world = behind(proxy, **LOGS)
    await rows_of_many_blocks(world)
    mine(world.town, 20)
    with proxy.fault(Pruned()) as gone:
        findings = await checked(world)
    assert len(findings.uncheckable) == len(world.rows())
    assert len({block for (block,) in world.query("SELECT read_block FROM eth_wallet_balances")}) > 3
    assert len({block for block in gone.asked if block >= 0}) <= 2, "as many as are asked for at once"


async def test_wrong_rows_are_found_by_an_archive_that_the_service_never_asks(behind: Behind, first: Proxy, second: Proxy, town: Town) -> None:
    world = behind(first, **{**LOGS, "chain": LOGS["chain"] + f'\narchive = ["{second.http}"]'})
    _, old = await with_old_rows(world)
    assert not second.asked
    bad = sorted(wallet for (wallet,) in world.query("SELECT wallet FROM eth_wallet_balances ORDER BY read_block LIMIT 3"))
    spoil(world, bad)
    with first.fault(Pruned()):
        findings = await checked(world)
    assert sorted(drift.row.wallet for drift in findings.drifts) == bad
    assert findings.checked == len(world.rows())
    assert old


async def test_another_endpoint_than_the_preferred_one_is_asked(behind: Behind, first: Proxy, second: Proxy, town: Town) -> None:
    world = behind(first, second, **LOGS)
    await with_old_rows(world)
    by_first, by_second = tally(first, town), tally(second, town)
    findings = await checked(world)
    assert findings.checked == len(world.rows())
    assert by_second.struck
    assert not by_first.struck


@pytest.mark.parametrize("make", [Pruned, lambda: Refuse(-32000, "something nobody has seen yet", methods=("eth_call",))], ids=["pruned", "broken"])
async def test_the_preferred_one_answers_where_the_other_does_not(
    behind: Behind, first: Proxy, second: Proxy, make: Callable[[], Fault]
) -> None:
    world = behind(first, second, **LOGS)
    await with_old_rows(world)
    with second.fault(make()):
        findings = await checked(world)
    assert (findings.checked, findings.drifts) == (len(world.rows()), [])


async def test_a_node_that_fails_leaves_rows_unanswered_and_none_wrong(behind: Behind, proxy: Proxy) -> None:
    world = behind(proxy, **LOGS)
    await with_old_rows(world)
    spoil(world, wallets(3))
    with proxy.fault(Refuse(-32000, "something nobody has seen yet", methods=("eth_call",))):
        findings = await checked(world)
    assert (findings.checked, findings.drifts, set(findings.uncheckable.values())) == (0, [], {"unanswered"})


PACKED = {**LOGS, "chain": LOGS["chain"] + '\nreads = "packed"'}  # who lies about these has no other rung that does not


async def with_lies(world: World) -> list[str]:
    """Two of the rows hold what a liar says of them."""
    await with_old_rows(world)
    some = sorted(text(wallet) for wallet in list(world.rows())[:2])
    spoil(world, some)
    return some


async def test_a_lie_of_the_preferred_endpoint_is_found_by_two_others(behind: Behind, first: Proxy, second: Proxy, proxy: Proxy) -> None:
    world = behind(first, second, proxy, **PACKED)
    some = await with_lies(world)
    with first.fault(Liar()):
        findings = await checked(world)
    assert sorted(drift.row.wallet for drift in findings.drifts) == some
    for drift in findings.drifts:
        assert drift.chain_balance == int(drift.row.balance) - 1
        assert len(drift.endpoints) == 2
        assert "says what the row says" in drift.note


async def test_a_lie_of_the_preferred_endpoint_is_found_by_an_archive(behind: Behind, first: Proxy, second: Proxy) -> None:
    world = behind(first, **{**PACKED, "chain": PACKED["chain"] + f'\narchive = ["{second.http}"]'})
    some = await with_lies(world)
    with first.fault(Liar()):
        findings = await checked(world)
    assert sorted(drift.row.wallet for drift in findings.drifts) == some


async def test_a_lie_of_the_preferred_endpoint_is_a_dispute_with_one_other(behind: Behind, first: Proxy, second: Proxy) -> None:
    world = behind(first, second, **PACKED)
    some = await with_lies(world)
    with first.fault(Liar()):
        findings = await checked(world)
    assert (findings.drifts, sorted(findings.disputes), sorted(findings.uncheckable)) == ([], some, some)
    assert all(first.http in said and second.http in said for said in findings.disputes.values())


async def test_a_lie_of_another_endpoint_makes_no_row_wrong(behind: Behind, first: Proxy, second: Proxy) -> None:
    world = behind(first, second, **PACKED)
    await with_old_rows(world)
    with second.fault(Liar()) as lie:
        findings = await checked(world)
    assert lie.struck
    assert (findings.drifts, len(findings.disputes)) == ([], len(world.rows()))
    assert set(findings.uncheckable.values()) == {"disputed"}


async def test_a_dispute_is_shown_and_nothing_is_mended(behind: Behind, first: Proxy, second: Proxy) -> None:
    world = behind(first, second, **PACKED)
    await with_old_rows(world)
    # Not before: under traffic anvil may answer from the next block's state, which the audit would find.
    world.path.write_text(world.path.read_text() + on(3_000_000))
    world.reload()
    with second.fault(Liar()):
        async with running(world, sweep=False) as system:
            shown = system.view.assets["TOWN"].audit
            await eventually(lambda: "contradict each other" in ((shown() or {})["blocked"] or ""), "that it is disputed")
            assert system.metrics.registry.get_sample_value("trueup_audit_disputed_total", {"asset": "TOWN"})
            assert first.http in (shown() or {})["blocked"]
            assert second.http in (shown() or {})["blocked"]
            assert ((shown() or {})["wrong"], evidence(world)) == (0, [])


async def test_balances_of_a_native_asset_are_no_zeros_where_the_state_is_gone(behind: Behind, proxy: Proxy, town: Town) -> None:
    """Nothing in the answer tells such a 0 from a true one: the code of a contract does, which is there or is not."""
    world = behind(proxy, **LOGS)
    text = world.path.read_text()
    before, after = text.index("sources = ["), text.index("triggers = [")
    world.path.write_text(text[:before] + "sources = [{ native = true }]\n")
    assert after
    world.reload()
    mine(town, 5)
    world.query("INSERT INTO eth_wallet_balances (wallet, balance, read_block) SELECT unnest(%s::text[]), 5, %s", wallets(3), town.block() - 4)
    with proxy.fault(Empty(native=True)) as fault:
        findings = await checked(world)
    assert fault.struck
    assert (findings.drifts, set(findings.uncheckable.values())) == ([], {"pruned"})
    findings = await checked(world)
    assert [drift.chain_balance for drift in findings.drifts] == [0, 0, 0]


async def test_a_row_that_is_wrong_still_after_it_was_read_again_is_blocked_and_not_mended_for_ever(
    behind: Behind, first: Proxy, second: Proxy, proxy: Proxy
) -> None:
    """What the preferred endpoint lies about is written again as it lies."""
    world = behind(first, second, proxy, ws=False, chain="poll_interval_secs = 0.1", extra=on(3_000_000))
    wallet = world.town.wallets[0]
    world.query("INSERT INTO eth_wallet_balances (wallet, balance, read_block) VALUES (%s, 1, %s)", text(wallet), world.town.block())
    with first.fault(Liar()) as lie:
        async with running(world, sweep=False) as system:
            shown = system.view.assets["TOWN"].audit
            await eventually(lambda: "is wrong still" in ((shown() or {})["blocked"] or ""), "that it is blocked")
            kept, checked = len(evidence(world)), (shown() or {})["checked"]
            await eventually(lambda: (shown() or {})["checked"] > checked + 1, "the next looks")
            assert lie.struck
            assert len(evidence(world)) == kept
            assert f"0x{wallet.hex()}: the row says {world.town.truth(wallet) + 1}" in (shown() or {})["blocked"]
            assert "blocked" in [outcome for *_, outcome in evidence(world)]
