"""The program as its operator meets it: signals, exit codes, one clear line for bad input."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path

import psycopg
import pytest

from actors.sandbox.anvil import Anvil
from actors.sandbox.postgres import PrivatePostgres
from actors.sandbox.town import Town
from tests.postgres_world import start_again
from tests.process import start, trueup, wait_until
from tests.role import ROLE, as_service
from tests.world import World


def refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """Exit 2, and one line that names the trouble."""
    assert done.returncode == 2, done
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    for word in words:
        assert word in done.stderr


@pytest.fixture
def world(tmp_path: Path, database_url: str, town: Town) -> World:
    return World(tmp_path, database_url, town, chain="confirm_secs = 0.3")


def test_sigterm_in_the_middle_of_traffic_is_a_clean_stop_and_loses_nothing(world: World) -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGKILL):
        process = start(world)
        world.town.mine()
        wait_until(lambda: (world.marks() or (0,))[0] >= world.town.block(), process)
        world.town.traffic(40)
        process.send_signal(number)
        said, _ = process.communicate(timeout=60)
        assert process.returncode == (0 if number != signal.SIGKILL else -signal.SIGKILL), said
        assert "Traceback" not in said
    process = start(world)
    wait_until(world.is_true, process)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)


def _closed(world: World, block: int) -> bool:
    return (world.marks() or (0,))[0] >= min(block, world.town.block())


@pytest.mark.long
@pytest.mark.timeout(600)
def test_sigkill_at_twenty_moments_under_traffic_loses_no_touched_wallet(world: World) -> None:
    moments = random.Random(20)
    process = start(world)
    wait_until(lambda: world.marks() is not None, process)
    for _ in range(20):
        for _ in range(moments.randrange(4)):
            world.town.traffic(moments.randrange(1, 20))
        reached = (world.marks() or (0,))[0] + moments.randrange(4)
        wait_until(partial(_closed, world, reached), process)
        world.town.traffic(10)
        process.kill()
        process.communicate(timeout=60)
        process = start(world)
    world.town.mine()
    wait_until(world.is_true, process)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)


def test_sigterm_while_postgres_is_down_is_exit_0_within_the_grace(tmp_path: Path, town: Town) -> None:
    with PrivatePostgres() as postgres:
        world = World(tmp_path, postgres.fresh("down"), town, ws=False, chain="poll_interval_secs = 0.1")
        process = start(world)
        wait_until(lambda: world.marks() is not None, process)
        postgres.stop()
        town.traffic(40)
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=60)
        assert process.returncode == 0, said
        start_again(postgres)
        process = start(world)
        wait_until(world.is_true, process)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


def test_every_endpoint_on_another_chain_is_refused_and_nothing_is_written(world: World) -> None:
    world.path.write_text(world.path.read_text().replace("31337", "1"))
    refused(trueup("run", "-c", world.path), "chain town", "chain_id")
    assert world.query("SELECT count(*) FROM trueup_chains") == [(0,)]


def test_a_database_that_stays_away_for_the_grace_period_is_refused(world: World) -> None:
    text = world.path.read_text().replace(world.config.database.url, "postgresql://postgres:s3cretword@127.0.0.1:1/nothing")
    world.path.write_text(text.replace("grace_secs = 5", "grace_secs = 0.5"))
    done = trueup("run", "-c", world.path)
    refused(done, "database")
    assert "s3cretword" not in done.stderr


def test_a_table_without_the_columns_is_refused_and_init_named(world: World) -> None:
    world.query("ALTER TABLE eth_wallet_balances DROP COLUMN read_block")
    refused(trueup("run", "-c", world.path), "eth_wallet_balances", "read_block", "trueup init")


def test_init_makes_what_run_needs_and_a_second_one_changes_nothing(world: World) -> None:
    world.query("DROP TABLE eth_wallet_balances, eth_indexer_checkpoints")
    assert trueup("init", "-c", world.path, TRUEUP_DATABASE__URL=world.database).returncode == 0
    assert "nothing to do" in trueup("init", "-c", world.path, TRUEUP_DATABASE__URL=world.database).stdout


def test_sweep_reads_every_row_once_and_says_so(world: World) -> None:
    town = world.town
    for wallet in town.wallets:
        world.query("INSERT INTO eth_wallet_balances (wallet, updated_at) VALUES (%s, '1970-01-01')", "0x" + wallet.hex())
    town.mine()
    town.mine()  # a sweep reads two behind the head
    done = trueup("sweep", "-c", world.path)
    assert done.returncode == 0, done
    assert done.stdout == "TOWN: requested=20 updated=20\n"
    assert {w: b for w, (b, _) in world.rows().items()} == town.truths(town.wallets, town.block())


def test_backfill_finds_the_wallets_of_past_logs_and_resumes(world: World) -> None:
    town = world.town
    town.traffic(30)
    town.mine()
    done = trueup("backfill", "-c", world.path, "--from-block", "0")
    assert done.returncode == 0, done
    rows = world.rows()
    assert set(town.wallets) <= set(rows)
    assert {w: b for w, (b, _) in rows.items()} == town.truths(list(rows), town.block())
    assert trueup("backfill", "-c", world.path, "--from-block", "0").returncode == 0


def test_a_last_block_that_the_chain_does_not_have_is_refused(world: World) -> None:
    refused(trueup("backfill", "-c", world.path, "--from-block", "0", "--to-block", str(world.town.block() + 1)), "--to-block")
    assert world.rows() == {}


def test_the_seeds_tables_are_taken_over_as_they_stand(tmp_path: Path, database_url: str, town: Town, anvil: Anvil) -> None:
    """A hundred thousand rows of the first seed: NULL blocks, 1970 placeholders by its own backfill query, its checkpoint."""
    _seed_database(database_url, town)
    config = (Path(__file__).parents[1] / "config" / "audius.toml").read_text()
    path = tmp_path / "audius.toml"
    path.write_text(_pointed_at(config, town))
    env = {"DATABASE_URL": as_service(database_url), "ETH_HTTP_URL": anvil.http, "ETH_WS_URL": anvil.ws}
    world = World(tmp_path, database_url, town)
    before = dict(world.query("SELECT wallet, (balance, blocknumber, updated_at, created_at)::text FROM eth_wallet_balances"))
    assert len(before) >= 100_000
    assert trueup("init", "-c", path, "--role", ROLE, **{**env, "DATABASE_URL": database_url}).returncode == 0
    town.transfer(town.wallets[0], town.wallets[1], 5)
    town.mine()
    process = subprocess.Popen([sys.executable, "-m", "actors", "run", "-c", str(path)], env={**os.environ, **env})
    wait_until(lambda: (world.marks() or (0,))[0] >= town.block(), process)
    wait_until(lambda: world.query("SELECT count(*) FROM eth_wallet_balances WHERE read_block IS NOT NULL") >= [(50,)], process)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    after = dict(world.query("SELECT wallet, (balance, blocknumber, updated_at, created_at)::text FROM eth_wallet_balances"))
    changed = {wallet for wallet in after if before.get(wallet) != after[wallet]}
    read = world.query("SELECT wallet, balance, blocknumber FROM eth_wallet_balances WHERE read_block IS NOT NULL")
    assert changed == {wallet for wallet, _, _ in read}
    touched = town.last_events(town.started_at - 1)
    truth = town.truths([bytes.fromhex(wallet[2:]) for wallet, _, _ in read], town.block())
    for wallet, balance, block in read:
        raw = bytes.fromhex(wallet[2:])
        assert balance == truth[raw]
        if raw in touched:
            assert block == touched[raw]
    assert set(touched) <= {bytes.fromhex(wallet[2:]) for wallet, _, _ in read}


def _pointed_at(config: str, town: Town) -> str:
    for old, (new, _) in zip(
        ("0x18aAA7115705e8be94bfFEBDE57Af9BFc265B998", "0xe6D97B2099F142513be7A2a068bE040656Ae4591", "0x4d7968ebfD390D5E7926Cb3587C39eFf2F9FB225"),
        town.sources(),
        strict=True,
    ):
        config = config.replace(old, new)
    return config.replace("chain_id = 1", 'chain_id = 31337\nconfirm_secs = 0.5') + '\n[server]\nbind = ""\n'


SEED = """
CREATE TABLE eth_wallet_balances (wallet text PRIMARY KEY, balance numeric NOT NULL DEFAULT 0, blocknumber bigint,
  updated_at timestamp NOT NULL DEFAULT current_timestamp, created_at timestamp NOT NULL DEFAULT current_timestamp);
