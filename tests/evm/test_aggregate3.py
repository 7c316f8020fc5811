"""aggregate3 by hand, against an ABI library as an independent encoder."""

from __future__ import annotations

import pytest
from eth_abi.abi import decode, encode
from hypothesis import given
from hypothesis import strategies as st

from actors.errors import BadAnswer
from actors.evm.aggregate3 import MOST_SUMMED, decode_aggregate3, decode_page, encode_aggregate3, encode_page, word
from actors.evm.attest import number_of

CALLS = st.lists(st.tuples(st.binary(min_size=20, max_size=20), st.binary(max_size=100) | st.binary(min_size=36, max_size=36)))
WORDS = st.binary(min_size=32, max_size=32)
RESULTS = st.lists(st.tuples(st.booleans(), st.binary(max_size=100) | WORDS), max_size=30) | st.lists(
    st.tuples(st.just(True), WORDS), max_size=5
)
TOTAL = 12_345_678_901_234_567_890


def answer(results: list[tuple[bool, bytes]]) -> bytes:
    return encode(["(bool,bytes)[]"], [results])


@pytest.mark.parametrize(
    ("success", "data", "value"),
    [(True, word(TOTAL), TOTAL), (True, word(0), 0), (False, word(TOTAL), None), (True, b"", None)],
    ids=["a uint", "zero", "a failure", "nothing"],
)
def test_the_four_states_that_the_first_seed_tests(success: bool, data: bytes, value: int | None) -> None:
    (result,) = decode_aggregate3(answer([(success, data)]), 1)
    assert number_of(result) == value


@pytest.mark.parametrize("size", [0, 1, 31, 33, 64])
def test_only_a_full_word_is_a_value(size: int) -> None:
    assert number_of(bytes(size)) is None


def test_the_largest_word_is_a_value_of_its_own() -> None:
    assert number_of(b"\xff" * 32) == 2**256 - 1
    assert number_of(None) is None


@given(CALLS)
def test_the_calldata_is_what_the_library_makes(calls: list[tuple[bytes, bytes]]) -> None:
    expected = encode(["(address,bool,bytes)[]"], [[(target, True, data) for target, data in calls]])
    assert encode_aggregate3(calls) == bytes.fromhex("82ad56cb") + expected


def test_many_wallets_of_three_sources_are_what_the_library_makes() -> None:
    calls = [
        (bytes([source]) * 20, bytes([source]) * 16 + wallet.to_bytes(20, "big")) for wallet in range(200) for source in (1, 2, 3)
    ]
    (found,) = decode(["(address,bool,bytes)[]"], encode_aggregate3(calls)[4:])
    assert list(found) == [("0x" + target.hex(), True, data) for target, data in calls]


@given(CALLS, CALLS, st.lists(st.binary(min_size=20, max_size=20), max_size=5))
def test_a_page_is_the_same_calldata_made_of_text(
    first: list[tuple[bytes, bytes]], each: list[tuple[bytes, bytes]], wallets: list[bytes]
) -> None:
    calls = [*first, *((target, data + wallet) for wallet in wallets for target, data in each)]
    assert encode_page(first, each, b"".join(wallets).hex()) == "0x" + encode_aggregate3(calls).hex()


def test_a_target_that_is_no_address_is_a_bug() -> None:
    with pytest.raises(ValueError, match="19 bytes"):
        encode_aggregate3([(bytes(19), b"")])


@given(RESULTS)
def test_an_answer_reads_as_it_was_made(results: list[tuple[bool, bytes]]) -> None:
    assert decode_aggregate3(answer(results), len(results)) == [data if success else None for success, data in results]


SOME_WORDS = st.lists(st.integers(0, 2**256 - 1).map(word), min_size=1, max_size=12)


LARGEST = 2**120 - 1  # of the words that are summed in one go


