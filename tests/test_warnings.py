"""What an operator is told although the service does its job: each line names the part and its cause."""

from __future__ import annotations

from typing import Any

import pytest

from actors import health
from actors.view import Restart, ServiceView
from actors.warnings import warnings
from tests.views import NOW, FakeEndpoint, actor, healthy


def warned(view: ServiceView) -> list[str]:
    found: list[str] = health.status(view, NOW)["warnings"]
    return found


def reasons(view: ServiceView) -> list[str]:
    return health.readiness(view, NOW)[1]


def test_a_service_without_a_fault_has_nothing_to_tell() -> None:
    assert warned(healthy()) == []


def failing(name: str = "https://bad.example", **more: Any) -> FakeEndpoint:
    """Its second failure was a moment ago, and its pause is over."""
    return FakeEndpoint(name, failures=2, last_error="503", answered_at=NOW - 9, failed_at=NOW - 1, down_until=NOW - 0.1, **more)


def test_an_endpoint_that_fails_while_others_carry_on_is_a_warning_and_no_reason() -> None:
    view = healthy()
    view.chains["ethereum"].endpoints = lambda: [failing(), FakeEndpoint()]
    assert warned(view) == ["endpoint https://bad.example of chain ethereum is down, others carry on: 503"]
    assert reasons(view) == []
    assert [each["up"] for each in health.status(view, NOW)["endpoints"]] == [False, True]


def test_where_every_endpoint_fails_that_is_the_reason_also_between_two_attempts() -> None:
    view = healthy()
    view.chains["ethereum"].endpoints = lambda: [failing(), failing("https://worse.example")]
    assert warned(view) == []
    assert reasons(view) == ["chain ethereum has no healthy endpoint: https://bad.example: 503; https://worse.example: 503"]


def test_an_endpoint_that_answered_since_or_failed_once_for_a_moment_is_no_warning() -> None:
    view, fine = healthy(), failing()
    fine.answered_at = NOW - 0.5
    once = FakeEndpoint(failures=1, last_error="reset", down_until=NOW + 0.9, failed_at=NOW)
    view.chains["ethereum"].endpoints = lambda: [fine, once, FakeEndpoint()]
    assert warned(view) == []


def test_an_endpoint_on_another_chain_and_one_with_a_long_pause_are_warnings() -> None:
    view = healthy()
    paused = FakeEndpoint("https://busy.example", failures=1, last_error="429", down_until=NOW + 60, failed_at=NOW)
    view.chains["ethereum"].endpoints = lambda: [FakeEndpoint("https://far.example", chain_ok=False), paused, FakeEndpoint()]
    assert [text.rpartition(": ")[2] for text in warned(view)] == ["is on another chain", "429"]


def test_a_lost_socket_is_named_with_its_cause_until_something_is_pushed_again() -> None:
    view = healthy()
    chain = view.chains["ethereum"]
    chain.connected, chain.socket_error = False, "connection refused"
    assert warned(view) == ["the socket of chain ethereum is down, it is polled meanwhile: connection refused"]
    chain.connected, chain.connected_at, chain.last_push_at = True, NOW - 5, NOW - 30
    assert warned(view) == ["the socket of chain ethereum was opened anew and has pushed nothing yet: connection refused"]
    chain.last_push_at = NOW - 1
    assert warned(view) == []
    chain.last_push_at, chain.connected_at = None, NOW - 61  # a quiet token
    assert warned(view) == []


def test_the_socket_of_a_chain_that_another_copy_follows_is_that_ones_to_tell() -> None:
    view = healthy()
    view.chains["ethereum"].connected = view.chains["ethereum"].leads = False
    assert warned(view) == []


def test_set_aside_wallets_are_counted_and_the_first_is_named_with_its_error() -> None:
    view = healthy()
    asset = view.assets["AUDIO"]
    asset.set_aside = 1
    assert warned(view) == ["1 wallet of asset AUDIO is set aside"]
    asset.set_aside, asset.set_aside_wallets = 1200, [{"wallet": "0xab", "error": "source 0 reverted"}]
    assert warned(view) == ["1,200 wallets of asset AUDIO are set aside, the first: 0xab: source 0 reverted"]
    assert health.status(view, NOW)["assets"][0]["set_aside_wallets"] == asset.set_aside_wallets


def budget(**facts: Any) -> ServiceView:
    view = healthy()
    view.chains["ethereum"].budget = lambda: {"name": "ethereum", "month_units": 90, "month_cap": 100, "sweep_units_per_sec": 1.0, **facts}
    return view


