"""Each question of the book is answered with as many logs as it says, whatever the blocks hold."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.doctor.node.log_book import LogBook
from actors.errors import BadAnswer

LAST = 1000
# Of each block from the newest down, the contracts of its logs.
blocks = st.lists(st.lists(st.integers(0, 12), max_size=12), min_size=1, max_size=12)


def log(block: int, contract: int) -> dict[str, str]:
    return {"blockNumber": hex(block), "address": f"0x{contract:040X}"}


def filled(contents: list[list[int]], parts: int) -> LogBook:
    book, at = LogBook(LAST), LAST
    logs = [log(LAST - back, contract) for back, block in enumerate(contents) for contract in block]
    while at > LAST - len(contents):
        first = max(LAST - len(contents) + 1, at - parts + 1)
        book.add(first, [one for one in logs if first <= int(one["blockNumber"], 16) <= at])
        at = first - 1
    return book


@given(blocks, st.integers(1, 5), st.integers(1, 150), st.integers(0, 150))
def test_a_question_is_answered_with_what_it_says(contents: list[list[int]], parts: int, count: int, more_than: int) -> None:
    book = filled(contents, parts)
    assert book.total == sum(map(len, contents))
    question = book.question(count, min(more_than, count - 1))
    if question is None:
        return
    answered = [
        contract
        for back, block in enumerate(contents)
        if question.first <= LAST - back <= question.last
        for contract in block
        if not question.addresses or f"0x{contract:040x}" in question.addresses
    ]
    assert len(answered) == question.count
    assert min(more_than, count - 1) < question.count <= count


@given(blocks, st.integers(1, 5))
def test_all_of_it_can_be_asked_for(contents: list[list[int]], parts: int) -> None:
    book = filled(contents, parts)
    if book.total:
        question = book.question(book.total, 0)
        assert question is not None
        assert question.count == book.total


@given(st.integers(1, 30))
def test_where_many_contracts_emit_little_any_number_can_be_asked_for(blocks: int) -> None:
    book = filled([[0, 0, 0, *(1 + 4 * back + each for each in range(4))] for back in range(blocks)], 3)
    for count in range(1, book.total + 1):
        question = book.question(count, 0)
        assert question is not None
        assert question.count == count


@pytest.mark.parametrize("bad", [{}, {"blockNumber": "0x1"}, {"blockNumber": 1, "address": "0x"}, {"blockNumber": "0x1", "address": []}, {"blockNumber": "", "address": "0x"}])
def test_what_is_no_log_is_a_bad_answer_and_leaves_the_book_as_it_was(bad: dict[str, object]) -> None:
    book = filled([[1, 2]], 1)
    with pytest.raises(BadAnswer):
        book.add(LAST - 5, [log(LAST - 4, 3), bad])
    assert (book.first, book.total) == (LAST, 2)
