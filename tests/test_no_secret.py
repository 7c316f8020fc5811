"""A secret in every place that can hold one, everybody who hears one repeats it, and none is in any output, table or crash."""

from __future__ import annotations

import io
import logging
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

import psycopg
import pytest

from actors import secrets
from actors.cli import main
from actors.sandbox.anvil import Anvil
from actors.sandbox.process import free_port
from actors.sandbox.town import Town
from tests.dashboard.plant import Proxies
from tests.ledger_scene import SEED, Books
from tests.plants import KINDS, Garden, secret_keys
from tests.process import reap
from tests.role import ROLE, as_service, init
from tests.telltales import RevertsFor, Telltale
from tests.world import PATIENCE_SECS, World

CONFIG_SECRETS = {"database.url", "chain.http", "chain.ws", "chain.archive", "chaos.token"}
CRASH = """
CREATE TABLE told (words text);
INSERT INTO told VALUES ({words});
CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
  RAISE EXCEPTION '%', (SELECT words FROM told) USING ERRCODE = 'insufficient_privilege', DETAIL = (SELECT words FROM told),
    HINT = (SELECT words FROM told);
END $$;
CREATE TRIGGER tell BEFORE INSERT OR UPDATE ON trueup_blocks FOR EACH ROW EXECUTE FUNCTION tell();
"""
REFUSED_ROW = """
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION '%', {words}; END $$;
CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON eth_wallet_balances FOR EACH ROW WHEN (NEW.wallet = '{wallet}') EXECUTE FUNCTION refuse();
"""
TEXTS = """
SELECT table_name, column_name FROM information_schema.columns
WHERE table_schema = 'public' AND table_name <> 'told' AND (table_name, column_name) <> ('chains', 'rpc_url')
"""


class Scene:
    """A config whose secrets are in its environment, its nodes, and all that was said so far, by who said it."""

    def __init__(self, folder: Path, database: str, town: Town, node: Anvil, proxies: Proxies) -> None:
        self.garden, self.said = Garden(), dict[str, str]()
        self.folder, self.town, self.proxies, self.port = folder, town, proxies, free_port()
        http, archive = (each.http.removeprefix("http://") for each in proxies.all)
        ws = proxies.all[0].ws.removeprefix("ws://")
        self.env = {
            "PLANTED_HTTP": self.garden.url("chain.http", "http", http),
            "PLANTED_WS": self.garden.url("chain.ws", "ws", ws),
            "PLANTED_ARCHIVE": self.garden.url("chain.archive", "http", archive),
            "PLANTED_DATABASE": self.garden.database("database.url", as_service(database)),
            "TRUEUP_CHAOS__TOKEN": self._token("chaos.token"),
            "TRUEUP_CHAOS_TOKEN": self.garden.planted["chaos.token"],
        }
        with psycopg.connect(database) as conn:
            conn.execute(SEED.encode())
        extra = '[chaos]\nenabled = true\ntoken = "x"\n[ledger]\nenabled = true\ninterval_secs = 0.2\naddress_from = ["user_wallet_addresses"]\n'
        extra += '[audit]\nrows_a_minute = 600\n[log]\nlevel = "debug"\nformat = "FORMAT"'
        chain = 'archive = ["${PLANTED_ARCHIVE}"]\nconfirm_secs = 0.3\nstall_secs = 1\nreads = "multicall3"'
        self.world = World(folder, database, town, interval=0.2, chain=chain.replace("${PLANTED_ARCHIVE}", node.http), extra=extra.replace("FORMAT", "console"))
        text = self.world.path.read_text().replace(f'archive = ["{node.http}"]', 'archive = ["${PLANTED_ARCHIVE}"]')
        text = text.replace(f'http = ["{node.http}"]', 'http = ["${PLANTED_HTTP}"]').replace(node.ws, "${PLANTED_WS}")
        text = text.replace(self.world.config.database.url, "${PLANTED_DATABASE}").replace('bind = ""', f'bind = "127.0.0.1:{self.port}"')
        self.world.path.write_text(text)
        init(database, self.world.config)
        self._fill_ledger(Books(database), http)

    def _token(self, place: str) -> str:
        return self.garden.secret(place)

    def _fill_ledger(self, books: Books, http: str) -> None:
        chain = books.chain("side", self.garden.url("chains.rpc_url", "http", http))
        books.chain("nowhere", self.garden.url("chains.rpc_url that nobody answers at", "https", "127.0.0.1:1"))
        books.chain("wrong", self.garden.url("chains.rpc_url of another kind", "ftp", "127.0.0.1:1"))
        for wallet in self.town.wallets[:3]:
            books.row(books.address("0x" + wallet.hex(), chain), books.asset(chain, self.town.token))

    def here(self, name: str, *words: str, env: dict[str, str] | None = None) -> int:
        """A command without a process of its own; what it said is kept."""
        out = io.StringIO()
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(out):
            for variable, value in {**self.env, **(env or {})}.items():
                patch.setenv(variable, value)
            patch.setattr(logging.getLogger(), "handlers", [])
            secrets.clear()
            code = main(words)
            secrets.clear()
        self.said[name] = out.getvalue()
        return code

    def run(self, name: str, *words: str, env: dict[str, str] | None = None, secs: float = 100) -> int | None:
        """One command, to its end or for so long; what it said is kept."""
        command = [sys.executable, "-X", "dev", "-m", "actors", *words]
        environment = {**os.environ, **self.env, **(env or {})}
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment)
        try:
            said, _ = process.communicate(timeout=secs)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGINT)
            said, _ = process.communicate(timeout=60)
        finally:
            reap(process)
        self.said[name] = said
        return process.returncode

    @contextmanager
    def service(self, name: str) -> Iterator[subprocess.Popen[bytes]]:
        """`trueup run` meanwhile; what it said is kept."""
        log = self.folder / f"{name}.log"
        command = [sys.executable, "-m", "actors", "run", "-c", str(self.world.path)]
        with log.open("wb") as out:
            process = subprocess.Popen(command, stdout=out, stderr=out, env={**os.environ, **self.env})
        try:
            yield process
            self.said[f"{name}: ps"] = Path(f"/proc/{process.pid}/cmdline").read_text()
            process.send_signal(signal.SIGTERM)
            process.wait(60)
        finally:
            process.kill()
            process.wait()
            self.said[name] = log.read_text()

    def as_owner(self, statements: str) -> None:
        with psycopg.connect(self.world.database) as conn:
            conn.execute(statements.encode())

    def until(self, state: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + 2 * PATIENCE_SECS
        while not state():
            assert time.monotonic() < deadline, f"{what} did not come about"
            time.sleep(0.05)

    def look_at_pages(self, name: str) -> None:
        """All that the server shows."""
        for path in ("/", "/healthz", "/readyz", "/eth/health", "/metrics", "/api/status", "/api/events", "/nothing"):
            request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers={"accept": "text/html" if path == "/" else "*/*"})
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    said = answer.readline() + answer.readline() if path == "/api/events" else answer.read()
                    self.said[f"{name}: {path}"] = str(answer.headers) + said.decode()
            except urllib.error.HTTPError as error:
                with error:
                    self.said[f"{name}: {path}"] = str(error.headers) + error.read().decode()

    def look_at_tables(self) -> None:
        """Every column of every table, but where the secret was planted."""
        for table, column in self.world.query(TEXTS):
            self.said[f"{table}.{column}"] = "\n".join(str(value) for (value,) in self.world.query(f'SELECT "{column}"::text FROM "{table}"'))

    def shown(self, table: str, column: str) -> list[str]:
        return [value for (value,) in self.world.query(f'SELECT "{column}" FROM "{table}" WHERE "{column}" IS NOT NULL')]


