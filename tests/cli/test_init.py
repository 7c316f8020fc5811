"""What `trueup init` says that it did."""

from __future__ import annotations

import psycopg

from actors.cli.init import applied, said

TABLE = {("column", "public.balances", "wallet"), ("index", "public.balances", "balances_pkey")}


def test_a_new_table_is_one_line() -> None:
    assert list(applied(set(), TABLE)) == ["made table public.balances"]


def test_what_an_older_table_lacked_is_a_line_each() -> None:
    new = {
        ("column", "public.balances", "read_block"),
        ("index", "public.balances", "balances_updated_at_idx"),
    }
    assert list(applied(TABLE, TABLE | new)) == [
        "added column read_block to public.balances",
        "added index balances_updated_at_idx to public.balances",
    ]


def test_a_second_time_there_is_nothing_to_say() -> None:
    assert list(applied(TABLE, TABLE)) == []


def test_what_postgres_said_is_one_line() -> None:
    assert said(psycopg.OperationalError("connection failed\nIs the server running?")) == "connection failed"
    assert said(psycopg.OperationalError()) == "OperationalError"