CREATE INDEX eth_wallet_balances_updated_at_idx ON eth_wallet_balances (updated_at);
CREATE TABLE eth_indexer_checkpoints (name text PRIMARY KEY, last_block bigint NOT NULL, updated_at timestamp NOT NULL DEFAULT current_timestamp);
CREATE TABLE users (user_id int, wallet text, is_current boolean DEFAULT true);
CREATE TABLE associated_wallets (user_id int, wallet text, chain text, is_current boolean DEFAULT true, is_delete boolean DEFAULT false);
INSERT INTO users SELECT n, '0x' || lpad(to_hex(n), 40, '0') FROM generate_series(1, 60000) n;
INSERT INTO associated_wallets SELECT n, '0x' || lpad(to_hex(n + 1000000), 40, '0'), 'eth' FROM generate_series(1, 40000) n;
INSERT INTO eth_wallet_balances (wallet, balance, blocknumber) SELECT wallet, 3, CASE WHEN user_id % 2 = 0 THEN user_id END FROM users;
INSERT INTO eth_wallet_balances (wallet, balance, updated_at)
  SELECT w.wallet, 0, '1970-01-01' FROM (SELECT wallet FROM users UNION SELECT wallet FROM associated_wallets
    WHERE chain = 'eth' AND NOT is_delete) w ON CONFLICT DO NOTHING;
"""


def _seed_database(database: str, town: Town) -> None:
    with psycopg.connect(database) as conn:
        conn.execute(SEED.encode())
        statement = "INSERT INTO eth_indexer_checkpoints (name, last_block) VALUES ('audio_transfers', %s)"
        conn.execute(statement, (town.started_at,))
