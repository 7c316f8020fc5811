"""Each step of moving from the seeds, on databases made by their own DDL."""

from __future__ import annotations

import pytest

from tests.docs.pages import ROOT
from tests.docs.reader import Reader
from tests.ledger_scene import SEED as LEDGER
from tests.ledger_scene import Books
from tests.postgres_world import admin
from tests.test_process import SEED as INDEXER

WALLETS = 60
FOLDER = ROOT / "docs"


@pytest.mark.long
@pytest.mark.timeout(240)
def test_the_first_seeds_steps_end_in_true_rows_and_leave_nothing_beside(reader: Reader) -> None:
    database_url, town = reader.database, reader.town
    admin(database_url, INDEXER.replace("60000", str(WALLETS)).replace("40000", str(WALLETS)))
    for wallet in town.wallets:  # as the indexer may have left them: wrong, and of no block
        admin(database_url, f"INSERT INTO eth_wallet_balances (wallet, balance, blocknumber) VALUES ('0x{wallet.hex()}', 7, 1)")
    admin(database_url, f"INSERT INTO eth_indexer_checkpoints (name, last_block) VALUES ('audio_transfers', {town.started_at})")
    town.traffic(10)
    for _ in range(3):
        town.mine()
    reader.follow(FOLDER / "moving-from-eth-indexer.md")
    reader.run("trueup sweep -c audius.toml")
    rows = {bytes.fromhex(wallet[2:]): int(balance) for wallet, balance in admin(database_url, "SELECT wallet, balance FROM eth_wallet_balances")}
    assert rows == town.truths(list(rows), town.block())
    assert admin(database_url, "SELECT name FROM eth_indexer_checkpoints") == [("audio_transfers",)]
    assert admin(database_url, "SELECT to_regclass('balances_beside') IS NULL") == [(True,)]


@pytest.mark.long
@pytest.mark.timeout(240)
def test_the_indexer_can_go_on_after_trueup_and_what_it_loses_meanwhile_is_found(reader: Reader) -> None:
    database_url, town = reader.database, reader.town
    admin(database_url, INDEXER.replace("60000", "1").replace("40000", "1"))
    admin(database_url, f"INSERT INTO eth_indexer_checkpoints (name, last_block) VALUES ('audio_transfers', {town.started_at})")
    reader.run("cp config/audius.toml audius.toml; trueup init -c audius.toml; trueup run -c audius.toml")
    reader.stop()
    town.transfer(town.wallets[0], town.wallets[1], 5)  # which the indexer loses: it moves its checkpoint all the same
    town.mine()
    admin(database_url, f"UPDATE eth_indexer_checkpoints SET last_block = {town.block()}, updated_at = now() WHERE name = 'audio_transfers'")
    town.mine()
    reader.run("trueup run -c audius.toml")
    name = "0x" + town.wallets[0].hex()
    reader.run(f"until psql -qAt \"$DATABASE_URL\" -c \"select 1 from eth_wallet_balances where wallet = '{name}'\" | grep -q 1; do sleep 0.1; done")
    assert admin(database_url, f"SELECT balance FROM eth_wallet_balances WHERE wallet = '{name}'") == [(town.truth(town.wallets[0]),)]


@pytest.mark.long
@pytest.mark.timeout(240)
def test_the_second_seeds_steps_end_in_synced_rows_that_its_worker_would_take(reader: Reader) -> None:
    admin(reader.database, LEDGER)
    books, town = Books(reader.database), reader.town
    chain = books.chain("ethereum", reader.anvil.http)
    token = books.asset(chain, town.token)
    rows = [books.row(books.address("0x" + wallet.hex(), chain), token) for wallet in town.wallets]
    left = books.row(books.address("0x" + town.wallets[0].hex(), chain), books.asset(chain), processing_status="processing", locked_by="balance_sync_1")
    for _ in range(3):
        town.mine()
    reader.follow(FOLDER / "moving-from-balance-sync-worker.md")
    assert all(books.of(row, "sync_count", "processing_status")[1] == "idle" for row in [*rows, left])
    assert books.held() == 0