@given(SOME_WORDS, st.lists(st.integers(0, LARGEST) | st.just(LARGEST), max_size=12), st.integers(1, 3))
def test_a_page_of_words_is_summed_wallet_by_wallet(first: list[bytes], numbers: list[int], each: int) -> None:
    numbers = numbers[: len(numbers) // each * each]
    found = decode_page(answer([(True, one) for one in [*first, *map(word, numbers)]]), len(first), each)
    if not numbers:
        assert found is None
        return
    sums = [sum(numbers[at : at + each]) for at in range(0, len(numbers), each)]
    assert found == (first, b"".join(total.to_bytes(16, "big") for total in sums))


@given(st.lists(st.integers(0, LARGEST), min_size=1, max_size=6), st.integers(LARGEST + 1, 2**256 - 1), st.data())
def test_a_page_with_a_word_that_a_sum_might_not_hold_is_left_to_who_looks_at_each(numbers: list[int], large: int, draw: st.DataObject) -> None:
    numbers[draw.draw(st.integers(0, len(numbers) - 1))] = large
    assert decode_page(answer([(True, word(one)) for one in numbers]), 0, 1) is None
    assert decode_page(answer([(True, word(one)) for one in numbers]), 0, len(numbers)) is None


def test_as_many_sources_as_an_asset_can_have_fit_into_one_sum() -> None:
    largest = [(True, word(LARGEST))] * MOST_SUMMED
    assert decode_page(answer(largest), 0, MOST_SUMMED) == ([], (LARGEST * MOST_SUMMED).to_bytes(16, "big"))
    assert decode_page(answer([*largest, largest[0]]), 0, MOST_SUMMED + 1) is None


@given(SOME_WORDS, st.integers(0, 3), st.integers(2, 3))
def test_a_page_of_another_number_of_results_than_its_wallets_have_is_none(words: list[bytes], first: int, each: int) -> None:
    if len(words) > first and (len(words) - first) % each:
        assert decode_page(answer([(True, one) for one in words]), first, each) is None


@given(SOME_WORDS, st.data())
def test_a_page_with_a_result_that_is_no_word_is_left_to_who_looks_at_each(words: list[bytes], draw: st.DataObject) -> None:
    results = [(True, one) for one in words]
    place = draw.draw(st.integers(0, len(words) - 1))
    results[place] = draw.draw(st.sampled_from([(False, words[place]), (True, b""), (True, words[place] + bytes(1)), (True, words[place][1:])]))
    assert decode_page(answer(results), 0, 1) is None


@given(RESULTS, st.data())
def test_an_answer_that_is_cut_short_anywhere_is_refused(results: list[tuple[bool, bytes]], draw: st.DataObject) -> None:
    whole = answer(results)
    cut = draw.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(BadAnswer):
        decode_aggregate3(whole[:cut], len(results))


@given(RESULTS, st.integers(0, 31))
def test_an_answer_for_another_number_of_calls_is_refused(results: list[tuple[bool, bytes]], count: int) -> None:
    if count != len(results):
        with pytest.raises(BadAnswer):
            decode_aggregate3(answer(results), count)


@given(st.binary(max_size=400), st.integers(0, 5))
def test_any_bytes_are_an_answer_or_refused(data: bytes, count: int) -> None:
    try:
        assert len(decode_aggregate3(data, count)) == count
    except BadAnswer:
        pass


@given(RESULTS.filter(bool), st.data())
def test_a_word_that_was_changed_never_makes_the_results_larger_than_the_answer(
    results: list[tuple[bool, bytes]], draw: st.DataObject
) -> None:
    whole = bytearray(answer(results))
    at = 32 * draw.draw(st.integers(0, len(whole) // 32 - 1))
    small = st.integers(0, len(whole) + 64)
    whole[at : at + 32] = word(draw.draw(small | st.integers(0, 2**256 - 1)))
    try:
        found = decode_aggregate3(bytes(whole), len(results))
    except BadAnswer:
        return
    assert len(found) == len(results)
    assert sum(len(data or b"") for data in found) <= len(whole)


ONE = [32, 1, 32, 1, 64, 32, 7]


@pytest.mark.parametrize(
    ("at", "value"),
    [(0, 64), (1, 2), (2, 0), (2, 2**255), (3, 2), (4, 0), (4, 32), (4, 2**256 - 1), (5, 33), (5, 2**64)],
    ids=["array", "count", "in the heads", "far", "flag", "on the flag", "on itself", "wraps", "one byte more", "a huge length"],
)
def test_every_length_and_offset_is_checked(at: int, value: int) -> None:
    words = list(ONE)
    words[at] = value
    with pytest.raises(BadAnswer):
        decode_aggregate3(b"".join(map(word, words)), 1)


def test_words_in_another_order_than_their_offsets_are_refused() -> None:
    backwards = [32, 2, 64 + 128, 64, 1, 64, 32, 7, 1, 64, 32, 8]
    with pytest.raises(BadAnswer, match="overlap"):
        decode_aggregate3(b"".join(map(word, backwards)), 2)


def test_results_that_share_their_bytes_are_refused() -> None:
    shared = [32, 2, 64, 64, 1, 64, 32, 7]
    with pytest.raises(BadAnswer, match="overlap"):
        decode_aggregate3(b"".join(map(word, shared)), 2)
