"""What may be called wrong: by no reading, nor by any state of the tables, a row that the chain bears out."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from actors.audit.verdict import AHEAD, Answered, Drift, Findings, Now, Row, Selected, is_ahead, second_opinion, stand, suspects
from actors.auditor import BLOCKED, DELETED, SET_ASIDE, outcomes_of, touch_of
from actors.store.audit import MENDED

WALLETS = st.integers(1, 5).map(lambda n: f"0x{n:040x}")
HASHES = st.sampled_from(["0xaa", "0xbb", "0xcc"])
VALUES = st.one_of(st.none(), st.integers(0, 3))
ROWS = st.builds(Row, WALLETS, st.sampled_from(["0", "1", "2", "1.5", "NaN", "-1"]), st.integers(1, 4), st.sampled_from(["t1", "t2"]), st.booleans())
NOW = st.builds(
    lambda rows, branch, remembered: Now({row.wallet: row for row in rows}, branch, remembered),
    st.lists(ROWS, max_size=5),
    st.integers(0, 2),
    st.dictionaries(st.integers(1, 4), st.frozensets(HASHES, max_size=2)),
)


@given(ROWS, VALUES)
def test_a_row_that_holds_what_was_answered_is_never_suspected(row: Row, value: int | None) -> None:
    odd = suspects([row], Answered("0xaa", "a", "http://a", {row.wallet: value}))
    assert odd == ([row] if value is not None and str(value) != row.balance else [])


@given(ROWS, VALUES, VALUES)
def test_only_two_readings_of_one_voice_make_a_row_wrong(row: Row, first: int | None, second: int | None) -> None:
    opinion = second_opinion(row, first, second)
    assert (opinion == "wrong") == (second is not None and first == second and str(second) != row.balance)
    if str(second) == row.balance:
        assert opinion == "right"


@given(ROWS, HASHES, st.integers(0, 2), NOW)
def test_a_row_stands_only_as_it_stood_on_the_branch_it_was_on_at_a_block_that_nothing_contradicts(
    row: Row, block_hash: str, branch: int, now: Now
) -> None:
    stands = stand(row, block_hash, branch, now) == "stands"
    known = now.remembered.get(row.read_block or 0, frozenset())
    assert stands == (row.stands_as(now.rows.get(row.wallet)) and now.branch == branch and known <= {block_hash})


@given(ROWS, HASHES, st.integers(0, 2))
def test_a_row_that_nothing_happened_to_stands(row: Row, block_hash: str, branch: int) -> None:
    now = Now({row.wallet: row}, branch, {row.read_block or 0: frozenset({block_hash})})
    assert stand(row, block_hash, branch, now) == "stands"
    assert stand(row, block_hash, branch, replace(now, rows={})) == "gone"
    assert stand(row, block_hash, branch, replace(now, rows={row.wallet: replace(row, updated_at="later")})) == "moved"
    assert stand(row, block_hash, branch, replace(now, branch=branch + 1)) == "reorg"
    assert stand(row, "0xdd", branch, now) == "reorg"


@given(st.integers(0, 10**9), st.lists(st.integers(0, 10**9)))
def test_a_block_is_ahead_only_of_all_heads_and_by_far(block: int, heads: list[int]) -> None:
    assert is_ahead(block, heads) == (bool(heads) and all(block > head + AHEAD for head in heads))


def drift(row: Row, value: int | None = 9) -> Drift:
    return Drift(row, value, "0xaa", ("a",), 0)


@given(st.lists(ROWS, unique_by=lambda row: row.wallet), st.data())
def test_what_became_of_a_row_is_told_only_by_what_was_checked(rows: list[Row], data: st.DataObject) -> None:
    wallets = {row.wallet for row in rows}
    wrong = data.draw(st.sets(st.sampled_from(sorted(wallets)))) if wallets else set()
    missed = data.draw(st.sets(st.sampled_from(sorted(wallets)))) - wrong if wallets else set()
    tried = data.draw(st.sets(st.sampled_from(sorted(wallets)))) if wallets else set()
    findings = Findings(0, [drift(row) for row in rows if row.wallet in wrong], dict.fromkeys(missed, "unanswered"))
    aside = {row.wallet for row in rows if row.aside}
    found = outcomes_of(wallets | {"0xgone"}, Selected(rows, 0), findings, tried)
    assert found.pop("0xgone") == DELETED
    assert {wallet for wallet, outcome in found.items() if outcome == MENDED} == wallets - wrong - missed
    assert {wallet for wallet, outcome in found.items() if outcome == BLOCKED} == (wrong & tried) - aside
    assert {wallet for wallet, outcome in found.items() if outcome == SET_ASIDE} == wrong & aside


def test_a_mend_reads_no_block_before_the_rows_and_lowers_none_but_one_that_never_was() -> None:
    row = Row("0x" + "ab" * 20, "1", 7, "2026-01-02 03:04:05.678")
    assert (touch_of("A", drift(row)).need, touch_of("A", drift(row)).repair, touch_of("A", drift(row)).live) == (7, None, False)
    repair = touch_of("A", drift(row, None)).repair
    assert repair is not None
    assert (repair.was_block, repair.fork, repair.was_updated_at.isoformat()) == (7, 7, "2026-01-02T03:04:05.678000")