@pytest.fixture
def scene(tmp_path: Path, database_url: str, town: Town, anvil: Anvil) -> Iterator[Scene]:
    with Proxies(anvil) as proxies:
        yield Scene(tmp_path, database_url, town, anvil, proxies)


def test_every_key_that_can_hold_a_secret_is_planted() -> None:
    """A new one is to be planted below."""
    assert set(secret_keys()) == CONFIG_SECRETS
    assert {KINDS[check] for check in secret_keys().values()} == {"database", "http", "ws", "token"}  # type: ignore[index]


@pytest.mark.long
@pytest.mark.timeout(400)
def test_no_secret_is_in_any_output_table_or_crash(scene: Scene) -> None:
    service_and_its_crashes(scene)
    service_in_json(scene)
    commands(scene)
    bad_input(scene)
    scene.look_at_tables()
    told = {name: scene.garden.found_in(text) for name, text in scene.said.items()}
    assert {name: places for name, places in told.items() if places} == {}
    assert "***" in scene.said["run"]


def service_and_its_crashes(scene: Scene) -> None:
    """Nodes that tell, a wallet that reverts, and a writer that crashes by what Postgres tells."""
    world, (first, second), told = scene.world, scene.proxies.all, scene.garden.told()
    reverting, words = RevertsFor(wallet=scene.town.wallets[0], told=told), "'" + told.replace("'", "''") + "'"
    refused = scene.town.wallets[1]
    scene.as_owner(REFUSED_ROW.replace("{words}", words).replace("{wallet}", f"0x{refused.hex()}"))
    with scene.service("run") as process:
        scene.until(lambda: world.marks() is not None, "the first checkpoint")
        with scene.proxies.fault((first, reverting)):
            scene.town.transfer(scene.town.wallets[0], refused, 5)
            scene.town.mine()
            scene.until(lambda: sum("reverted" in each for each in scene.shown("trueup_set_aside", "error")) > 0, "a wallet that reverts")
            scene.until(lambda: sum("cannot be written" in each for each in scene.shown("trueup_set_aside", "error")) > 0, "a row that is refused")
            scene.until(lambda: bool(scene.shown("wallet_balances", "last_error")), "an error in the ledger")
        scene.look_at_pages("set aside")
        telltales = [(each, Telltale(told=told)) for each in (first, second)]
        with scene.proxies.fault(*telltales):
            scene.town.traffic(4)
            scene.town.mine()
            scene.until(lambda: telltales[0][1].struck >= 4, "refusals")
            scene.look_at_pages("refused")
        scene.as_owner(CRASH.replace("{words}", words))
        scene.town.traffic(4)
        scene.town.mine()
        scene.until(lambda: "Traceback" in (scene.folder / "run.log").read_text(), "a crash")
        scene.look_at_pages("crashed")
        for name, words_of in {"status": ["status"], "status --json": ["status", "--json"], "kill": ["kill", "nobody"]}.items():
            scene.run(name, *words_of, "--url", f"http://127.0.0.1:{scene.port}")
        wrong = scene.folder / "token"
        wrong.write_text(scene.garden.secret("--token-file"))
        scene.run("kill with another token", "kill", "writer", "--token-file", str(wrong), "--url", f"http://127.0.0.1:{scene.port}")
        scene.run("top", "top", "--url", f"http://127.0.0.1:{scene.port}", secs=3)
        assert process.poll() is None


