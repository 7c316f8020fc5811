"""What is secret is hidden, in refusals as in what is shown."""

from __future__ import annotations

import dataclasses
import tomllib
from pathlib import Path

import pytest

from actors import secrets
from actors.config import load, show
from tests.config.texts import CONFIGS, ENV, MINIMAL, SECOND, changed, loaded, refusal


@pytest.mark.parametrize(
    "url",
    [
        "ftp://eth.example/KEYKEYKEY",
        "eth.example/KEYKEYKEY",
        "https:///KEYKEYKEY",
        "http://[KEYKEYKEY",
        "",
        "https://a b/KEYKEYKEY",
        "https://a..b/KEYKEYKEY",
        "https://a<b>/KEYKEYKEY",
        "https://\ufffd/KEYKEYKEY",
        "https://[::1]x/KEYKEYKEY",
    ],
)
def test_a_node_is_asked_over_http_and_the_refusal_hides_the_url(file: Path, url: str) -> None:
    message = refusal(file, changed("https://eth.example", url))
    assert message.startswith("key chain[0].http[0]: expected an http:// or https:// URL, got ")
    assert "KEYKEYKEY" not in message


@pytest.mark.parametrize(
    "value", ['"wss://eth.example/KEYKEYKEY"', '["https://eth.example/KEYKEYKEY"]', "[1]", '[["KEYKEYKEY"]]']
)
def test_a_refused_socket_hides_its_key(file: Path, value: str) -> None:
    message = refusal(file, changed("chain_id = 1", f"chain_id = 1\nws = {value}"))
    assert message.startswith("key chain[0].ws")
    assert "KEYKEYKEY" not in message


@pytest.mark.parametrize("url", ["mysql://u:hunter2x@h/d", "hunter2x", ""])
def test_a_refused_database_hides_its_password(file: Path, url: str) -> None:
    message = refusal(file, changed("postgresql://keeper@localhost/balances", url))
    assert message.startswith("key database.url: expected a postgresql:// URL, got ")
    assert "hunter2x" not in message


def test_every_secret_is_masked_from_then_on() -> None:
    config = load(CONFIGS / "trueup.toml", ENV)
    said = secrets.mask(f"{ENV} s3cr3t-pass HTTPKEY12345 WSKEY1234567")
    for secret in ("s3cr3t-pass", "HTTPKEY12345", "WSKEY1234567"):
        assert secret not in said
        assert secret not in repr(config)


def test_show_is_toml_with_every_key_and_no_secret(file: Path) -> None:
    text = (CONFIGS / "trueup.toml").read_text().replace("enabled = false\ntoken", "enabled = true\ntoken")
    shown = show(loaded(file, text, TRUEUP_CHAOS_TOKEN="chaos-token=", **ENV))
    for secret in ("s3cr3t-pass", "keeper", "HTTPKEY12345", "WSKEY1234567", "chaos-token"):
        assert secret not in shown
    original, document = tomllib.loads(text), tomllib.loads(shown)
    assert document["database"] == {"url": "postgresql://db.example:5432/***"}
    assert document["chain"][0].pop("http") == ["https://eth.example/***"]
    assert document["chain"][0].pop("ws") == ["wss://eth.example/***"]
    assert document["chaos"].pop("token") == "***"
    del (
        original["database"],
        document["database"],
        original["chain"][0]["http"],
        original["chain"][0]["ws"],
        original["chaos"]["token"],
    )
    assert document == original


def test_what_show_prints_loads_again(file: Path) -> None:
    config = loaded(
        file, changed('checkpoint = "', 'track = "select wallet\\nfrom \\"Users\\""\ncheckpoint = "', MINIMAL) + SECOND
    )
    again = loaded(file, show(config))
    assert dataclasses.replace(again, database=config.database) == config


@pytest.mark.parametrize("url", ["postgresql://keeper:hunter2x@[::1/d", "postgresql://keeper:hunter2x@h\u2100/d?password=hunter2x"])
def test_the_password_of_a_database_whose_url_is_none_is_a_secret_all_the_same(file: Path, url: str) -> None:
    config = loaded(file, changed("postgresql://keeper@localhost/balances", url))
    assert "hunter2x" not in secrets.mask(f"could not translate host name in {url}") + show(config)


@pytest.mark.parametrize("host", ["eth.example", "eth.example.", "eth_node-1:8545", "[::1]:8545", "127.0.0.1", "bücher.example", "x" * 63])
def test_a_node_may_be_called_whatever_a_host_may_be(file: Path, host: str) -> None:
    assert loaded(file, changed("eth.example", host)).chains[0].http == (f"https://{host}",)