def test_a_spent_budget_is_a_reason_and_so_is_one_whose_rest_live_events_need() -> None:
    assert reasons(budget()) == []
    spent = "the sweeps of chain ethereum stand still, the month's budget is spent: 100 of 100 units"
    assert reasons(budget(month_units=100)) == [spent]
    kept = "the sweeps of chain ethereum stand still, the rest of the month's budget is kept for live events: 90 of 100 units"
    assert reasons(budget(sweep_units_per_sec=0.0)) == [kept]
    assert reasons(budget(month_cap=None, month_units=10**9)) == reasons(budget(month_units=None, sweep_units_per_sec=0.0)) == []


def test_a_provider_that_throttles_and_a_sweep_that_the_budget_slows_are_warnings() -> None:
    view = budget(learned_units_per_sec=1250.4, throttled=3)
    pace = {"rows": 1000, "tick_rows": 100, "tick_every_secs": 30}
    view.assets["AUDIO"].forecast = lambda: {"limited_by": "budget", "secs": 7300.0, **pace}
    assert warned(view) == [
        "the provider of chain ethereum refused 3 calls for their rate: 1,250 units a second are kept to",
        "the sweep of asset AUDIO is slowed by the budget: it takes 2.0 h instead of 5.0 min",
    ]
    view.assets["AUDIO"].forecast = lambda: {"limited_by": "interval_secs", "secs": 7300.0, **pace}
    assert len(warned(view)) == 1


def test_wrong_rows_and_a_blocked_audit_are_warnings() -> None:
    asset = {"name": "AUDIO", "audit": {"checked": 50_000, "wrong": 3, "mended": 2, "last_wrong_at": "2026-01-02T03:00:00Z", "blocked": "pruned"}}
    assert warnings(healthy(), [asset], NOW) == [
        "the audit of asset AUDIO found 3 wrong rows among 50,000, 2 mended, the last at 2026-01-02T03:00:00Z",
        "the audit of asset AUDIO is blocked: pruned",
    ]
    assert warnings(healthy(), [{"name": "AUDIO", "audit": None}], NOW) == []


def test_one_wrong_row_is_one_row() -> None:
    asset = {"name": "AUDIO", "audit": {"checked": 20, "wrong": 1, "mended": 1, "last_wrong_at": "2026-01-02T03:00:00Z"}}
    assert warnings(healthy(), [asset], NOW) == ["the audit of asset AUDIO found 1 wrong row among 20, 1 mended, the last at 2026-01-02T03:00:00Z"]


def test_ages_that_cannot_be_measured_are_a_warning_with_the_cause() -> None:
    view = healthy()
    view.assets["AUDIO"].age_error = "canceling statement due to statement timeout"
    assert warned(view) == ["the ages of asset AUDIO's rows cannot be measured: canceling statement due to statement timeout"]


def with_restarts(*causes: str, state: str = "running") -> ServiceView:
    view = healthy()
    view.restarts.extend(Restart(NOW - 1, "writer", cause) for cause in causes)
    view.restarts.appendleft(Restart(NOW - 61, "writer", "crash"))
    view.actors = lambda: [actor("server"), actor("writer", state, "ValueError: bug")]
    return view


def test_a_restart_is_told_for_a_minute_with_its_cause() -> None:
    assert warned(with_restarts()) == []
    assert warned(with_restarts("crash")) == ["actor writer was started again within a minute: ValueError: bug"]
    assert warned(with_restarts("crash", "stall")) == ["actor writer was started again 2 times within a minute: ValueError: bug"]
    killed = "killed on demand within a minute, and started again: writer (2 times)"
    assert warned(with_restarts("kill", "kill")) == [killed]
    assert reasons(with_restarts("kill", "kill", "crash")) == []


@pytest.mark.parametrize("state", ["running", "backing off"])
def test_a_crash_loop_is_a_reason_and_is_said_once(state: str) -> None:
    view = with_restarts("crash", "crash", "stall", state=state)
    assert len(reasons(view)) == 1
    assert "ValueError: bug" in reasons(view)[0]
    assert warned(view) == []


def test_a_block_from_no_time_at_all_breaks_no_status() -> None:
    view = healthy()
    head = view.chains["ethereum"].head
    assert head is not None
    for moment in (2**63, -(2**70), 10**30):
        object.__setattr__(head, "timestamp", moment)
        assert health.status(view, NOW)["chains"][0]["head_at"] is None


def test_a_config_file_that_was_refused_or_waits_for_a_restart_is_a_warning_and_no_reason() -> None:
    view = healthy()
    view.config.error = "my.toml: line 3: not TOML"
    view.config.restart_needed = ("database.url", "chain.polygon")
    assert warned(view) == [
        "the config file was read again and refused, nothing has changed: my.toml: line 3: not TOML",
        "the config file has changes that need a restart: database.url, chain.polygon",
    ]
    assert reasons(view) == []
    shown = health.status(view, NOW)["config"]
    assert (shown["error"], shown["restart_needed"]) == ("my.toml: line 3: not TOML", ["database.url", "chain.polygon"])
    assert shown["loaded_at"].endswith("Z")
