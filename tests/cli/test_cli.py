"""The command line: help, exit codes, one-line errors; `status` and `kill` against a small service."""

from __future__ import annotations

import http.server
import json
import logging
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from actors import secrets
from actors.cli import main

REFERENCE = Path(__file__).parent.parent.parent / "config" / "trueup.toml"
COMMANDS = ["demo", "init", "run", "doctor", "sweep", "backfill", "verify", "status", "top", "kill", "config"]
TOKEN = "0x18aAA7115705e8be94bfFEBDE57Af9BFc265B998"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    secrets.clear()
    monkeypatch.setenv("DATABASE_URL", "postgresql://keeper:s3cr3t-pass@127.0.0.1:1/balances")
    monkeypatch.setenv("ETH_HTTP_URL", "https://eth.example/v2/HTTPKEY12345")
    monkeypatch.setenv("ETH_WS_URL", "wss://eth.example/v2/WSKEY1234567")
    monkeypatch.delenv("TRUEUP_CHAOS_TOKEN", raising=False)
    root = logging.getLogger()
    before = (root.level, list(root.handlers))
    yield
    root.setLevel(before[0])
    root.handlers[:] = before[1]
    secrets.clear()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "trueup.toml"


def refusal(capsys: pytest.CaptureFixture[str], *argv: str, code: int = 2) -> str:
    assert main(argv) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("trueup: ")
    assert captured.err.count("\n") == 1
    return captured.err


