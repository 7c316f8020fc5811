"""The routes over real sockets: each path, who is refused, and the rules for killing."""

from __future__ import annotations

import re
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import httpx
import pytest
import trio

from actors import dashboard, health, secrets, server
from actors.child import ChildSpec
from actors.config import ChaosConfig, ServerConfig
from actors.errors import ConfigError
from actors.host_names import HostNames
from actors.http_server import Request
from actors.metrics import Metrics
from actors.supervisor import Supervisor
from actors.view import ServiceView
from tests.views import actor, healthy

CHAOS = ChaosConfig(enabled=True, token="open-sesame")
BEARER = {"authorization": "Bearer open-sesame"}
KILL = "/api/actors/batcher%3Aethereum/kill"
LOCAL = ServerConfig(bind="127.0.0.1:0")


@dataclass
class Site:
    """A served view and what was killed through it."""

    view: ServiceView
    killed: list[str] = field(default_factory=list)
    client: httpx.AsyncClient = field(default_factory=httpx.AsyncClient)

    def kill(self, name: str) -> bool:
        """There is one actor."""
        self.killed.append(name)
        return name == "batcher:ethereum"

    async def get(self, path: str, **headers: str) -> httpx.Response:
        """GET with these headers."""
        return await self.client.get(path, headers=headers)


@asynccontextmanager
async def serving(chaos: ChaosConfig = CHAOS, bind: ServerConfig = LOCAL) -> AsyncIterator[Site]:
    """The server on a free port, and a client of it."""
    async with trio.open_nursery() as nursery:
        site = Site(healthy(now=trio.current_time(), at=datetime.now(UTC)))
        start: Callable[..., object] = nursery.start
        url = await start(server.run, bind, chaos, site.view, Metrics(), site.kill)  # type: ignore[misc]
        async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=60) as site.client:
            yield site
        nursery.cancel_scope.cancel()


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    async with serving() as site:
        yield site


async def test_the_root_lists_the_paths(site: Site) -> None:
    answer = await site.get("/")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    for path in ("/healthz", "/readyz", "/eth/health", "/metrics", "/api/status", "/api/events"):
        assert path in answer.text


