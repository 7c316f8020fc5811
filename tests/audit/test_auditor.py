"""The audit actor and `trueup verify`, on a real chain and a real Postgres."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from actors import role
from actors.audit import draw
from actors.cli import main
from actors.config import AssetConfig
from actors.sandbox.anvil import Anvil
from actors.sandbox.postgres import PrivatePostgres
from actors.sandbox.town import Town
from actors.store import audit
from actors.store.postgres import Conn
from tests.audit.audit_world import evidence, mended, on, spoil, verified, wallets, with_rows
from tests.postgres_world import restarts, says, start_again
from tests.proxy_world import all_true, place
from tests.role import as_service
from tests.world import World, eventually, running

MANY, SPOILED = 50_000, 50


@pytest.fixture
def many(tmp_path: Path, database_url: str, anvil: Anvil) -> World:
    """Rows of 50,000 wallets, all of them true."""
    world = World(tmp_path, database_url, Town(anvil, wallets=2000), ws=False, extra=on())
    with_rows(world, MANY)
    return world


@pytest.fixture
def bad(many: World) -> list[str]:
    """Fifty wallets whose rows were spoiled, all over the table."""
    some = sorted(wallets(MANY)[7 :: MANY // SPOILED])
    spoil(many, some)
    return some


@pytest.mark.long
def test_all_of_fifty_spoiled_rows_among_fifty_thousand_are_found(many: World, bad: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    code, said = verified(many, capsys, "--all")
    assert code == 1
    assert (said["rows"], said["checked"], said["wrong"], said["checkable_share"]) == (MANY, MANY, SPOILED, 1.0)
    assert sorted(drift["wallet"] for drift in said["drift"]) == bad
    assert said["wrong_per_million_low"] < 1000 == said["wrong_per_million"] < said["wrong_per_million_high"]
    assert all(int(drift["balance"]) == int(drift["chain_balance"]) + 1 for drift in said["drift"])


@pytest.mark.long
async def test_all_of_fifty_spoiled_rows_among_fifty_thousand_are_mended(many: World, bad: list[str]) -> None:
    async with running(many, sweep=False) as system:
        tally = system.view.assets["TOWN"].audit
        await eventually(lambda: mended(many) == SPOILED, "all rows mended")
        await eventually(lambda: (tally() or {})["mended"] == SPOILED, "that it says so")
        shown = tally()
    assert shown is not None
    assert (shown["wrong"], shown["mended"], shown["blocked"], shown["checkable_share"]) == (SPOILED, SPOILED, None, 1.0)
    assert [(wallet, int(row - chain)) for wallet, row, chain, _ in evidence(many)] == [(wallet, 1) for wallet in bad]


def test_nothing_is_wrong_in_a_true_table(tmp_path: Path, database_url: str, town: Town, capsys: pytest.CaptureFixture[str]) -> None:
    world = World(tmp_path, database_url, town, ws=False)
    with_rows(world, 30)
    code, said = verified(world, capsys, "--all")
    assert (code, said["checked"], said["wrong"], said["uncheckable"]["never_read"]) == (0, 30, 0, 0)
    assert said["wrong_per_million_low"] == 0 < said["wrong_per_million_high"]


def test_a_sample_is_of_so_many_different_rows(tmp_path: Path, database_url: str, town: Town, capsys: pytest.CaptureFixture[str]) -> None:
    world = World(tmp_path, database_url, town, ws=False)
    with_rows(world, 200)
    assert verified(world, capsys, "--sample", "50")[1]["checked"] == 50
    spoil(world, wallets(200), "7")
    code, said = verified(world, capsys, "--sample", "50")
    assert (code, said["rows"], said["wrong"], len({drift["wallet"] for drift in said["drift"]})) == (1, 50, 50, 50)


def test_rows_that_were_never_read_are_counted_and_no_drift(
    tmp_path: Path, database_url: str, town: Town, capsys: pytest.CaptureFixture[str]
) -> None:
    world = World(tmp_path, database_url, town, ws=False)
    with_rows(world, 10)
    world.query("UPDATE eth_wallet_balances SET read_block = NULL, balance = 5 WHERE wallet = ANY(%s)", wallets(4))
    code, said = verified(world, capsys, "--all")
    assert (code, said["checked"], said["uncheckable"]["never_read"], said["checkable_share"]) == (0, 6, 4, 0.6)


def test_what_verify_says_names_no_key(tmp_path: Path, database_url: str, town: Town, capsys: pytest.CaptureFixture[str]) -> None:
    world = World(tmp_path, database_url, town, ws=False)
    with_rows(world, 3)
    spoil(world, wallets(1))
    capsys.readouterr()
    before = world.query("SELECT * FROM eth_wallet_balances ORDER BY wallet")
    assert main(["verify", "-c", str(world.path), "--all"]) == 1
    said = capsys.readouterr()
    assert "TOWN: checked 3 of 3 rows (100.0%), 1 wrong: 333,333 in a million" in said.out
    assert f"wrong: {wallets(1)[0]}: the row says 1000000000000000001, the chain says 1000000000000000000 at block" in said.out
    assert "verify TOWN [" in said.err
    assert as_service(database_url) not in said.out + said.err
    assert world.query("SELECT * FROM eth_wallet_balances ORDER BY wallet") == before, "it changes nothing"


def test_an_asset_that_is_not_there_is_exit_2(tmp_path: Path, database_url: str, town: Town, capsys: pytest.CaptureFixture[str]) -> None:
    world = World(tmp_path, database_url, town, ws=False)
    assert main(["verify", "-c", str(world.path), "--asset", "NONE"]) == 2
    assert "--asset: expected one of TOWN, got NONE" in capsys.readouterr().err


@pytest.fixture
def few(tmp_path: Path, database_url: str, town: Town) -> World:
    """Twenty true rows, and an audit that never rests."""
    world = World(tmp_path, database_url, town, ws=False, chain="poll_interval_secs = 0.1", extra=on())
    with_rows(world, 20)
    return world


def one(world: World) -> str:
    found: str = world.query("SELECT wallet FROM eth_wallet_balances ORDER BY wallet LIMIT 1")[0][0]
    return found


async def test_a_row_that_names_a_block_that_never_was_is_mended(few: World) -> None:
    """No reading could replace it: each would be of an older block."""
    wallet = one(few)
    few.query("UPDATE eth_wallet_balances SET read_block = 2000000000 WHERE wallet = %s", wallet)
    async with running(few, sweep=False):
        await eventually(lambda: mended(few) == 1, "the row mended")
    assert [(found, chain) for found, _, chain, _ in evidence(few)] == [(wallet, None)]
    assert few.query("SELECT max(read_block) FROM eth_wallet_balances")[0][0] <= few.town.block()
    assert all_true(few)


async def test_a_row_that_is_mended_already_holds_its_block_still(few: World) -> None:
    """The touch that mends it is covered by the row's `read_block`, and read all the same."""
    wallet, block = one(few), few.query("SELECT max(read_block) FROM eth_wallet_balances")[0][0]
    spoil(few, [wallet])
    async with running(few, sweep=False):
        await eventually(lambda: mended(few) == 1, "the row mended")
    assert few.query("SELECT read_block >= %s FROM eth_wallet_balances WHERE wallet = %s", block, wallet) == [(True,)]
    assert all_true(few)