def test_help_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    listed = capsys.readouterr().out
    for command in COMMANDS:
        assert f"\n    {command} " in listed


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    assert f"usage: trueup {command}" in capsys.readouterr().out


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["runn"],
        ["run"],
        ["config", "-c"],
        ["backfill", "-c", "x"],
        ["sweep", "-c", "x", "--limit", "0"],
        ["demo", "--for", "-1"],
        ["verify", "-c", "x", "--sample", "0"],
        ["verify", "-c", "x", "--all", "--sample", "5"],
    ],
)
def test_a_wrong_command_line_is_one_line_and_exit_2(
    argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert "--help" in refusal(capsys, *argv)


def test_config_shows_the_effective_config_masked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TRUEUP_SWEEPER__BATCH_SIZE", "200")
    assert main(["config", "-c", str(REFERENCE)]) == 0
    shown = capsys.readouterr().out
    assert "batch_size = 200" in shown
    assert "https://eth.example/***" in shown
    for secret in ("s3cr3t-pass", "HTTPKEY12345", "WSKEY1234567"):
        assert secret not in shown


def test_a_secret_is_masked_in_a_key_that_holds_none_too(
    file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DATABASE_URL", "ETH_HTTP_URL", "ETH_WS_URL"):
        monkeypatch.setenv(name, f"{'postgresql' if name[0] == 'D' else 'wss' if 'WS' in name else 'https'}://keeper:s3cr3tpassword@host/x")
    file.write_text(REFERENCE.read_text().replace('checkpoint = "audio_transfers"', 'checkpoint = "s3cr3tpassword"'))
    assert main(["config", "-c", str(file)]) == 0
    assert "s3cr3tpassword" not in capsys.readouterr().out


def test_a_missing_file_is_one_line_and_exit_2(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert refusal(capsys, "config", "-c", str(file)) == f"trueup: {file}: no such file\n"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("[database]", "[database", "line 9"),
        (
            "batch_size = 50",
            "batch_sice = 50",
            "key sweeper.batch_sice: unknown key, did you mean batch_size?",
        ),
        ("batch_size = 50", "batch_size = '50'", 'key sweeper.batch_size: expected a whole number, got "50"'),
        (TOKEN, TOKEN[:-1], "key asset[0].sources[0].contract: expected an address of 0x and 40 hex digits"),
        ("balanceOf(address)", "balanceOf(adress)", "key asset[0].sources[0].call: expected a signature"),
        (
            "${ETH_HTTP_URL}",
            "${NOT_SET_URL}",
            "key chain[0].http[0]: expected environment variable NOT_SET_URL to be set",
        ),
    ],
)
@pytest.mark.parametrize("command", ["config", "init"])
def test_bad_input_is_one_line_and_exit_2(
    command: str, old: str, new: str, said: str, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = REFERENCE.read_text()
    assert old in text
    file.write_text(text.replace(old, new, 1))
    assert said in refusal(capsys, command, "-c", str(file))


def test_two_assets_on_one_table_are_one_line_and_exit_2(
    file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    second = '[[asset]]\nname = "B"\nchain = "ethereum"\ntable = "public.eth_wallet_balances"\n'
    second += 'checkpoint = "b"\nsources = [{ native = true }]\n'
    file.write_text(REFERENCE.read_text() + second)
    assert "key asset[1].table: expected another table than that of asset[0]" in refusal(
        capsys, "config", "-c", str(file)
    )


def test_init_says_that_the_database_is_away_without_its_password(capsys: pytest.CaptureFixture[str]) -> None:
    said = refusal(capsys, "init", "-c", str(REFERENCE))
    assert "database.url" in said
    assert "s3cr3t-pass" not in said


# A service to ask


class Service:
    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.answers: dict[str, tuple[int, Any]] = {}
        self.asked: list[tuple[str, str, str | None]] = []


@pytest.fixture
def service() -> Iterator[Service]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self) -> None:
            known.asked.append((self.command, self.path, self.headers["Authorization"]))
            code, body = known.answers.get(self.path, (404, None))
            self.send_response(code)
            if code == 302:
                self.send_header("Location", "/elsewhere")
            self.end_headers()
            self.wfile.write(body if isinstance(body, bytes) else json.dumps(body).encode())

        do_GET = do_POST = answer

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    known = Service(server.server_address[1])
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield known
    server.shutdown()
    thread.join()
    server.server_close()


STATUS = {
    "uptime_secs": 12.5,
    "ready": True,
    "actors": [{"name": "writer", "state": "running", "restarts": 3}],
}


def test_status_is_told_as_text(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    service.answers["/api/status"] = (200, STATUS)
    assert main(["status", "--url", service.url]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told == [
        "uptime_secs: 12.5",
        "ready: yes",
        "",
        "actors:",
        "  name    state    restarts",
        "  writer  running  3",
    ]


def test_what_is_inside_an_object_is_told_below_its_table(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    age = {"rows": 7, "histogram": [{"le_secs": 1, "rows": 7}]}
    aside = [{"wallet": "0xab", "error": "two\nlines"}]
    assets = [{"name": "A", "age": age, "set_aside_wallets": aside}, {"name": "B", "age": None, "set_aside_wallets": []}]
    service.answers["/api/status"] = (200, {"reasons": ["one", "two"], "assets": assets})
    assert main(["status", "--url", service.url]) == 0
    told = [line for line in capsys.readouterr().out.splitlines() if line]
    assert told == [
        *("reasons:", "  one", "  two"),
        *("assets:", "  name", "  A", "  B"),
        *("age of A: rows 7", "histogram of age of A:", "  le_secs  rows", "  1        7"),
        *("set_aside_wallets of A:", "  wallet  error", "  0xab    two\\nlines"),
    ]


def test_status_is_told_as_json(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    service.answers["/api/status"] = (200, STATUS)
    assert main(["status", "--json", "--url", service.url + "/"]) == 0
    assert json.loads(capsys.readouterr().out) == STATUS


@pytest.mark.parametrize("answer", [(200, b"<html>"), (500, {"error": "broken"}), (200, [1])])
def test_an_answer_that_is_no_status_is_exit_1(
    service: Service, answer: tuple[int, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    service.answers["/api/status"] = answer
    assert "not a status" in refusal(capsys, "status", "--url", service.url, code=1)


@pytest.mark.parametrize("command", [["status"], ["kill", "writer"]])
def test_a_service_that_is_not_there_is_exit_1(
    command: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TRUEUP_CHAOS_TOKEN", "chaos-token")
    with socket.socket() as taken:  # bound and not listening: nobody else can answer there
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        assert f"no service at {url}" in refusal(capsys, *command, "--url", url, code=1)


def test_a_url_that_is_none_is_exit_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert "--url: expected" in refusal(capsys, "status", "--url", "localhost:1325")


def test_kill_sends_the_token_of_the_environment(
    service: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TRUEUP_CHAOS_TOKEN", "chaos-token")
    service.answers["/api/actors/sweeper%2FAUDIO/kill"] = (200, {"killed": "sweeper/AUDIO"})
    assert main(["kill", "sweeper/AUDIO", "--url", service.url]) == 0
    assert service.asked == [("POST", "/api/actors/sweeper%2FAUDIO/kill", "Bearer chaos-token")]
    assert capsys.readouterr().out == "killed sweeper/AUDIO\n"


def test_kill_takes_the_token_from_a_file_first(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRUEUP_CHAOS_TOKEN", "other-token")
    (tmp_path / "token").write_text("file-token\n")
    service.answers["/api/actors/writer/kill"] = (202, None)
    assert main(["kill", "writer", "--url", service.url, "--token-file", str(tmp_path / "token")]) == 0
    assert service.asked[0][2] == "Bearer file-token"


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (401, "the token was refused"),
        (403, "[chaos] must be enabled"),
        (404, "no actor is named writer"),
        (503, "answered 503"),
    ],
)
def test_kill_says_why_it_did_not(
    service: Service,
    code: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("TRUEUP_CHAOS_TOKEN", "chaos-token")
    service.answers["/api/actors/writer/kill"] = (code, {"error": "its own words, chaos-token"})
    message = refusal(capsys, "kill", "writer", "--url", service.url, code=1)
    assert said in message
    assert message.endswith(": its own words, ***\n")


def test_kill_without_a_token_is_exit_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no token: set TRUEUP_CHAOS_TOKEN" in refusal(capsys, "kill", "writer")
    assert "No such file" in refusal(capsys, "kill", "writer", "--token-file", str(tmp_path / "none"))


def test_a_redirect_does_not_carry_the_token_away(
    service: Service, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TRUEUP_CHAOS_TOKEN", "chaos-token")
    service.answers["/api/actors/writer/kill"] = (302, None)
    assert "answered 302" in refusal(capsys, "kill", "writer", "--url", service.url, code=1)
    assert len(service.asked) == 1


def test_what_a_service_says_moves_no_cursor_by_the_name_of_a_key_either(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    bad = "\x1b[2J\u202e\n"
    service.answers["/api/status"] = (200, {bad: bad, "actors": [{"name": bad, bad: {bad: [bad]}}], "budgets": {bad: [{bad: 1}]}})
    assert main(["status", "--url", service.url]) == 0
    out = capsys.readouterr().out
    assert out.replace("\n", "").isprintable()
    assert "\\x1b[2J\\u202e\\n: \\x1b[2J" in out


def test_a_status_that_is_nested_deeper_than_any_is_refused_in_a_line(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    deep: list[object] = []
    for _ in range(450):
        deep = [deep]
    service.answers["/api/status"] = (200, {"actors": deep})
    assert "nested too deep" in refusal(capsys, "status", "--url", service.url, code=1)
