"""The role of least privileges: `init --role` grants what a start asks for, and nothing else can be done with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from actors.cli import main
from actors.config import Config, LedgerConfig
from actors.config.keys import AuditConfig
from actors.errors import ConfigError
from actors.store import privileges, schema
from actors.store.postgres import Conn, connect
from tests.ledger_scene import SEED
from tests.role import CREATE, ROLE, as_service, init
from tests.store.scene import AUDIO, config_of

LEDGER = replace(config_of(AUDIO), ledger=LedgerConfig(True, ("user_wallet_addresses",)), audit=AuditConfig(60))
OTHERS = """
create table other (secret text);
create schema apart;
create table apart.users (id int, wallet text, password text, active boolean);
alter table wallet_balances add column needs_gas boolean default true;
"""


@pytest.fixture
def owner(database_url: str) -> Iterator[Conn]:
    """The owner, in a database with both seeds' tables and somebody else's."""
    with connect(database_url) as conn:
        conn.execute(SEED)
        conn.execute(OTHERS)
        init(database_url, LEDGER)
        yield conn


@pytest.fixture
def service(owner: Conn, database_url: str) -> Iterator[Conn]:
    """The service's own connection."""
    with connect(as_service(database_url)) as conn:
        yield conn


def test_a_start_finds_all_that_it_needs(service: Conn) -> None:
    schema.check(service, LEDGER)


def test_init_under_the_role_itself_has_nothing_to_do(service: Conn) -> None:
    assert schema.init(service, LEDGER) == []


def test_a_second_grant_has_nothing_to_do(owner: Conn) -> None:
    assert privileges.grant(owner, LEDGER, ROLE) == []


@pytest.mark.parametrize(
    "statement",
    [
        "create table mine (a int)",
        "create schema mine",
        "create function mine() returns int language sql as 'select 1'",
        "alter table trueup_chains add column a int",
        "alter table eth_wallet_balances disable trigger all",
        "create index on eth_wallet_balances (balance)",
        "drop table eth_wallet_balances",
        "truncate eth_wallet_balances",
        "delete from eth_wallet_balances",
        "delete from eth_indexer_checkpoints",
        "delete from trueup_chains",
        "delete from trueup_spend",
        "delete from wallet_balances",
        "delete from chains",
        "update eth_wallet_balances set wallet = 'a'",
        "update eth_wallet_balances set created_at = now()",
        "update eth_indexer_checkpoints set name = 'a'",
        "update wallet_balances set wallet_id = id",
        "update wallet_balances set created_at = now()",
        "update wallet_balances set needs_gas = false",
        "update chains set rpc_url = 'https://elsewhere.example'",
        "update asset_on_chain set contract_address = '0x'",
        "update user_wallet_addresses set address = '0x'",
        "insert into wallet_balances (id) values (gen_random_uuid())",
        "insert into chains (id, name) values (gen_random_uuid(), 'a')",
        "select needs_gas from wallet_balances",
        "select * from other",
        "insert into other values ('a')",
        "select * from apart.users",
        "set role postgres",
        "alter system set work_mem = '1MB'",
        "copy eth_wallet_balances to program 'cat'",
        "select pg_read_file('/etc/passwd')",
        "create role mine",
        "grant select on eth_wallet_balances to public",
    ],
)
def test_the_role_can_do_nothing_else(service: Conn, statement: str) -> None:
    if statement.startswith("grant"):  # without the right to grant Postgres only warns
        service.execute(statement.encode())
        found = service.execute("select count(*) from information_schema.role_table_grants where grantee = 'PUBLIC' and table_schema = 'public'")
        assert found.fetchone() == (0,)
        return
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        service.execute(statement.encode())


def test_a_schema_that_the_role_may_not_look_into_is_told_by_name(owner: Conn, database_url: str) -> None:
    rows = config_of(replace(AUDIO, name="ROWS", table="hidden.rows", checkpoint="hidden_rows"))
    init(database_url, rows)
    owner.execute("revoke all on schema hidden from trueup_service")
    with connect(as_service(database_url)) as service, pytest.raises(ConfigError, match="permission denied for schema hidden.*init --role"):
        schema.check(service, rows)


def test_a_table_that_only_updates_rows_cannot_be_inserted_into(owner: Conn, database_url: str) -> None:
    rows = config_of(replace(AUDIO, name="ROWS", table="only_rows", checkpoint="only_rows", track="table"))
    init(database_url, rows)
    with connect(as_service(database_url)) as service:
        schema.check(service, rows)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            service.execute("insert into only_rows (wallet) values ('a')")


