"""A chain's branch in `trueup_chains`, and the blocks that trueup remembers of it in `trueup_blocks`.

Every transaction that writes rows takes the branch `FOR SHARE` and refuses what was read on an older one; a
reorg takes it for itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from actors.store.arrays import from_text, literal, text
from actors.store.postgres import Conn

KEPT_CLOSINGS = 256
BACKFILL = ":backfill:"  # stands in the name of a backfill's checkpoint between its asset's and its first block
Block = tuple[int, bytes]


def branch(conn: Conn, chain: str) -> int:
    """The chain's branch: 0 until its first reorg."""
    _ensure(conn, [chain])
    row = conn.execute("select branch from trueup_chains where chain = %s", [chain]).fetchone()
    return int(row[0]) if row else 0


def share_branches(conn: Conn, chains: Iterable[str]) -> dict[str, int]:
    """The branches, which no reorg can move until the transaction ends; locked in the order of their names."""
    names = sorted(set(chains))
    branches = _share(conn, names)
    if len(branches) < len(names):
        _ensure(conn, names)
        branches = _share(conn, names)
    return branches


def _share(conn: Conn, names: Sequence[str]) -> dict[str, int]:
    rows = conn.execute(
        'select chain, branch from trueup_chains where chain = any(%s) order by chain collate "C" for share',
        [names],
    )
    return {str(chain): int(number) for chain, number in rows}


def _ensure(conn: Conn, names: Sequence[str]) -> None:
    conn.execute(
        "insert into trueup_chains (chain, branch) select unnest(%s::text[]), 0 on conflict do nothing",
        [names],
    )


def remembered(conn: Conn, chain: str, above: int) -> list[Block]:
    """The remembered blocks above a block, and the newest at or below it, in order. One number may have
    several hashes.
    """
    rows = conn.execute(
        """
        select number, hash from trueup_blocks where chain = %(chain)s and number >= coalesce(
            (select max(number) from trueup_blocks where chain = %(chain)s and number <= %(above)s), %(above)s + 1)
        order by number, hash
        """,
        {"chain": chain, "above": above},
    )
    return [(int(number), from_text(value)) for number, value in rows]


def unknown(conn: Conn, chain: str, blocks: Iterable[Block]) -> set[Block]:
    """Those of the blocks that are not remembered."""
    found = sorted(set(blocks))
    rows = conn.execute(
        """
        select b.number, b.hash from unnest(%(numbers)s::bigint[], %(hashes)s::text[]) b(number, hash)
        where not exists (select from trueup_blocks t where t.chain = %(chain)s and t.number = b.number and t.hash = b.hash)
        """,
        {
            "chain": chain,
            "numbers": literal(number for number, _ in found),
            "hashes": literal(text(value) for _, value in found),
        },
    )
    return {(int(number), from_text(value)) for number, value in rows}


def asked_since(conn: Conn, chain: str, ends: Iterable[Block]) -> int | None:
    """The lowest block above which a closing asked for logs that ended at one of these; None where none of them is a closing's end."""
    found = sorted(set(ends))
    row = conn.execute(
        """
        select min(t.since) from trueup_blocks t join unnest(%s::bigint[], %s::text[]) b(number, hash) using (number, hash)
        where t.chain = %s
        """,
        [literal(number for number, _ in found), literal(text(value) for _, value in found), chain],
    ).fetchone()
    return None if row is None or row[0] is None else int(row[0])


def remember(conn: Conn, chain: str, blocks: Iterable[Block], since: int | None = None) -> None:
    """Remember blocks as ones of the chain's branch; those that are remembered already stay. `since`: they are ends of closings that
    asked for the logs above that block.
    """
    if found := sorted(set(blocks)):
        conn.execute(
            """
            insert into trueup_blocks as t (chain, number, hash, branch, since)
            select %(chain)s, b.number, b.hash, coalesce((select c.branch from trueup_chains c where c.chain = %(chain)s), 0), %(since)s
            from unnest(%(numbers)s::bigint[], %(hashes)s::text[]) b(number, hash) order by 2, 3
            on conflict (chain, number, hash) do update set
                branch = greatest(t.branch, excluded.branch), since = least(t.since, excluded.since)
            where t.branch < excluded.branch or least(t.since, excluded.since) is distinct from t.since
            """,
            {
                "chain": chain,
                "numbers": literal(number for number, _ in found),
                "hashes": literal(text(value) for _, value in found),
                "since": since,
            },
        )


def forget(conn: Conn, chain: str, blocks: Iterable[Block], branch: int) -> None:
    """Forget orphaned blocks, unless the chain has gone on to another branch than `branch`: whoever took it there needs them.

    One that something was read at on this very branch stays: a node on a branch of its own may have answered a repair.
    """
    found = sorted(set(blocks))
    with conn.transaction():
        if share_branches(conn, [chain]) != {chain: branch}:
            return
        conn.execute(
            """
            delete from trueup_blocks t using unnest(%s::bigint[], %s::text[]) b(number, hash)
            where t.chain = %s and t.number = b.number and t.hash = b.hash and t.branch < %s
            """,
            [literal(number for number, _ in found), literal(text(value) for _, value in found), chain, branch],
        )


def prune(conn: Conn, chain: str, keep_above: int, keep: int = KEPT_CLOSINGS) -> None:
    """Forget old blocks: all above `keep_above` stay, and so do those of the newest `keep` numbers at or
    below it.
    """
    conn.execute(
        """
        delete from trueup_blocks where chain = %(chain)s and number <= (
            select distinct number from trueup_blocks where chain = %(chain)s and number <= %(above)s
            order by number desc offset %(keep)s limit 1)
        """,
        {"chain": chain, "above": keep_above, "keep": keep},
    )


def reorg(
    conn: Conn, chain: str, checkpoint_names: Sequence[str], fork: int, branch: int, tables: Sequence[str] = ()
) -> tuple[int, bool]:
    """One transaction: the branch goes up by one, and the checkpoints above the fork, their backfills' included, go back to it, as do the
    events of set-aside wallets of those tables. The branch from then on, and True.

    Where it is not `branch` any more, somebody else was first: nothing changes, and it is the other's branch, and False.
    """
    with conn.transaction():
        _ensure(conn, [chain])
        row = conn.execute("select branch from trueup_chains where chain = %s for update", [chain]).fetchone()
        assert row is not None
        if row[0] != branch:
            return int(row[0]), False
        conn.execute("update trueup_chains set branch = branch + 1 where chain = %s", [chain])
        conn.execute(
            """
            update eth_indexer_checkpoints set updated_at = current_timestamp,
                last_block = case when last_block > %(fork)s then %(fork)s else last_block end,
                confirmed = case when confirmed > %(fork)s then %(fork)s else confirmed end
            where (name = any(%(names)s) or exists (select from unnest(%(names)s::text[]) n where starts_with(name, n || %(backfill)s)))
                and (last_block > %(fork)s or confirmed > %(fork)s)
            """,
            {"fork": fork, "names": list(checkpoint_names), "backfill": BACKFILL},
        )
        conn.execute(
            "update trueup_set_aside set block = %s where table_name = any(%s) and block > %s", [fork, list(tables), fork]
        )
        return branch + 1, True