async def test_a_wallet_that_is_set_aside_is_said_to_be(few: World) -> None:
    wallet = one(few)
    few.query(
        "INSERT INTO trueup_set_aside (table_name, row_key, error, attempts, next_attempt) "
        "VALUES ('eth_wallet_balances', %s, 'reverts', 9, now() + interval '1 hour')",
        wallet,
    )
    spoil(few, [wallet])
    async with running(few, sweep=False) as system:
        await eventually(lambda: [outcome for *_, outcome in evidence(few)] == ["set aside"], "the evidence concluded")
        assert (system.view.assets["TOWN"].audit() or {})["blocked"] is None
    assert few.query("SELECT note FROM trueup_audit") == [("set aside",)]


async def test_a_table_that_takes_too_long_to_draw_from_is_said_to_be_and_rests(few: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one that is distributed: it has no pages here, and is read whole for each draw."""
    drawn: list[int] = []

    def slow(conn: Conn, asset: AssetConfig, rows: int) -> None:
        drawn.append(rows)
        conn.execute("select pg_sleep(10)")

    monkeypatch.setattr(audit, "extent", lambda conn, asset: (0, 8192))
    monkeypatch.setattr(audit, "bernoulli", slow)
    monkeypatch.setattr(draw, "STATEMENT_MS", 100)
    async with running(few, sweep=False) as system:
        shown = system.view.assets["TOWN"].audit
        await eventually(lambda: "no row can be drawn" in ((shown() or {})["blocked"] or ""), "that it takes too long")
        assert (len(drawn), restarts(system)) == (1, {})


async def test_postgres_away_is_waited_for(tmp_path: Path, town: Town) -> None:
    with PrivatePostgres() as server:
        world = World(tmp_path, server.fresh("audited"), town, ws=False, extra=on())
        await trio.to_thread.run_sync(place, world, town.wallets)
        async with running(world) as system:
            tally = system.view.assets["TOWN"].audit
            await eventually(lambda: (tally() or {})["checked"] > 20, "rows checked")
            server.stop()
            await says(system, "Postgres is unreachable")
            start_again(server)
            checked = (tally() or {})["checked"]
            await eventually(lambda: (tally() or {})["checked"] > checked + 40, "rows checked again")
            assert restarts(system) == {}


async def test_one_copy_audits_and_its_cost_is_the_audits(few: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(role, "LEASE_SECS", 600)  # a busy machine may renew late, and the other copy has the role then
    async with running(few, sweep=False) as one_copy, running(few, sweep=False) as other:
        views = [copy.view.assets["TOWN"] for copy in (one_copy, other)]
        await eventually(lambda: any((view.audit() or {})["checked"] > 20 for view in views), "rows checked")
        assert sorted((view.audit() or {})["checked"] > 0 for view in views) == [False, True]
        assert few.query("SELECT count(*) FROM trueup_leases WHERE role = 'audit:eth_wallet_balances'") == [(1,)]
        busy_one = one_copy if (views[0].audit() or {})["checked"] else other
        text = busy_one.metrics.render().decode()
    assert 'trueup_rpc_calls_total{actor="audit",chain="town",method="eth_call"}' in text


def test_it_is_off_unless_it_is_asked_for(tmp_path: Path, database_url: str, town: Town) -> None:
    world = World(tmp_path, database_url, town)
    assert world.config.audit.rows_a_minute == 0
    assert world.query("SELECT to_regclass('trueup_audit')") == [(None,)]
