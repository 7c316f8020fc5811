"""What may be called wrong: by no reading, nor by any state of the tables, a row that the chain bears out."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from actors.audit.verdict import AHEAD, Answered, Drift, Findings, Now, Row, Selected, is_ahead, opinion_of, stand, suspects
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


WALLET = "0x" + "ab" * 20
ROW = Row(WALLET, "1", 7, "t1")


def said(name: str, value: int | None, block_hash: str = "0xaa", archive: bool = False) -> Answered:
    return Answered(block_hash, name, f"http://{name}", {WALLET: value}, archive)


VOICES = st.builds(said, st.sampled_from("bc"), VALUES, HASHES, st.booleans())
PREFERRED = st.one_of(st.none(), st.builds(said, st.just("a"), VALUES, HASHES))


@settings(max_examples=300)
@given(st.sampled_from([0, 2, 3]), HASHES, st.booleans(), VOICES, PREFERRED)
def test_a_row_is_wrong_only_if_more_contradict_it_with_one_voice_than_say_what_it_says(
    value: int, block_hash: str, archive: bool, second: Answered, preferred: Answered | None
) -> None:
    first = said("b", value, block_hash, archive)
    second = replace(second, archive=archive) if second.url == first.url else second
    opinion = opinion_of(ROW, first, second, preferred)
    others = [one for one in (second, preferred) if one is not None]
    agree = [one for one in others if (one.sums[WALLET], one.block_hash) == (value, block_hash)]
    backing = {one.url for one in others if one.sums[WALLET] == 1}
    if opinion == "wrong":
        assert agree
        assert not backing or len({first.url, *(one.url for one in agree)}) > len(backing) or any(one.archive for one in (first, *agree))
    if opinion == "disputed":
        assert backing
    if opinion == "right":
        assert (second.url, second.sums[WALLET]) == (first.url, 1) or "http://a" in backing


def test_one_endpoint_against_another_is_a_dispute_and_two_against_it_are_not() -> None:
    b, c, a = said("b", 2), said("c", 2), said("a", 1)
    assert opinion_of(ROW, b, b, a) == "disputed"
    assert opinion_of(ROW, b, said("c", 1), None) == "disputed"
    assert opinion_of(ROW, b, said("c", 1), a) == "disputed"
    assert opinion_of(ROW, b, c, a) == "wrong"
    assert opinion_of(ROW, b, said("c", 1), said("a", 2)) == "wrong"
    assert opinion_of(ROW, b, b, None) == "wrong", "by two rungs, where nobody else answers"
    assert opinion_of(ROW, b, said("b", 1), a) == "right", "it contradicts itself"
    assert opinion_of(ROW, b, said("b", 3), a) == "right"
    assert opinion_of(ROW, b, said("b", 1), said("a", 2)) == "unsettled"
    assert opinion_of(ROW, b, said("c", 3), None) == "unsettled"
    assert opinion_of(ROW, b, said("c", 2, "0xbb"), None) == "unsettled", "another branch's block"
    assert opinion_of(ROW, b, said("c", None), a) == "no sum"


def test_an_archive_outweighs_the_endpoint_that_may_have_written_the_row_and_no_two() -> None:
    x, a = said("x", 2, archive=True), said("a", 1)
    assert opinion_of(ROW, x, x, a) == "wrong"
    assert opinion_of(ROW, x, said("c", 1), a) == "disputed"
    assert opinion_of(ROW, x, said("c", 1), None) == "disputed", "one reading is not enough"
    assert opinion_of(ROW, said("b", 2), said("x", 1, archive=True), a) == "disputed"


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


@given(st.integers(0, 10**9), st.one_of(st.none(), st.integers(0, 10**9)))
def test_a_block_is_ahead_only_by_far_of_the_newest_that_is_known(block: int, newest: int | None) -> None:
    assert is_ahead(block, newest) == (newest is not None and block > newest + AHEAD)


@given(ROWS, st.integers(0, 2), st.integers(0, 6))
def test_a_row_of_no_block_stands_only_above_all_that_was_ever_read_or_closed(row: Row, branch: int, newest: int) -> None:
    now = Now({row.wallet: row}, branch, newest=newest)
    assert (stand(row, None, branch, now) == "stands") == ((row.read_block or 0) > newest)


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
    assert touch_of("A", replace(drift(row, None), newest=5)).need == 5, "nor is what replaces that one older than all that is known"
    repair = touch_of("A", drift(row, None)).repair
    assert repair is not None
    assert (repair.was_block, repair.fork, repair.was_updated_at.isoformat()) == (7, 7, "2026-01-02T03:04:05.678000")
