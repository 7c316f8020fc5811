"""What the service says about itself: the first seed's health, readiness in words, and the whole status."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from actors import health
from actors.age.objective import Verdict
from actors.view import AssetView, ChainView, ServiceView
from tests.tuning.scene import Scene
from tests.views import AT, NOW, FakeEndpoint, actor, header, healthy


def eth_health(view: ServiceView, lag: float = 600, asset: str | None = None) -> tuple[int, dict[str, Any]]:
    """The inside of the answer's `data`."""
    code, body = health.eth_health(view, lag, NOW, AT, asset)
    assert list(body) == ["data"]
    return code, body["data"]


def test_a_healthy_service_answers_200_in_exactly_the_seeds_shape() -> None:
    code, data = eth_health(healthy())
    assert code == 200
    assert data == {
        "errors": [],
        "connected": True,
        "rpc_configured": True,
        "last_block_seen": 120,
        "checkpoint_block": 118,
        "last_event_at": "2026-01-02T03:03:55.000Z",
        "tracked_wallets": 42,
        "cached_wallets": 0,
    }


def test_a_lost_socket_is_not_connected_and_says_why() -> None:
    view = healthy()
    view.chains["ethereum"].connected, view.chains["ethereum"].last_error = False, "connection refused"
    code, data = eth_health(view)
    assert (code, data["connected"]) == (500, False)
    assert data["errors"] == ["not connected to chain ethereum: connection refused"]


def test_a_chain_that_is_polled_is_connected_while_an_endpoint_is_up() -> None:
    endpoint = FakeEndpoint()
    view = healthy(endpoint)
    chain = view.chains["ethereum"]
    chain.ws_configured = chain.connected = False
    assert eth_health(view)[0] == 200
    endpoint.down_until = NOW + 1
    code, data = eth_health(view)
    assert (code, data["connected"]) == (500, False)


def test_a_chain_without_rpc_is_an_error() -> None:
    view = healthy()
    view.chains["ethereum"].rpc_configured = False
    code, data = eth_health(view)
    assert (code, data["rpc_configured"]) == (500, False)
    assert data["errors"] == ["rpc is not configured for chain ethereum"]


def test_no_block_seen_is_an_error() -> None:
    view = healthy()
    view.chains["ethereum"].head = None
    code, data = eth_health(view)
    assert (code, data["last_block_seen"]) == (500, None)


def test_no_checkpoint_is_an_error() -> None:
    view = healthy()
    view.assets["AUDIO"].checkpoint_block = None
    code, data = eth_health(view)
    assert (code, data["checkpoint_block"]) == (500, None)


def test_postgres_away_is_an_error() -> None:
    view = healthy()
    view.store_ok, view.store_error = False, "connection refused"
    assert eth_health(view)[1]["errors"] == ["Postgres is unreachable: connection refused"]


@pytest.mark.parametrize(("age", "code"), [(600, 200), (601, 500)])
def test_an_event_older_than_the_lag_is_an_error(age: int, code: int) -> None:
    view = healthy()
    view.assets["AUDIO"].last_event_at = AT - timedelta(seconds=age)
    assert eth_health(view)[0] == code


def test_the_lag_is_the_callers_to_choose() -> None:
    assert eth_health(healthy(), lag=10)[0] == 200
    code, data = eth_health(healthy(), lag=9)
    assert (code, data["errors"]) == (500, ["no event of asset AUDIO for 10 s, more than 9 s"])


@pytest.mark.parametrize(("age", "code"), [(600, 200), (601, 500)])
def test_before_the_first_event_the_lag_counts_from_the_start(age: int, code: int) -> None:
    view = healthy()
    view.assets["AUDIO"].last_event_at, view.started_at = None, AT - timedelta(seconds=age)
    answer, data = eth_health(view)
    assert (answer, data["last_event_at"]) == (code, None)


def test_an_asset_without_triggers_misses_no_event_and_no_checkpoint() -> None:
    view = healthy()
    asset = view.assets["AUDIO"]
    asset.follows, asset.checkpoint_block, asset.last_event_at = False, None, None
    assert eth_health(view)[0] == 200


