"""Roles: one holder at a time, by Postgres's clock."""

from __future__ import annotations

from actors.store import leases
from tests.store.scene import Store

ROLE = "subscriber:ethereum"


def pass_time(store: Store, secs: float) -> None:
    """Let the leases grow older."""
    store.conn.execute("update trueup_leases set until = until - make_interval(secs => %s)", [secs])


def test_a_role_has_one_holder_until_its_lease_ends(store: Store) -> None:
    assert leases.hold(store.conn, ROLE, "a", 1000)
    assert not leases.hold(store.conn, ROLE, "b", 1000)
    assert leases.hold(store.conn, "sweeper:AUDIO", "b", 1000)
    pass_time(store, 1100)
    assert leases.hold(store.conn, ROLE, "b", 1000)
    assert not leases.hold(store.conn, ROLE, "a", 1000)


def test_a_renewal_moves_the_end(store: Store) -> None:
    leases.hold(store.conn, ROLE, "a", 1000)
    pass_time(store, 600)
    assert leases.hold(store.conn, ROLE, "a", 1000)
    pass_time(store, 600)
    assert not leases.hold(store.conn, ROLE, "b", 1000)


def test_a_role_that_is_given_back_is_free_at_once_and_only_its_holder_can_give_it_back(store: Store) -> None:
    leases.hold(store.conn, ROLE, "a", 1000)
    leases.free(store.conn, "b")
    assert not leases.hold(store.conn, ROLE, "b", 1000)
    leases.free(store.conn, "a")
    assert leases.hold(store.conn, ROLE, "b", 1000)