def service_in_json(scene: Scene) -> None:
    """The crash once more, then the other half of the ways in which nodes tell."""
    path = scene.world.path
    path.write_text(path.read_text().replace('format = "console"', 'format = "json"'))
    telltale = Telltale(told=scene.garden.told(), begins=4)  # an endpoint that fails is asked ever less often
    with scene.service("run as json"):
        scene.until(lambda: "Traceback" in (scene.folder / "run as json.log").read_text(), "a crash")
        scene.as_owner("DROP TRIGGER tell ON trueup_blocks")
        with scene.proxies.fault((scene.proxies.all[0], telltale)):
            scene.until(lambda: telltale.struck >= 4, "refusals")


def commands(scene: Scene) -> None:
    """Each while the nodes tell, and once while Postgres is away."""
    config = ["-c", str(scene.world.path)]
    alone = {"TRUEUP_SERVER__BIND": ""}
    for words in (["config"], ["init", "--role", ROLE], ["doctor", "--quick", "--json"], ["verify", "--sample", "5", "--json"]):
        scene.run(" ".join(words), words[0], *config, *words[1:], env=alone)
    jobs = [["doctor", "--quick"], ["verify", "--sample", "5"], ["sweep", "--limit", "5", "--json"], ["backfill", "--from-block", "0"]]
    with scene.proxies.fault((scene.proxies.all[0], Telltale(told=scene.garden.told())), (scene.proxies.all[1], Telltale(told=scene.garden.told()))):
        for words in jobs:
            scene.run(" ".join(["refused:", *words]), words[0], *config, *words[1:], env=alone, secs=5)
    away = {**alone, "PLANTED_DATABASE": scene.garden.database("a database that is away", "postgresql://keeper@127.0.0.1:1/none")}
    for words in (["init"], ["run"], ["doctor", "--quick"]):
        assert scene.run(" ".join(["away:", *words]), *words, *config, env={**away, "TRUEUP_SUPERVISOR__GRACE_SECS": "0.3"}) != 0


def bad_input(scene: Scene) -> None:
    """Each secret, spoilt: what is said of it does not show it."""
    config = ["config", "-c", str(scene.world.path)]
    for place in ("PLANTED_HTTP", "PLANTED_WS", "PLANTED_ARCHIVE", "PLANTED_DATABASE"):
        for name, spoil in SPOILT.items():
            assert scene.here(f"{place} {name}", *config, env={place: spoil(scene.env[place])}) in (0, 2)
    assert scene.here("a token with a space", *config, env={"TRUEUP_CHAOS__TOKEN": scene.garden.planted["chaos.token"] + " x"}) == 2
    prices = scene.folder / "prices.toml"
    prices.write_text(f'[plain]\ndefault = "{scene.env["PLANTED_HTTP"]}"\n')
    assert scene.here("the price file", *config, env={"TRUEUP_BUDGET__PRICES_FILE": "prices.toml"}) == 2
    url = scene.garden.url("--url", "http", "127.0.0.1:1")
    assert scene.here("status of a URL", "status", "--url", url) == 1
    text = scene.world.path.read_text()
    for name, line in {"not TOML": "[database", "unknown key": "[database]\nurls = 1"}.items():
        scene.world.path.write_text(text.replace("[database]", line).replace("${PLANTED_DATABASE}", scene.env["PLANTED_DATABASE"]))
        assert scene.here(name, *config) == 2
    scene.world.path.write_text(text)


SPOILT: dict[str, Callable[[str], str]] = {
    "of another scheme": lambda url: "gopher" + url[url.index(":") :],
    "without a scheme": lambda url: url.partition("://")[2],
    "with a space": lambda url: url.replace("?", " ?"),
    "with a wrong port": lambda url: url.replace("/", ":port/") if "://" not in url else url.replace("127.0.0.1:", "127.0.0.1:port"),
    "with an open bracket": lambda url: url.replace("127.0.0.1", "[127.0.0.1"),
    "with an unescaped sign": lambda url: url.replace("%40", "@").replace("%27", "/"),
}