def test_another_asset_is_asked_for_by_name_and_the_first_is_the_default() -> None:
    view = healthy()
    view.assets["OTHER"] = AssetView("OTHER", "ethereum", checkpoint_block=5, last_event_at=AT)
    assert eth_health(view)[1]["checkpoint_block"] == 118
    assert eth_health(view, asset="OTHER")[1]["checkpoint_block"] == 5
    with pytest.raises(KeyError):
        eth_health(view, asset="NONE")


def test_without_any_asset_every_field_is_there_all_the_same() -> None:
    code, data = eth_health(ServiceView({}, {}))
    assert (code, data["errors"]) == (500, ["no asset is configured"])
    assert list(data) == list(eth_health(healthy())[1])


def test_a_service_that_does_its_job_is_ready() -> None:
    assert health.readiness(healthy(), NOW) == (True, [])


def reasons(view: ServiceView) -> list[str]:
    """Why it is not ready."""
    ready, why = health.readiness(view, NOW)
    assert ready is not bool(why)
    return why


def test_readiness_names_postgres_and_why() -> None:
    view = healthy()
    view.store_ok, view.store_error = False, "the server is shutting down"
    assert reasons(view) == ["Postgres is unreachable: the server is shutting down"]


def test_readiness_names_a_chain_without_a_healthy_endpoint_and_why() -> None:
    down = FakeEndpoint(down_until=NOW + 1, last_error="503")
    assert reasons(healthy(down)) == ["chain ethereum has no healthy endpoint: https://node.example: 503"]
    other = FakeEndpoint(chain_ok=False)
    assert reasons(healthy(other)) == ["chain ethereum has no healthy endpoint: https://node.example: is on another chain"]


def test_an_endpoint_is_up_again_when_its_backoff_is_over() -> None:
    assert reasons(healthy(FakeEndpoint(down_until=NOW, last_error="503"))) == []


def test_readiness_names_a_chain_of_which_no_block_was_seen() -> None:
    view = healthy()
    view.chains["ethereum"].head = None
    assert reasons(view) == ["no block of chain ethereum was seen yet"]


def test_readiness_names_an_asset_that_never_closed_or_is_late() -> None:
    view = healthy()
    asset = view.assets["AUDIO"]
    asset.last_closed_at = NOW - 180
    assert reasons(view) == []
    asset.last_closed_at = NOW - 181
    assert reasons(view) == ["asset AUDIO has not closed for 181 s, due: 60 s"]
    asset.checkpoint_block = None
    assert reasons(view) == ["asset AUDIO is not closed yet"]
    asset.follows = False
    assert reasons(view) == []


def test_a_lost_socket_alone_leaves_it_ready_since_the_timer_closes() -> None:
    view = healthy()
    view.chains["ethereum"].connected = False
    assert reasons(view) == []


@pytest.mark.parametrize("state", ["new", "starting", "backing off", "stopped"])
def test_readiness_names_an_actor_that_does_not_run(state: str) -> None:
    view = healthy()
    view.actors = lambda: [actor("server"), actor("writer", state, "ValueError: bug")]
    assert reasons(view) == [f"actor writer is {state}: ValueError: bug"]


def test_the_status_lists_objects_with_their_names_and_is_json() -> None:
    view = healthy(FakeEndpoint(last_error="429"))
    view.chains["ethereum"].closed, view.chains["ethereum"].last_push_at = header(119), NOW - 2.5
    status = json.loads(json.dumps(health.status(view, NOW)))
    assert status["actors"][1] == {"name": "writer", "state": "running", "restarts": 0, "last_error": None}
    assert status["mailboxes"] == [{"name": "readings", "live": 3, "sweep": 1}]
    assert (status["ready"], status["reasons"]) == (True, [])
    chain = status["chains"][0]
    assert (chain["name"], chain["head"], chain["closed"]) == ("ethereum", 120, 119)
    assert chain["last_push_secs_ago"] == 2.5
    endpoint = status["endpoints"][0]
    assert (endpoint["name"], endpoint["chain"], endpoint["up"]) == ("https://node.example", "ethereum", True)
    asset = status["assets"][0]
    assert (asset["name"], asset["checkpoint_block"], asset["confirmed"]) == ("AUDIO", 118, 110)
    assert asset["last_event_at"] == "2026-01-02T03:03:55.000Z"