async def test_the_root_is_the_dashboard_for_whoever_reads_html(site: Site) -> None:
    answer = await site.get("/", accept="text/html,application/xhtml+xml")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["vary"] == "accept"
    again = await site.get("/", accept="text/html", **{"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_the_dashboards_files_are_served_and_nothing_beside_them(site: Site) -> None:
    for path in dashboard.PATHS:
        assert (await site.get(path)).status_code == 200
    for path in ("/dashboard/", "/dashboard/__init__.py", "/dashboard/../server.py", "/dashboard/nothing.js"):
        assert (await site.get(path)).status_code == 404
    assert (await site.client.post("/dashboard/app.js")).status_code == 405


async def test_the_status_has_the_rates_of_the_last_seconds() -> None:
    metrics, view = Metrics(), healthy(now=trio.current_time(), at=datetime.now(UTC))
    async with trio.open_nursery() as nursery:
        start: Callable[..., object] = nursery.start
        await start(server.run, LOCAL, CHAOS, view, metrics, lambda name: False)  # type: ignore[misc]
        with trio.fail_after(30):
            while not (rates := view.rates()) or not rates["rows_per_sec"]:
                view.assets["AUDIO"].events += 1
                metrics.rows_written.labels("AUDIO").inc(100)
                await trio.sleep(0.01)
        assert rates["rows_per_sec"] == pytest.approx(100 * rates["events_per_sec"], rel=0.1)
        nursery.cancel_scope.cancel()


async def test_healthz_says_that_the_process_lives_whatever_else_is_wrong(site: Site) -> None:
    site.view.store_ok = False
    answer = await site.get("/healthz")
    assert (answer.status_code, answer.text) == (200, "ok\n")


async def test_readyz_is_200_when_ready_and_503_with_reasons_when_not(site: Site) -> None:
    answer = await site.get("/readyz")
    assert (answer.status_code, answer.json()) == (200, {"ready": True, "reasons": []})
    site.view.store_ok, site.view.store_error = False, "gone"
    answer = await site.get("/readyz")
    assert (answer.status_code, answer.json()["reasons"]) == (503, ["Postgres is unreachable: gone"])


async def test_eth_health_takes_the_seeds_parameter(site: Site) -> None:
    answer = await site.get("/eth/health")
    assert (answer.status_code, answer.json()["data"]["errors"]) == (200, [])
    assert (await site.get("/eth/health?max_event_lag_secs=1")).status_code == 500
    assert (await site.get("/eth/health?max_event_lag_secs=600&asset=AUDIO")).status_code == 200


@pytest.mark.parametrize("value", ["soon", "-1", "nan", "inf", ""])
async def test_eth_health_refuses_a_lag_that_is_no_number_of_seconds(site: Site, value: str) -> None:
    answer = await site.get(f"/eth/health?max_event_lag_secs={value}")
    assert (answer.status_code, answer.json()["error"]) == (
        400,
        "max_event_lag_secs: expected a number of seconds",
    )


async def test_eth_health_of_an_unknown_asset_is_404(site: Site) -> None:
    assert (await site.get("/eth/health?asset=NONE")).status_code == 404


async def test_metrics_are_prometheus_text_with_what_the_view_knows(site: Site) -> None:
    answer = await site.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'trueup_actor_up{actor="server"} 1.0' in answer.text
    assert 'trueup_closings_total{asset="AUDIO"} 0.0' in answer.text


async def test_the_status_lists_the_actors(site: Site) -> None:
    answer = await site.get("/api/status")
    assert answer.headers["content-type"] == "application/json"
    names = [(each["name"], each["state"], each["restarts"]) for each in answer.json()["actors"]]
    assert names == [("server", "running", 0), ("writer", "running", 0)]
    assert re.fullmatch(r"[\d-]{10}T[\d:]{8}\.\d{3}Z", answer.json()["at"])


async def test_a_secret_in_an_error_is_masked_wherever_it_is_shown(site: Site) -> None:
    secrets.register("correct-horse")
    try:
        site.view.store_ok, site.view.store_error = False, "no password correct-horse"
        site.view.actors = lambda: [actor("writer", "backing off", "at correct-horse")]
        for path in ("/readyz", "/eth/health", "/api/status", "/metrics"):
            answer = await site.get(path)
            assert "correct-horse" not in answer.text
        assert "no password ***" in (await site.get("/readyz")).text
    finally:
        secrets.clear()


async def test_events_begin_with_the_status_at_once(site: Site) -> None:
    url = site.client.base_url
    async with await trio.open_tcp_stream(url.host, url.port or 0) as stream:
        await stream.send_all(b"GET /api/events HTTP/1.1\r\nhost: localhost\r\n\r\n")
        said = b""
        while b"}\n\n" not in said:
            said += await stream.receive_some()
    assert b"content-type: text/event-stream" in said
    assert b'event: status\ndata: {"started_at":' in said


async def test_events_go_on_every_second(autojump_clock: trio.testing.MockClock) -> None:
    routes = server.Routes(HostNames("127.0.0.1"), CHAOS, healthy(), Metrics(), lambda _: False)
    moments: list[float] = []

    async def send(data: bytes) -> None:
        moments.append(trio.current_time())
        if len(moments) == 3:
            raise trio.BrokenResourceError

    response = routes(Request("GET", "/api/events", {}, {}))
    assert response.stream is not None
    with pytest.raises(trio.BrokenResourceError):
        await response.stream(send)
    assert [later - moments[0] for later in moments] == pytest.approx([0, 1, 2])


async def test_head_is_served_where_get_is(site: Site) -> None:
    answer = await site.client.head("/api/status")
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize("path", ["/nothing", "/api/actors/writer", "/healthz/", "/api/actors//kill"])
async def test_an_unknown_path_is_404(site: Site, path: str) -> None:
    assert (await site.get(path)).status_code == 404


async def test_a_wrong_method_is_405_and_says_what_is_right(site: Site) -> None:
    answer = await site.client.post("/healthz")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")
    answer = await site.get(KILL)
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert site.killed == []


@pytest.mark.parametrize("host", ["evil.example", "evil.example:1325", "[", "127.0.0.1.evil.example", ""])
async def test_on_loopback_a_foreign_host_name_is_refused(site: Site, host: str) -> None:
    assert (await site.get("/api/status", host=host)).status_code == 421


@pytest.mark.parametrize("host", ["localhost:1325", "127.0.0.1", "[::1]:80", "LOCALHOST"])
async def test_on_loopback_local_names_are_served(site: Site, host: str) -> None:
    assert (await site.get("/healthz", host=host)).status_code == 200


async def test_on_an_open_address_a_foreign_host_name_is_refused_as_well_and_an_address_is_nobodys() -> None:
    async with serving(bind=ServerConfig(bind="0.0.0.0:0")) as site:
        for host in ("evil.example", "10.0.0.7.evil.example", "localhost.evil.example", ""):
            answer = await site.get("/api/status", host=host)
            assert (answer.status_code, "server.hosts" in answer.text) == (421, True), host
        for host in ("10.0.0.7:1325", "[fe80::1]:1325", "localhost", "localhost.", f"{socket.gethostname().upper()}:1325"):
            assert (await site.get("/healthz", host=host)).status_code == 200, host


@pytest.mark.parametrize("bind", ["127.0.0.1:0", "0.0.0.0:0"])
async def test_the_operators_own_host_names_are_served(bind: str) -> None:
    async with serving(bind=ServerConfig(bind=bind, hosts=("trueup.internal",))) as site:
        assert (await site.get("/healthz", host="TrueUp.internal:80")).status_code == 200
        assert (await site.get("/healthz", host="other.internal")).status_code == 421
    async with serving(bind=ServerConfig(bind=bind, hosts=("*",))) as site:
        assert (await site.get("/healthz", host="other.internal")).status_code == 200


async def test_a_kill_with_the_token_is_202_and_kills(site: Site) -> None:
    answer = await site.client.post(KILL, headers=BEARER)
    assert (answer.status_code, answer.json()) == (202, {"killed": "batcher:ethereum"})
    assert site.killed == ["batcher:ethereum"]


async def test_a_kill_of_an_unknown_actor_is_404(site: Site) -> None:
    answer = await site.client.post("/api/actors/nobody/kill", headers=BEARER)
    assert (answer.status_code, answer.json()) == (404, {"error": "there is no such actor"})


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer wrong", "Bearer open-sesame2", "Basic open-sesame", "open-sesame", "Bearer \xe9"],
)
async def test_a_kill_without_the_token_is_401_and_kills_nobody(site: Site, authorization: str) -> None:
    headers = [(b"authorization", authorization.encode("latin-1"))]
    answer = await site.client.post(KILL, headers=headers)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert site.killed == []


async def test_after_ten_wrong_tokens_a_minute_is_waited_also_with_the_right_one(autojump_clock: trio.testing.MockClock) -> None:
    routes = server.Routes(HostNames("127.0.0.1"), CHAOS, healthy(), Metrics(), lambda _: True)

    def kill(token: str) -> int:
        return routes(Request("POST", KILL, {}, {"authorization": f"Bearer {token}"})).status

    assert [kill(f"guess-{number}") for number in range(12)] == 10 * [401] + 2 * [429]
    refused = routes(Request("POST", KILL, {}, BEARER))
    assert (refused.status, refused.headers["retry-after"]) == (429, "60")
    await trio.sleep(60)
    assert kill("open-sesame") == 202
    assert [kill(f"guess-{number}") for number in range(10)] == 10 * [401]


async def test_one_event_is_made_for_all_streams(monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock) -> None:
    routes, made = server.Routes(HostNames("127.0.0.1"), CHAOS, healthy(), Metrics(), lambda _: False), list[float]()
    sent = list[bytes]()

    def status(view: ServiceView, now: float) -> dict[str, object]:
        made.append(now)
        return {}

    monkeypatch.setattr(health, "status", status)

    async def send(data: bytes) -> None:
        sent.append(data)

    stream = routes(Request("GET", "/api/events", {}, {})).stream
    assert stream is not None
    with trio.move_on_after(9.5):
        async with trio.open_nursery() as nursery:
            for _ in range(30):
                nursery.start_soon(stream, send)
    assert (len(made), len(sent)) == (10, 300)


async def test_an_empty_token_in_the_config_opens_nothing() -> None:
    async with serving(replace(CHAOS, token="")) as site:
        assert (await site.client.post(KILL, headers={"authorization": "Bearer"})).status_code == 401
        assert site.killed == []


async def test_without_chaos_there_is_no_kill_path() -> None:
    async with serving(replace(CHAOS, enabled=False)) as site:
        assert (await site.client.post(KILL, headers=BEARER)).status_code == 404
        assert site.killed == []


async def test_the_server_answers_before_it_dies_of_its_own_kill_and_comes_back() -> None:
    urls: list[str] = []

    class Limits:
        max_restarts, within_secs, backoff_initial_secs, backoff_max_secs, progress_secs = 0, 1.0, 1.0, 1.0, 90.0

    async def run(task_status: trio.TaskStatus[str]) -> None:
        class Note:
            def started(self, url: str) -> None:
                urls.append(url)
                task_status.started(url)
                back.set()

        note: trio.TaskStatus[str] = Note()  # type: ignore[assignment]
        await server.run(LOCAL, CHAOS, healthy(), Metrics(), supervisor.kill, task_status=note)

    supervisor = Supervisor([ChildSpec("server", run)], Limits())
    back = trio.Event()
    async with trio.open_nursery() as nursery, httpx.AsyncClient(trust_env=False, timeout=60) as client:
        await nursery.start(supervisor.run)
        back = trio.Event()
        answer = await client.post(f"{urls[0]}/api/actors/server/kill", headers=BEARER)
        assert (answer.status_code, answer.json()) == (202, {"killed": "server"})
        await back.wait()
        assert (await client.get(f"{urls[1]}/healthz")).status_code == 200
        nursery.cancel_scope.cancel()


async def test_a_port_in_use_is_a_clear_config_error_and_a_freed_one_is_had_again() -> None:
    async with serving() as site:
        taken = ServerConfig(bind=f"127.0.0.1:{site.client.base_url.port}")
        with pytest.raises(ConfigError, match=rf"^server\.bind: cannot listen on {taken.bind}: .*in use"):
            await server.run(taken, CHAOS, site.view, Metrics(), site.kill)
        assert (await site.get("/healthz")).status_code == 200
    async with serving(bind=taken) as site:
        assert (await site.get("/healthz")).status_code == 200


@pytest.mark.parametrize("bind", ["nowhere.invalid:0", "a..b:0", f"{'a' * 64}.example:0"])
async def test_a_name_that_cannot_be_listened_on_is_a_clear_config_error(bind: str) -> None:
    with pytest.raises(ConfigError, match=rf"^server\.bind: cannot listen on {bind}: "):
        await server.run(ServerConfig(bind=bind), CHAOS, healthy(), Metrics(), lambda _: False)


async def test_a_server_that_is_turned_off_is_not_run() -> None:
    with pytest.raises(ConfigError, match="turned off"):
        await server.run(ServerConfig(bind=""), CHAOS, healthy(), Metrics(), lambda _: False)
