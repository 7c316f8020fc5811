"""What the doctor finds in the second seed's tables and at their nodes, and that what it says mends it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from actors.cli import main
from actors.cli.doctor import _lines
from actors.doctor.finding import Finding
from actors.sandbox.anvil import Anvil
from actors.sandbox.town import Town
from tests.ledger_scene import LOOKUP, UPSTREAM, Books, a_wallet
from tests.ledger_world import LedgerWorld
from tests.role import as_service

TOKEN = "0x" + "c1" * 20


def doctor(world: LedgerWorld, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[dict[str, Any]]]:
    """The exit code, and the findings that are wrong."""
    code = main(["doctor", "-c", str(world.path), "--json"])
    found = json.loads(capsys.readouterr().out)
    wrong = [each for each in found if not each["ok"]]
    assert code == bool(wrong)
    assert all(each["fix"] for each in wrong)
    return code, wrong


def only(world: LedgerWorld, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    _, wrong = doctor(world, capsys)
    assert len(wrong) == 1, wrong
    return wrong[0]


def contents(books: Books) -> list[Any]:
    """All that there is, which a look must not change."""
    names = [name for (name,) in books.query("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")]
    return [(name, sorted(map(str, books.query(f"SELECT * FROM {name}")))) for name in names]


@pytest.fixture
def world(tmp_path: Path, database_url: str, anvil: Anvil) -> LedgerWorld:
    world = LedgerWorld(tmp_path, database_url)
    # Whoever mends tables is their owner; the tests with a world of their own look at it as the service may.
    world.path.write_text(world.path.read_text().replace(as_service(database_url), database_url))
    world.chain = world.books.chain("town", anvil.http)  # type: ignore[attr-defined]  # for these tests alone
    return world


def chain_of(world: LedgerWorld) -> str:
    chain: str = world.chain  # type: ignore[attr-defined]
    return chain


def test_where_nothing_is_wrong_it_says_what_is_there(world: LedgerWorld, capsys: pytest.CaptureFixture[str]) -> None:
    books, chain = world.books, chain_of(world)
    books.row(books.address(a_wallet(1), chain), books.asset(chain, TOKEN))
    before = contents(books)
    assert main(["doctor", "-c", str(world.path)]) == 0
    said = capsys.readouterr().out
    assert "ok    table wallet_balances: 16 columns, foreign key (asset_on_chain_id) to asset_on_chain, primary key (id)" in said
    assert "ok    addresses: 1 of 1 rows find one by user_wallet_addresses" in said
    assert "ok    chains town: http://127.0.0.1:" in said
    assert "hint  table wallet_balances: wallet_id refers to user_wallet_addresses by custom only" in said
    assert said.endswith("nothing is wrong\n")
    assert contents(books) == before


def test_the_originals_own_error_is_answered_by_the_lookup_that_would_work(
    tmp_path: Path, database_url: str, capsys: pytest.CaptureFixture[str], anvil: Anvil
) -> None:
    world = LedgerWorld(tmp_path, database_url)
    books = world.books
    chain = books.chain("town", anvil.http)
    books.row(books.address(a_wallet(1), chain), books.asset(chain, TOKEN))
    world.path.write_text(world.path.read_text().replace("user_wallet_addresses", "wallets"))
    _, wrong = doctor(world, capsys)
    found = next(each for each in wrong if each["about"] == "ledger.address_from")
    assert found["text"] == 'relation "public.wallets" does not exist; user_wallet_addresses has the addresses of 1 of 1 rows'
    assert found["fix"] == 'address_from = ["user_wallet_addresses"]'
    world.path.write_text(world.path.read_text().replace('address_from = ["wallets"]', found["fix"]))
    assert doctor(world, capsys) == (0, [])


def test_a_second_lookups_bad_address_is_mended_where_it_is(world: LedgerWorld, capsys: pytest.CaptureFixture[str]) -> None:
    books, chain = world.books, chain_of(world)
    books.query(UPSTREAM)
    world.path.write_text(world.path.read_text().replace('["user_wallet_addresses"]', '["user_wallet_addresses", "operation_wallet_addresses"]'))
    books.row(books.address(a_wallet(1), chain, False, "operation_wallet_addresses"), books.asset(chain, TOKEN))
    found = only(world, capsys)
    assert "inactive in operation_wallet_addresses" in found["text"]
    books.query(found["fix"])
    assert doctor(world, capsys) == (0, [])


def test_a_table_that_only_looks_like_one_of_addresses_is_no_candidate(world: LedgerWorld, capsys: pytest.CaptureFixture[str]) -> None:
    books, chain = world.books, chain_of(world)
    books.query("CREATE TABLE customers (id BIGINT PRIMARY KEY, address TEXT); INSERT INTO customers VALUES (1, 'Main Street')")
    books.query('CREATE TABLE "odd.name" (id UUID, address TEXT)')
    books.row("11111111-1111-1111-1111-111111111111", books.asset(chain, TOKEN))
    assert only(world, capsys)["fix"].startswith("INSERT INTO user_wallet_addresses ")


def test_rows_without_an_address_are_counted_with_the_lookup_that_would_find_them(
    world: LedgerWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    books, chain = world.books, chain_of(world)
    books.query(UPSTREAM)
    asset = books.asset(chain, TOKEN)
    books.row(books.address(a_wallet(1), chain), asset)
    for number in (2, 3):
        books.row(books.address(a_wallet(number), chain, table="operation_wallet_addresses"), asset)
    found = only(world, capsys)
    assert found["text"].startswith("2 of 3 rows find no address, among them ")
    assert found["fix"] == 'address_from = ["user_wallet_addresses", "operation_wallet_addresses"], which finds 2'


@pytest.mark.parametrize(
    ("columns", "text", "mends"),
    [
        ({"chain": "other"}, "have an address on another chain than their asset", "SET chain_id = '{chain}'"),
        ({"active": False}, "have an address that is inactive", "SET is_active = true"),
        ({"text": "0x12"}, "have an address that is malformed", "SET address = '{address}'"),
        ({"text": None}, "have a NULL for an address", "SET address = '{address}'"),
    ],
)
def test_addresses_that_cannot_be_used_are_counted_by_what_is_wrong_and_the_sql_mends_them(
    world: LedgerWorld, capsys: pytest.CaptureFixture[str], columns: dict[str, Any], text: str, mends: str
) -> None:
    books, chain = world.books, chain_of(world)
    given = {"text": a_wallet(1), "chain": chain, **columns}
    if given["chain"] == "other":
        given["chain"] = books.chain("other", active=False)
    books.row(books.address(**given), books.asset(chain, TOKEN))
    found = only(world, capsys)
    assert f"1 of 1 rows {text} in user_wallet_addresses, among them " in found["text"]
    mended = found["fix"].split("or the address's chain: ")[-1].replace("0x…", a_wallet(1)).replace("'…'", f"'{chain}'")
    assert mends.format(chain=chain, address=a_wallet(1)) in mended
    books.query(mended)
    assert doctor(world, capsys) == (0, [])


def test_assets_without_contract_or_decimals_are_named(world: LedgerWorld, capsys: pytest.CaptureFixture[str]) -> None:
    books, chain = world.books, chain_of(world)
    broken, odd = books.asset(chain, "0x12"), books.asset(chain, TOKEN, None)
    _, wrong = doctor(world, capsys)
    assert {each["text"] for each in wrong} == {f"{broken} has no contract_address that can be read: '0x12'", f"{odd} has no decimals"}


def test_columns_keys_and_indexes_that_are_missing_come_with_the_sql(world: LedgerWorld, capsys: pytest.CaptureFixture[str]) -> None:
    books = world.books
    books.query("ALTER TABLE wallet_balances DROP COLUMN locked_until, DROP COLUMN error_count, DROP CONSTRAINT wallet_balances_pkey")
    books.query("DROP INDEX wallet_balances_last_checked_idx")
    _, wrong = doctor(world, capsys)
    for each in wrong:
        if each["fix"].startswith("ALTER"):
            books.query(each["fix"])
    assert [each["about"] for each in wrong] == ["schema", *["table wallet_balances"] * 3]
    assert main(["doctor", "-c", str(world.path)]) == 0
    said = capsys.readouterr().out
    assert "fix: CREATE INDEX CONCURRENTLY ON wallet_balances (last_checked NULLS FIRST);" in said


def test_a_chain_whose_node_is_another_chain_now_is_named(world: LedgerWorld, capsys: pytest.CaptureFixture[str]) -> None:
    books, chain = world.books, chain_of(world)
    books.query("INSERT INTO trueup_ledger_chains VALUES (%s, 1)", chain)
    found = only(world, capsys)
    assert found["text"] == "its node is chain 31337, and was chain 1 when it was first asked: nothing is read"
    books.query(found["fix"].split("if that is meant: ")[1])
    assert doctor(world, capsys) == (0, [])


def test_chains_without_a_node_are_named_and_no_key_of_a_url_is_shown(world: LedgerWorld, capsys: pytest.CaptureFixture[str]) -> None:
    world.books.chain("none")
    world.books.chain("away", "http://127.0.0.1:1/v2/SECRETKEY123")
    _, wrong = doctor(world, capsys)
    assert [each["about"] for each in wrong] == ["chains away", "chains none"] or [each["about"] for each in wrong] == ["chains none", "chains away"]
    assert "SECRETKEY123" not in json.dumps(wrong)


def test_rows_that_are_set_aside_are_shown_by_their_error(world: LedgerWorld, capsys: pytest.CaptureFixture[str]) -> None:
    books, chain = world.books, chain_of(world)
    row = books.row(books.address(a_wallet(1), chain), books.asset(chain, TOKEN))
    aside = "INSERT INTO trueup_set_aside VALUES ('wallet_balances', %s, null, %s, 3, now() + interval '1 day')"
    books.query(aside, row, "it's reverted")
    books.query(aside, "a row that is gone", "reverted")
    found = only(world, capsys)
    assert found["text"] == f"1 rows, among them {row}: it's reverted"
    books.query(found["fix"].removeprefix("mend it; then: "))
    assert books.query("SELECT count(*) FROM trueup_set_aside WHERE next_attempt <= now()") == [(1,)]


def test_the_endpoints_of_the_config_are_asked_for_their_chain_and_rungs(
    tmp_path: Path, database_url: str, town: Town, anvil: Anvil, capsys: pytest.CaptureFixture[str]
) -> None:
    chains = f'[[chain]]\nname = "town"\nchain_id = 31337\nhttp = ["{anvil.http}"]\n[[chain]]\nname = "far"\nchain_id = 5\nhttp = ["{anvil.http}"]\n'
    world = LedgerWorld(tmp_path, database_url, chains, more=LOOKUP.format("wallets"))
    found = only(world, capsys)
    assert found["about"] == "chain far"
    assert "is chain 31337, not 5" in found["text"]
    assert main(["doctor", "-c", str(world.path)]) == 1
    assert "reads by packed, multicall3, deployless, single; block hashes are honoured" in capsys.readouterr().out


def test_a_database_that_is_away_is_one_finding(tmp_path: Path, database_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    world = LedgerWorld(tmp_path, database_url)
    world.path.write_text(world.path.read_text().replace(as_service(database_url), "postgresql://nobody:hidden-word@127.0.0.1:1/none"))
    assert only(world, capsys)["about"] == "database"


def test_what_a_node_says_of_itself_is_one_line_and_steers_no_terminal() -> None:
    nasty = "geth\nok    chain town: is well\x1b]0;title\x07\x1b[31m"
    lines = _lines(Finding(nasty, nasty, False, nasty, (nasty, nasty))).split("\n")
    assert [line[:11] for line in lines] == ["wrong geth\\", "      geth\\", "      geth\\", "      fix: "]
    assert all(line.isprintable() for line in lines)
