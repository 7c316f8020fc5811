"""Certificates of a private authority: accepted with it, and without it, with another host's name or expired refused before anything is said."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
import trio
import trustme

from actors.errors import ConfigError, Transient
from actors.evm import tls, ws
from actors.evm.http import HttpClient
from actors.sandbox.anvil import Anvil
from actors.sandbox.town import Town
from actors.store.postgres import Database
from tests.process import start, trueup
from tests.role import as_service
from tests.tls_front import Front, PostgresFront, behind_tls
from tests.world import World, eventually

ASKED = b'{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[]}'
OURS = trustme.CA()
LONG_AGO = datetime.now(UTC) - timedelta(days=2)
Issue = Callable[[], trustme.LeafCert]


def good() -> trustme.LeafCert:
    return OURS.issue_cert("127.0.0.1", "localhost")


def elsewhere() -> trustme.LeafCert:
    return OURS.issue_cert("elsewhere.example")


def expired() -> trustme.LeafCert:
    return OURS.issue_cert("127.0.0.1", "localhost", not_before=LONG_AGO, not_after=LONG_AGO + timedelta(days=1))


def somebodys() -> trustme.LeafCert:
    return trustme.CA().issue_cert("127.0.0.1", "localhost")


BAD = {
    "of an unknown authority": (somebodys, "local issuer certificate; tls.ca_file names private authorities"),
    "of another host": (elsewhere, "not valid for '127.0.0.1'"),
    "expired": (expired, "certificate has expired"),
}
EACH_BAD = pytest.mark.parametrize(("issue", "why"), BAD.values(), ids=list(BAD))


@pytest.fixture
def ca_file(tmp_path: Path) -> Path:
    path = tmp_path / "authority.pem"
    OURS.cert_pem.write_to_path(path)
    return path


async def test_a_node_of_a_private_authority_is_asked_over_both_ways(anvil: Anvil, ca_file: Path) -> None:
    async with behind_tls(anvil.http, good()) as front, HttpClient(str(ca_file)) as client:
        status, _, answer = await client.post(front.http, ASKED)
        assert (status, b"0x7a69" in answer) == (200, True)
        async with ws.open_session(front.ws, partial(ws.connect, trusted=client.tls)) as session:
            assert await session.request("eth_chainId", []) == "0x7a69"


@EACH_BAD
async def test_a_certificate_that_is_not_good_is_refused_over_http_and_nothing_is_said(
    anvil: Anvil, ca_file: Path, issue: Issue, why: str
) -> None:
    async with behind_tls(anvil.http, issue()) as front, HttpClient(str(ca_file)) as client:
        with pytest.raises(Transient, match=rf"^not reached: its certificate is refused: .*{why}$"):
            await client.post(front.http + "/v2/SECRETKEY123", ASKED)
        with trio.fail_after(60):
            while not front.refused:
                await trio.sleep(0.01)
        assert front.heard == b""


@EACH_BAD
async def test_a_certificate_that_is_not_good_is_refused_on_a_socket_and_nothing_is_said(
    anvil: Anvil, ca_file: Path, issue: Issue, why: str
) -> None:
    async with behind_tls(anvil.http, issue()) as front:
        trusted = tls.trusting(str(ca_file))
        with pytest.raises(Transient, match=rf"^its certificate is refused: .*{why}$"):
            async with ws.open_session(front.ws + "/v2/SECRETKEY123", partial(ws.connect, trusted=trusted)):
                raise AssertionError("it opened")
        assert front.heard == b""


async def test_without_the_authority_a_good_certificate_is_refused_on_both_ways(anvil: Anvil) -> None:
    async with behind_tls(anvil.http, good()) as front, HttpClient() as client:
        with pytest.raises(Transient, match="its certificate is refused: .*tls.ca_file"):
            await client.post(front.http, ASKED)
        with pytest.raises(Transient, match="its certificate is refused: .*tls.ca_file"):
            async with ws.open_session(front.ws):
                raise AssertionError("it opened")
        assert front.heard == b""


def test_a_private_authority_adds_to_the_public_ones(ca_file: Path) -> None:
    alone, both = tls.trusting(), tls.trusting(str(ca_file))
    assert len(both.get_ca_certs()) == len(alone.get_ca_certs()) + 1 > 1
    for context in (alone, both):
        assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
        assert context.minimum_version >= ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize("text", [None, "", "no certificate"])
def test_a_ca_file_that_cannot_be_used_is_refused_by_its_key(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "authority.pem"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ConfigError, match=r"^key tls\.ca_file: [^\n]*authority\.pem[^\n]*$"):
        tls.trusting(str(path))


# --- Postgres


def verified(url: str, front: Front, authority: Path) -> str:
    """The URL of a database as its clients reach it behind the front."""
    place, _, name = url.rpartition("/")
    return f"{place.rpartition(':')[0]}:{front.port}/{name}?sslmode=verify-full&sslrootcert={authority}"


async def test_a_postgres_of_a_private_authority_is_verified(database_url: str, ca_file: Path) -> None:
    async with behind_tls(database_url, good(), PostgresFront) as front:
        database = Database(verified(database_url, front, ca_file), "test")
        assert await database.run(lambda conn: (conn.pgconn.ssl_in_use, conn.execute("select 7").fetchone())) == (True, (7,))
        await database.aclose()
        assert b"select 7" in front.heard


def refusal(command: str, path: Path) -> subprocess.CompletedProcess[str]:
    """What a command says; once more with more time where a busy machine had not heard of the certificate in the little that the config gives."""
    done = trueup(command, "-c", path)
    return trueup(command, "-c", path, TRUEUP_SUPERVISOR__GRACE_SECS="30") if "timed out" in done.stderr else done


@pytest.mark.parametrize(
    ("issue", "why"),
    [(somebodys, "certificate verify failed"), (elsewhere, 'does not match host name "127.0.0.1"'), (expired, "certificate verify failed")],
    ids=list(BAD),
)
async def test_a_postgres_whose_certificate_is_not_good_is_refused_by_its_key_and_nothing_is_said(
    tmp_path: Path, database_url: str, ca_file: Path, issue: Issue, why: str
) -> None:
    path = tmp_path / "trueup.toml"
    async with behind_tls(database_url, issue(), PostgresFront) as front:
        url = verified(database_url, front, ca_file).replace("postgres@", "postgres:s3cretword@")
        path.write_text(f'[database]\nurl = "{url}"\n[supervisor]\ngrace_secs = 0.5\n[[chain]]\nname = "c"\nchain_id = 1\nhttp = ["http://127.0.0.1:1"]\n[ledger]\nenabled = true\n')
        for command in ("init", "run"):
            done = await trio.to_thread.run_sync(refusal, command, path)
            assert done.returncode == 2, done
            assert done.stderr.count("\n") == 1
            assert "database.url: " in done.stderr
            assert why in done.stderr
            assert "s3cretword" not in done.stderr
        assert front.heard == b""


# --- All of it


async def test_the_service_runs_on_a_node_and_a_postgres_of_a_private_authority(
    tmp_path: Path, database_url: str, town: Town, anvil: Anvil, ca_file: Path
) -> None:
    world = World(tmp_path, database_url, town, chain="confirm_secs = 0.3", extra=f'[tls]\nca_file = "{ca_file.name}"')
    async with behind_tls(anvil.http, good()) as node, behind_tls(database_url, good(), PostgresFront) as postgres:
        text = world.path.read_text().replace(anvil.http, node.http).replace(anvil.ws, node.ws)
        world.path.write_text(text.replace(world.config.database.url, verified(as_service(database_url), postgres, ca_file)))
        process = start(world)
        try:
            await eventually(lambda: world.marks() is not None, "the first checkpoint")
            town.traffic(20)
            town.mine()
            await eventually(world.is_true, "true rows")
            assert b"upgrade: websocket" in bytes(node.heard).lower()
            assert b"eth_call" in node.heard
            assert b"insert into eth_wallet_balances" in bytes(postgres.heard).replace(b'"', b"")
        finally:
            process.terminate()
            with trio.move_on_after(70, shield=True):
                said, _ = await trio.to_thread.run_sync(partial(process.communicate, timeout=60))
        assert process.returncode == 0, said
