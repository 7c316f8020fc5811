"""Every tunable key is shown to change behaviour while the system runs: where."""

from __future__ import annotations

from pathlib import Path

import pytest

from actors.config.keys import ARRAYS, TABLES, keys_of

SHOWN = {
    "log.level": ("test_sighup", "test_the_log_is_as_talkative_and_of_the_form_that_the_file_says_now"),
    "log.format": ("test_sighup", "test_the_log_is_as_talkative_and_of_the_form_that_the_file_says_now"),
    "budget.prices_file": ("test_budget", "test_calls_cost_what_the_price_file_says_now"),
    "sweeper.interval_secs": ("test_sweeping", "test_ticks_come_as_often_as_interval_secs_says_now"),
    "sweeper.batch_size": ("test_sweeping", "test_a_tick_takes_as_many_rows_as_batch_size_says_now"),
    "ledger.interval_secs": ("test_ledger", "test_claims_come_as_often_as_interval_secs_says_now"),
    "ledger.batch_size": ("test_ledger", "test_a_claim_takes_as_many_rows_as_batch_size_says_now"),
    "ledger.lease_secs": (
        "test_ledger",
        "test_rows_are_held_for_as_long_as_lease_secs_says_now_and_no_lease_lapses_over_the_change",
    ),
    "audit.rows_a_minute": ("test_sweeping", "test_as_many_rows_are_audited_as_rows_a_minute_says_now"),
    "supervisor.max_restarts": ("test_supervision", "test_more_crashes_are_borne_where_max_restarts_is_higher_now"),
    "supervisor.within_secs": ("test_supervision", "test_crashes_are_counted_over_as_long_as_within_secs_says_now"),
    "supervisor.backoff_initial_secs": (
        "test_supervision",
        "test_an_actor_waits_before_it_starts_again_for_as_long_as_the_backoff_says_now",
    ),
    "supervisor.backoff_max_secs": (
        "test_supervision",
        "test_an_actor_waits_before_it_starts_again_for_as_long_as_the_backoff_says_now",
    ),
    "supervisor.grace_secs": ("test_supervision", "test_a_clean_stop_takes_as_long_as_grace_secs_says_now"),
    "supervisor.progress_secs": (
        "test_supervision",
        "test_an_actor_without_progress_is_killed_after_as_long_as_progress_secs_says_now",
    ),
    "chaos.kill_every_secs": ("test_supervision", "test_chaos_kills_as_often_as_kill_every_secs_says_now"),
    "chain.follow": ("test_following", "test_heads_close_each_block_from_the_change_on_and_logs_wait_for_the_timer_again"),
    "chain.confirm_secs": ("test_following", "test_a_shorter_time_is_noticed_by_a_timer_that_has_begun"),
    "chain.poll_interval_secs": ("test_following", "test_a_shorter_time_is_noticed_by_a_timer_that_has_begun"),
    "chain.stall_secs": ("test_following", "test_a_shorter_stall_secs_finds_a_socket_that_is_silent_already"),
    "chain.max_log_blocks": ("test_following", "test_no_more_blocks_are_asked_for_at_once_than_max_log_blocks_says_now"),
    "chain.holders_per_call": ("test_reading", "test_a_call_holds_as_many_wallets_as_holders_per_call_says_now"),
    "chain.calls_in_flight": ("test_reading", "test_as_many_calls_are_under_way_as_calls_in_flight_says_now"),
    "chain.reads": ("test_reading", "test_wallets_are_read_by_the_rung_that_reads_says_now"),
    "chain.prices": ("test_budget", "test_calls_cost_what_the_prices_of_now_say"),
    "chain.compute_units_per_sec": ("test_budget", "test_as_many_units_are_spent_a_second_as_the_limit_says_now"),
    "chain.compute_units_per_month": ("test_budget", "test_the_sweep_stands_and_goes_by_the_months_cap_of_now"),
    "chain.month_starts_on": ("test_budget", "test_a_month_begins_on_the_day_that_month_starts_on_says_now"),
    "asset.target_age_secs": ("test_sweeping", "test_rows_are_kept_as_young_as_target_age_secs_says_now"),
}


def test_the_table_names_every_tunable_key_and_no_other() -> None:
    tunable = [f"{kind}.{name}" for kind, table in {**TABLES, **ARRAYS}.items() for name, key in keys_of(table).items() if key.metadata["tunable"]]
    assert sorted(SHOWN) == sorted(tunable)


@pytest.mark.parametrize(("module", "name"), sorted(set(SHOWN.values())))
def test_what_the_table_names_is_there(module: str, name: str) -> None:
    assert f"def {name}(" in (Path(__file__).parent / f"{module}.py").read_text()