def test_the_status_has_each_chains_budget_and_each_assets_forecast() -> None:
    view = healthy()
    assert (health.status(view, NOW)["budgets"], health.status(view, NOW)["forecasts"]) == ([], [])
    view.chains["ethereum"].budget = lambda: {"name": "ethereum", "window_units": 52}
    view.assets["AUDIO"].forecast = lambda: {"name": "AUDIO", "calls": 630}
    status = health.status(view, NOW)
    assert status["budgets"] == [{"name": "ethereum", "window_units": 52}]
    assert status["forecasts"] == [{"name": "AUDIO", "calls": 630}]


def behind(view: ServiceView) -> int | None:
    shown: int | None = health.status(view, NOW)["chains"][0]["behind"]
    return shown


def test_a_chain_is_as_far_behind_as_its_slowest_asset_and_that_is_not_known_while_one_has_no_checkpoint() -> None:
    view = healthy()
    assert behind(view) == 2
    slow = view.assets["SLOW"] = AssetView("SLOW", "ethereum", checkpoint_block=20)
    view.chains["ethereum"].closed = header(119)
    assert behind(view) == 100
    slow.checkpoint_block = None
    assert behind(view) is None
    slow.follows = False
    assert behind(view) == 2
    view.assets["AUDIO"].follows = False
    assert behind(view) == 1
    view.chains["ethereum"].closed = None
    assert behind(view) is None
    view.chains["ethereum"].closed, view.chains["ethereum"].head = header(121), header(120)
    assert behind(view) == 0
    view.chains["ethereum"].head = None
    assert behind(view) is None


def test_what_another_chains_asset_has_closed_says_nothing_of_this_one() -> None:
    view = healthy()
    view.chains["other"] = ChainView("other", rpc_configured=True, head=header(900))
    view.assets["FAR"] = AssetView("FAR", "other", checkpoint_block=1)
    assert [chain["behind"] for chain in health.status(view, NOW)["chains"]] == [2, 899]


def test_readiness_names_an_objective_that_is_at_risk_and_not_one_that_is_behind_for_a_sweep() -> None:
    view = healthy()
    asset = view.assets["AUDIO"]
    asset.objective = Verdict(3600, "behind", "the oldest row was read 9000 s ago")
    assert reasons(view) == []
    asset.objective = Verdict(3600, "late", "rows come to be 4000 s old before they are read again")
    assert reasons(view) == ["asset AUDIO: rows come to be 4000 s old before they are read again"]
    asset.follows = False
    assert len(reasons(view)) == 1


def test_the_status_has_each_assets_ages_and_objective_and_null_while_unknown() -> None:
    view = healthy()
    shown = health.status(view, NOW)["assets"][0]
    assert [shown[name] for name in ("age", "age_error", "objective", "event_to_row")] == [None] * 4
    view.assets["AUDIO"].age, view.assets["AUDIO"].objective = {"rows": 3}, Verdict(3600, "late", "x", float("inf"), 0.5)
    shown = json.loads(json.dumps(health.status(view, NOW)["assets"][0], allow_nan=False))
    assert shown["age"] == {"rows": 3}
    assert shown["objective"] == {"target_secs": 3600, "state": "late", "at_risk": True, "why": "x", "peak_secs": None, "swept_share": 0.5}


async def test_a_head_says_how_long_ago_it_was_one_which_in_logs_is_since_a_closing(tmp_path: Path, autojump_clock: trio.testing.MockClock) -> None:
    scene = Scene(tmp_path, {"chain.follow": "logs", "chain.confirm_secs": 30, "sweeper.interval_secs": 3600})
    async with scene.running() as system:
        scene.busy = False
        said = []
        for _ in range(100):
            await trio.sleep(1)
            said.append(health.status(system.view, trio.current_time())["chains"][0]["head_seen_secs_ago"])
        assert min(said) < 2
        assert 25 < max(said) < 33
        scene.write({"chain.confirm_secs": 6})
        scene.reload()
