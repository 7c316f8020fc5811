"""A crash is told from the same one before."""

from __future__ import annotations

from actors.crashes import NEW_AFTER_SECS, Crashes


def _fails(words: str, other: bool = False) -> Exception:
    try:
        if other:
            raise ValueError(words)
        raise ValueError(words)
    except ValueError as error:
        return error


def _wrapped(inner: Exception) -> Exception:
    try:
        raise ExceptionGroup("of a nursery", [inner])
    except ExceptionGroup as error:
        return error


def test_the_same_lines_of_code_are_the_same_crash_whatever_they_say() -> None:
    crashes = Crashes()
    assert [crashes.times(_fails(words), 1) for words in ("a", "b", "c")] == [1, 2, 3]


def test_another_line_another_type_or_another_cause_is_new() -> None:
    crashes = Crashes()
    assert crashes.times(_fails("a"), 1) == 1
    assert crashes.times(_fails("a", other=True), 1) == 1
    assert crashes.times(KeyError("a"), 1) == 1
    assert crashes.times(_wrapped(_fails("a")), 1) == 1
    assert crashes.times(_wrapped(_fails("b")), 1) == 2
    assert crashes.times(_wrapped(_fails("b", other=True)), 1) == 1


def test_after_a_long_life_it_is_worth_its_traceback_again() -> None:
    crashes = Crashes()
    assert crashes.times(_fails("a"), 1) == 1
    assert crashes.times(_fails("a"), NEW_AFTER_SECS) == 1
    assert crashes.times(_fails("a"), 1) == 2