def test_what_a_select_of_addresses_names_can_be_read_and_nothing_beside_it(owner: Conn, database_url: str) -> None:
    track = 'select wallet from apart.users where active -- "password"'
    config = config_of(replace(AUDIO, track=track))
    init(database_url, config)
    with connect(as_service(database_url)) as service:
        schema.check(service, config)
        service.execute("select wallet, active from apart.users")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            service.execute("select password from apart.users")
    assert owner.execute("select to_regclass('pg_temp.trueup_track')").fetchone() == (None,)


@pytest.mark.parametrize(
    ("revoked", "said"),
    [
        ("delete on trueup_blocks", "delete on trueup_blocks"),
        ("update (balance) on eth_wallet_balances", r"update \(balance\) on eth_wallet_balances"),
        ("select (rpc_url) on chains", r"select \(rpc_url\) on chains"),
        ("select (address) on user_wallet_addresses", r"select \(address\) on user_wallet_addresses"),
        ("insert on trueup_audit", "insert on trueup_audit"),
    ],
)
def test_a_start_without_a_privilege_is_refused_and_says_which(owner: Conn, service: Conn, revoked: str, said: str) -> None:
    owner.execute(f"revoke {revoked} from {ROLE}".encode())
    with pytest.raises(ConfigError, match=rf"^role {ROLE} has not {said}: run `trueup init --role {ROLE}` as the tables' owner$"):
        schema.check(service, LEDGER)
    assert [line.split()[0] for line in privileges.grant(owner, LEDGER, ROLE)] == ["granted"]
    schema.check(service, LEDGER)


def refused(owner: Conn, role: str, config: Config = LEDGER) -> str:
    with pytest.raises(ConfigError) as caught, owner.transaction():
        privileges.grant(owner, config, role)
    return str(caught.value)


def test_a_role_that_is_not_there_is_named_with_what_makes_it(owner: Conn) -> None:
    assert refused(owner, "nobody") == "--role: there is no role nobody; as a superuser: CREATE ROLE nobody LOGIN PASSWORD '…'"


def test_a_role_that_nothing_binds_is_refused(owner: Conn) -> None:
    assert "is a superuser" in refused(owner, "postgres")
    owner.execute("create role trueup_keeper_of_test")
    try:
        owner.execute("alter table eth_wallet_balances owner to trueup_keeper_of_test")
        assert "owns eth_wallet_balances" in refused(owner, "trueup_keeper_of_test")
    finally:
        owner.execute("alter table eth_wallet_balances owner to postgres")
        owner.execute("drop role trueup_keeper_of_test")


def test_what_the_caller_may_not_grant_is_said(owner: Conn) -> None:
    owner.execute("create role trueup_guest_of_test; grant select on chains to trueup_guest_of_test")
    owner.execute(f"revoke select (rpc_url) on chains from {ROLE}".encode())
    try:
        owner.execute("set role trueup_guest_of_test")
        assert refused(owner, ROLE) == f"--role: select (rpc_url) on chains was not granted to {ROLE}: run it as the owner of that table"
    finally:
        owner.execute("reset role")
        owner.execute("drop owned by trueup_guest_of_test; drop role trueup_guest_of_test")


def test_a_select_that_does_not_run_is_refused_with_its_asset(owner: Conn) -> None:
    assert refused(owner, ROLE, config_of(replace(AUDIO, track="select wallet from nothing"))) == (
        'asset AUDIO: track: relation "nothing" does not exist'
    )


def test_the_command_says_what_it_granted_and_a_second_time_that_there_is_nothing_to_do(
    tmp_path: Path, database_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "trueup.toml"
    chain = '[[chain]]\nname = "town"\nchain_id = 1\nhttp = ["http://127.0.0.1:1"]\n'
    path.write_text(f'[database]\nurl = "{database_url}"\n{chain}[ledger]\nenabled = true\n')
    with connect(database_url) as conn:
        conn.execute(CREATE.encode())
    assert main(["init", "-c", str(path), "--role", ROLE]) == 0
    said = capsys.readouterr().out.splitlines()
    assert f"granted select (address, chain_id, id, is_active) on operation_wallet_addresses to {ROLE}" in said
    assert f"granted delete on trueup_leases to {ROLE}" in said
    assert main(["init", "-c", str(path), "--role", ROLE]) == 0
    assert capsys.readouterr().out == "nothing to do: the schema is in place\n"
    assert main(["init", "-c", str(path), "--role", "nobody"]) == 2
    assert "there is no role nobody" in capsys.readouterr().err
