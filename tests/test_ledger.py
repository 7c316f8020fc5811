"""The ledger worker on real chains and a real Postgres: what the rows say, who holds them, and what becomes of chains and bad rows."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import trio

from actors.health import readiness
from actors.sandbox.anvil import Anvil
from actors.sandbox.town import Town
from actors.system import System
from tests.ledger_scene import LOOKUP, UPSTREAM, a_wallet
from tests.ledger_world import LedgerWorld, syncing
from tests.proxy import open_proxy
from tests.proxy_faults import Hold, Tally
from tests.world import eventually


def token_balances(town: Town, rows: dict[str, bytes]) -> dict[str, str]:
    """What the chain says of the rows, by plain calls."""
    calls = [("eth_call", [{"to": town.token, "data": "0x70a08231" + wallet.hex().rjust(64, "0")}, "latest"]) for wallet in rows.values()]
    return {row: str(int(answer, 16)) for row, answer in zip(rows, town._anvil.batch(calls), strict=True)}


def native_balances(town: Town, rows: dict[str, bytes]) -> dict[str, str]:
    return {row: str(int(town._anvil.rpc("eth_getBalance", "0x" + wallet.hex(), "latest"), 16)) for row, wallet in rows.items()}


def configured(town: Town) -> str:
    return f'[[chain]]\nname = "town"\nchain_id = 31337\nhttp = ["{town._anvil.http}"]\n'


def synced(world: LedgerWorld, rows: dict[str, bytes], times: int = 1) -> bool:
    done = world.books.query("SELECT count(*) FROM wallet_balances WHERE sync_count >= %s AND id = ANY(%s::uuid[])", times, list(rows))
    return bool(done[0][0] == len(rows))


async def test_native_balances_and_tokens_are_synced_in_one_call(tmp_path: Path, database_url: str, town: Town, anvil: Anvil) -> None:
    async with open_proxy(anvil) as proxy:
        world = LedgerWorld(tmp_path, database_url)
        chain = world.books.chain("somewhere", proxy.http)
        tokens = world.fill(town, chain, world.books.asset(chain, town.token, 6))
        native = world.fill(town, chain, world.books.asset(chain, None, 18))
        for at, wallet in enumerate(town.wallets):
            anvil.rpc("anvil_setBalance", "0x" + wallet.hex(), hex(10**20 + at))
        world.settle(town)
        proxy.add(calls := Tally(lambda call: call.method == "eth_call" and town.token[2:].lower() in str(call.params)))
        async with syncing(world):
            await eventually(lambda: synced(world, {**tokens, **native}), "synced rows")
        assert world.raw() == {**token_balances(town, tokens), **native_balances(town, native)}
        assert calls.struck >= 1
        ((_, raw, human),) = world.books.query(
            "SELECT id::text, on_chain_balance_raw, on_chain_balance_human::text FROM wallet_balances WHERE id = %s", next(iter(tokens))
        )
        assert human == f"{raw[:-6]}.{raw[-6:]}"
        assert world.books.held() == 0


async def test_a_chain_of_the_config_is_read_by_its_endpoints(tmp_path: Path, database_url: str, town: Town) -> None:
    world = LedgerWorld(tmp_path, database_url, configured(town))
    chain = world.books.chain("Town", "http://127.0.0.1:1")
    rows = world.fill(town, chain, world.books.asset(chain, town.token))
    async with syncing(world) as system:
        await eventually(lambda: synced(world, rows), "synced rows")
        assert [name for name in system.supervisor.children if name.startswith("batcher")] == ["batcher:town"]
    assert world.raw() == token_balances(town, rows)


async def test_two_rows_of_one_wallet_and_asset_are_both_written(tmp_path: Path, database_url: str, town: Town) -> None:
    world = LedgerWorld(tmp_path, database_url, configured(town))
    chain = world.books.chain("town")
    asset = world.books.asset(chain, town.token)
    rows = world.fill(town, chain, asset, 3) | world.fill(town, chain, asset, 3)
    async with syncing(world):
        await eventually(lambda: synced(world, rows), "synced rows")
    assert world.raw() == token_balances(town, rows)


@pytest.mark.parametrize(
    ("lookups", "more"),
    [
        (("user_wallet_addresses", "operation_wallet_addresses"), UPSTREAM),
        (("wallets",), LOOKUP.format("wallets")),
        (("my_wallets",), LOOKUP.format("my_wallets")),
        (("wallet_balances",), "ALTER TABLE wallet_balances ADD COLUMN address TEXT"),
    ],
    ids=["the authors' own two", "a wallets table", "a table of that shape", "the rows' own column"],
)
async def test_addresses_are_found_by_each_option(
    tmp_path: Path, database_url: str, town: Town, lookups: tuple[str, ...], more: str
) -> None:
    world = LedgerWorld(tmp_path, database_url, configured(town), lookups=lookups, more=more)
    books = world.books
    chain = books.chain("town")
    asset, rows = books.asset(chain, town.token), dict[str, bytes]()
    world.settle(town)
    for wallet in town.wallets:
        text = "0x" + wallet.hex().upper()
        if lookups == ("wallet_balances",):
            rows[books.row("33333333-3333-3333-3333-333333333333", asset, address=text)] = wallet
        else:
            rows[books.row(books.address(text, chain, table=lookups[-1]), asset)] = wallet
    async with syncing(world):
        await eventually(lambda: synced(world, rows), "synced rows")
    assert world.raw() == token_balances(town, rows)


async def test_what_is_wrong_with_a_row_is_in_the_row_and_the_others_are_synced(
    tmp_path: Path, database_url: str, town: Town
) -> None:
    world = LedgerWorld(tmp_path, database_url, configured(town))
    books = world.books
    chain, other = books.chain("town"), books.chain("other", "http://127.0.0.1:1", active=False)
    asset = books.asset(chain, town.token)
    rows = world.fill(town, chain, asset)
    books.query("ALTER TABLE wallet_balances ADD CHECK (on_chain_balance_raw <> '77')")
    odd = town.wallets[0]
    wrong = {
        books.row("11111111-1111-1111-1111-111111111111", asset): "no address",
        books.row(books.address(a_wallet(1), other), asset): "on another chain",
        books.row(books.address(a_wallet(1), chain, False), asset): "is inactive",
        books.row(books.address("0x12", chain), asset): "is malformed",
        books.row(books.address("0x" + odd.hex(), chain), books.asset(chain, a_wallet(0xDEAD))): "answered 0 bytes",
        books.row(books.address("0x" + odd.hex(), chain), books.asset(chain, town.token, None)): "no decimals",
    }
    town._anvil.rpc("anvil_setBalance", a_wallet(77), hex(77))
    world.settle(town)
    unwritable = books.row(books.address(a_wallet(77), chain), books.asset(chain))
    wrong[unwritable] = "cannot be written"
    async with syncing(world):
        await eventually(lambda: synced(world, rows) and set(books.aside()) >= set(wrong), "synced rows, and the others set aside")
    assert {row: raw for row, raw in world.raw().items() if row in rows} == token_balances(town, rows)
    for row, error in wrong.items():
        said, count, raw = books.of(row, "last_error", "error_count", "on_chain_balance_raw")
        assert error in said
        assert error in books.aside()[row][0]
        assert count >= 1
        assert raw is None
    assert books.held() == 0


async def test_rows_are_held_while_they_are_read_renewed_and_free_after_a_clean_stop(
    tmp_path: Path, database_url: str, town: Town, anvil: Anvil
) -> None:
    async with open_proxy(anvil) as proxy:
        world = LedgerWorld(tmp_path, database_url, lease=6)
        chain = world.books.chain("somewhere", proxy.http)
        rows = world.fill(town, chain, world.books.asset(chain, town.token))
        held = "SELECT DISTINCT locked_by, locked_until, locked_until > now() FROM wallet_balances"
        with proxy.fault(Hold(lambda call: town.token[2:].lower() in str(call.params))) as hold:
            async with syncing(world):
                await eventually(lambda: len(hold.held) > 0, "a read")
                ((first, until, _),) = world.books.query(held)
                await eventually(lambda: world.books.query(held)[0][1] > until, "a renewal")
                assert [(by, live) for by, _, live in world.books.query(held)] == [(first, True)]
        assert world.books.held() == 0
        assert set(world.raw().values()) == {None}
        assert len(rows) == 20


async def test_whoever_is_killed_rows_are_synced_and_none_is_left_behind(tmp_path: Path, database_url: str, town: Town) -> None:
    world = LedgerWorld(tmp_path, database_url, configured(town), interval=0.02, batch=5, lease=5)
    own = world.books.chain("own", town._anvil.http)
    both = world.books.chain("town")
    rows = world.fill(town, own, world.books.asset(own, town.token)) | world.fill(town, both, world.books.asset(both, town.token))
    async with syncing(world) as system:

        async def kill() -> None:
            names = ["ledger", "batcher:town", "writer", "batcher:own"]
            for at in range(200):
                system.kill(names[at % 4])
                await trio.sleep(0.01 * (1 + at % 5))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(kill)
            await eventually(lambda: synced(world, rows, 3), "rows that are synced three times")
            nursery.cancel_scope.cancel()
        await eventually(lambda: synced(world, rows, 5), "rows that are synced ever on")
    assert world.raw() == token_balances(town, rows)
    assert world.books.held() == 0


def batchers(system: System) -> set[str]:
    return {name for name in system.supervisor.children if name.startswith("batcher")}


async def test_chains_come_and_go_while_the_service_runs(tmp_path: Path, database_url: str, town: Town) -> None:
    world = LedgerWorld(tmp_path, database_url)
    books, url = world.books, town._anvil.http
    async with syncing(world) as system:
        first = books.chain("first", url)
        rows = world.fill(town, first, books.asset(first, town.token), 3)
        await eventually(lambda: synced(world, rows), "rows of the first chain")
        second = books.chain("second", url)
        more = world.fill(town, second, books.asset(second, town.token), 3)
        await eventually(lambda: synced(world, more), "rows of a chain that came later")
        assert batchers(system) == {"batcher:first", "batcher:second"}
        books.query("UPDATE chains SET is_active = false WHERE id = %s", first)
        await eventually(lambda: batchers(system) == {"batcher:second"}, "one batcher less")
        ((count,),) = books.query("SELECT sum(sync_count) FROM wallet_balances WHERE id = ANY(%s::uuid[])", list(rows))
        await eventually(lambda: synced(world, more, 5), "the other chain goes on")
        assert books.query("SELECT sum(sync_count) FROM wallet_balances WHERE id = ANY(%s::uuid[])", list(rows)) == [(count,)]
        books.query("UPDATE chains SET is_active = true WHERE id = %s", first)
        await eventually(lambda: synced(world, rows, 8), "the first chain is back")
    assert books.held() == 0


async def test_rows_that_are_held_on_a_chain_that_turns_inactive_are_freed(
    tmp_path: Path, database_url: str, town: Town, anvil: Anvil
) -> None:
    async with open_proxy(anvil) as proxy:
        world = LedgerWorld(tmp_path, database_url)
        books = world.books
        chain = books.chain("somewhere", proxy.http)
        world.fill(town, chain, books.asset(chain, town.token))
        with proxy.fault(Hold(lambda call: town.token[2:].lower() in str(call.params))) as hold:
            async with syncing(world):
                await eventually(lambda: len(hold.held) > 0, "a read")
                assert books.held() == 20
                books.query("UPDATE chains SET is_active = false")
                await eventually(lambda: books.held() == 0, "free rows")


async def test_a_dead_chain_holds_no_row_and_stops_no_other(tmp_path: Path, database_url: str, town: Town) -> None:
    world = LedgerWorld(tmp_path, database_url)
    books = world.books
    dead, none, fine = books.chain("dead", "http://127.0.0.1:1"), books.chain("none"), books.chain("fine", town._anvil.http)
    for chain in (dead, none):
        world.fill(town, chain, books.asset(chain, town.token), 3)
    rows = world.fill(town, fine, books.asset(fine, town.token), 3)
    async with syncing(world) as system:
        await eventually(lambda: synced(world, rows, 2), "rows of the chain that is there")
        await eventually(lambda: books.held() == 0 or synced(world, rows, 9), "nothing held for long")
        errors = {shown.name: shown.error for shown in system.view.ledger.values()}
        assert errors["fine"] is None
        assert "127.0.0.1" in (errors["dead"] or "")
        assert "rpc_url" in (errors["none"] or "")


async def test_a_chain_whose_node_is_another_chain_now_is_not_read(tmp_path: Path, database_url: str, town: Town) -> None:
    world = LedgerWorld(tmp_path, database_url)
    books = world.books
    chain = books.chain("somewhere", town._anvil.http)
    rows = world.fill(town, chain, books.asset(chain, town.token), 3)
    books.query("INSERT INTO trueup_ledger_chains VALUES (%s, 1)", chain)
    async with syncing(world) as system:
        await eventually(lambda: any(shown.error for shown in system.view.ledger.values()), "an error that is shown")
    assert books.query("SELECT chain_id FROM trueup_ledger_chains") == [(1,)]
    assert not synced(world, rows)
    assert books.held() == 0


async def test_two_chains_of_one_name_are_both_read(tmp_path: Path, database_url: str, town: Town) -> None:
    world = LedgerWorld(tmp_path, database_url)
    chains = [world.books.chain("twin", town._anvil.http) for _ in range(3)]
    rows = dict[str, bytes]()
    for chain in chains:
        rows |= world.fill(town, chain, world.books.asset(chain, town.token), 2)
    async with syncing(world) as system:
        await eventually(lambda: synced(world, rows, 2), "rows of all of them")
        assert batchers(system) == {"batcher:twin", "batcher:twin-2", "batcher:twin-3"}
    assert world.books.held() == 0


async def test_what_is_odd_about_one_chain_stops_no_other(tmp_path: Path, database_url: str, town: Town) -> None:
    world = LedgerWorld(tmp_path, database_url)
    books = world.books
    books.query("ALTER TABLE asset_on_chain ALTER COLUMN decimals TYPE NUMERIC")
    fine = books.chain("fine", town._anvil.http)
    odd = [books.chain("dots", "http://a..b/"), books.chain("no url", "ftp://x"), books.chain("long", "http://" + "a" * 70 + ".x/")]
    for chain in odd:
        world.fill(town, chain, books.asset(chain, town.token), 2)
    rows = world.fill(town, fine, books.asset(fine, town.token), 3)
    wrong = world.fill(town, fine, books.asset(fine, town.token, "NaN"), 2)  # type: ignore[arg-type]  # as numeric allows
    async with syncing(world) as system:
        await eventually(lambda: synced(world, rows, 3) and set(books.aside()) == set(wrong), "rows of the chain that is fine")
        assert all(shown.error for shown in system.view.ledger.values() if shown.name != "fine")
        assert [name for name, child in system.supervisor.children.items() if child.restarts] == []
    assert books.held() == 0


async def test_a_chain_that_only_ledger_rows_are_on_does_not_wait_for_a_follower(tmp_path: Path, database_url: str, town: Town) -> None:
    world = LedgerWorld(tmp_path, database_url)
    world.books.chain("idle", town._anvil.http)
    async with syncing(world) as system:
        await eventually(lambda: batchers(system) == {"batcher:idle"}, "its batcher")
        await eventually(lambda: trio.from_thread.run_sync(lambda: readiness(system.view, trio.current_time())) == (True, []), "readiness")


async def test_rows_are_given_back_when_nothing_answers_for_a_whole_lease(
    tmp_path: Path, database_url: str, town: Town, anvil: Anvil
) -> None:
    async with open_proxy(anvil) as proxy:
        world = LedgerWorld(tmp_path, database_url, lease=0.6)
        chain = world.books.chain("somewhere", proxy.http)
        world.books.query("INSERT INTO trueup_ledger_chains VALUES (%s, 31337)", chain)
        rows = world.fill(town, chain, world.books.asset(chain, town.token))
        proxy.add(hold := Hold(lambda call: town.token[2:].lower() in str(call.params)))
        async with syncing(world) as system:
            await eventually(lambda: len(hold.held) > 0, "a read")
            system.chains["somewhere"].pool.endpoints[0].down_until = math.inf
            await eventually(lambda: world.books.held() == 0, "rows that are free")
            await eventually(lambda: "is down" in (next(iter(system.view.ledger.values())).error or ""), "why, where it is shown")
            hold.let_go()
            proxy.remove(hold)
            system.chains["somewhere"].pool.endpoints[0].down_until = -math.inf
            await eventually(lambda: synced(world, rows), "synced rows")


async def test_a_chain_gets_another_node_whoever_is_killed_meanwhile(tmp_path: Path, database_url: str, town: Town, anvil: Anvil) -> None:
    async with open_proxy(anvil) as proxy:
        world = LedgerWorld(tmp_path, database_url)
        books = world.books
        chain = books.chain("somewhere", proxy.http)
        rows = world.fill(town, chain, books.asset(chain, town.token))
        with proxy.fault(Hold(lambda call: town.token[2:].lower() in str(call.params))) as hold:
            async with syncing(world) as system:
                await eventually(lambda: len(hold.held) > 0, "a read that does not come back")
                books.query("UPDATE chains SET rpc_url = %s", anvil.http)
                for _ in range(20):
                    system.kill("ledger")
                    await trio.sleep(0.02)
                await eventually(lambda: synced(world, rows, 2), "rows that the other node answers for")
        assert books.held() == 0


async def test_what_doctor_says_mends_a_moved_chain_of_a_running_service(tmp_path: Path, database_url: str, town: Town) -> None:
    world = LedgerWorld(tmp_path, database_url)
    books = world.books
    chain = books.chain("somewhere", town._anvil.http)
    rows = world.fill(town, chain, books.asset(chain, town.token), 3)
    books.query("INSERT INTO trueup_ledger_chains VALUES (%s, 1)", chain)
    async with syncing(world) as system:
        await eventually(lambda: any(shown.error for shown in system.view.ledger.values()), "an error that is shown")
        books.query("DELETE FROM trueup_ledger_chains")
        await eventually(lambda: synced(world, rows), "synced rows")


async def test_a_row_that_takes_no_update_any_more_is_left_to_its_lease(
    tmp_path: Path, database_url: str, town: Town, anvil: Anvil, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_proxy(anvil) as proxy:
        world = LedgerWorld(tmp_path, database_url, lease=0.6)
        books = world.books
        chain = books.chain("somewhere", proxy.http)
        rows = world.fill(town, chain, books.asset(chain, town.token))
        odd = next(iter(rows))
        hold = Hold(lambda call: town.token[2:].lower() in str(call.params))
        proxy.add(hold)
        async with syncing(world) as system:
            await eventually(lambda: len(hold.held) > 0, "a read")
            books.query(f"""CREATE FUNCTION no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not this one'; END $$;
                CREATE TRIGGER no BEFORE UPDATE ON wallet_balances FOR EACH ROW WHEN (OLD.id = '{odd}') EXECUTE FUNCTION no()""")
            await eventually(lambda: "leases are not renewed" in caplog.text, "a renewal that fails")
            hold.let_go()
            proxy.remove(hold)
            await eventually(lambda: synced(world, {row: w for row, w in rows.items() if row != odd}, 2), "the other rows")
            assert odd in books.aside()
            assert [name for name, child in system.supervisor.children.items() if child.restarts] == []
        books.query("DROP TRIGGER no ON wallet_balances")
        assert books.held() <= 1
