"""Rates from counters."""

from __future__ import annotations

from actors.rates import Rates


def test_a_rate_is_of_the_last_ten_seconds_and_none_is_known_before_the_second_sample() -> None:
    now, counts = [0.0], {"rows": 1000.0}
    rates = Rates(lambda: dict(counts))
    rates.sample(now[0])
    assert rates.shown() is None
    for second in range(1, 31):
        counts["rows"] += 5 if second <= 15 else 100
        rates.sample(float(second))
    assert rates.shown() == {"rows_per_sec": 100.0}
    for second in range(31, 45):
        rates.sample(float(second))
    assert rates.shown() == {"rows_per_sec": 0.0}


def test_a_counter_that_is_new_or_begins_anew_has_no_negative_rate() -> None:
    counts = {"rows": 50.0}
    rates = Rates(lambda: dict(counts))
    rates.sample(0.0)
    counts.update(rows=10.0, events=20.0)
    rates.sample(2.0)
    assert rates.shown() == {"rows_per_sec": 0.0, "events_per_sec": 10.0}


def test_samples_do_not_pile_up() -> None:
    rates = Rates(lambda: {"rows": 0.0})
    for second in range(10_000):
        rates.sample(float(second))
    assert len(rates._samples) < 20
