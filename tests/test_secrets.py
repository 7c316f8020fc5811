"""Secrets: what is registered is in no text that leaves the program, and ordinary words stay readable."""

from __future__ import annotations

import sys
import threading
from base64 import b64encode
from collections.abc import Iterator

import pytest

from actors import secrets

KEY = "aBcDeF0123456789"


@pytest.fixture(autouse=True)
def _no_secrets_left() -> Iterator[None]:
    secrets.clear()
    yield
    secrets.clear()


def test_a_registered_secret_is_masked_everywhere() -> None:
    secrets.register(KEY)
    assert secrets.mask(f"a {KEY}, x{KEY}y and {KEY}") == "a ***, x***y and ***"


def test_an_escaped_secret_is_masked_too() -> None:
    secrets.register('pa"ss\\word%2F')
    assert secrets.mask('got "pa\\"ss\\\\word%2F"') == 'got "***"'
    assert secrets.mask('got pa"ss\\word/') == "got ***"


@pytest.mark.parametrize(
    "url",
    [
        f"https://eth.example/v2/{KEY}",
        f"https://eth.example/v2?apikey={KEY}",
        f"https://{KEY}@eth.example/",
        f"wss://user:{KEY}@eth.example:8546/ws",
        f"https://eth.example/{KEY}/mainnet#{KEY}",
    ],
)
def test_a_nodes_url_shows_scheme_and_host_only(url: str) -> None:
    secrets.register_url(url)
    assert KEY not in secrets.mask(f"GET {url} failed; path /v2/{KEY}, key {KEY}")
    assert "://eth.example" in secrets.mask(url)
    assert secrets.mask(url).endswith("/***")


def test_a_url_without_secrets_is_shown_whole() -> None:
    assert secrets.show_url("http://127.0.0.1:8545") == "http://127.0.0.1:8545"
    assert secrets.show_url("http://127.0.0.1:8545/") == "http://127.0.0.1:8545"


def test_a_network_in_a_public_path_stays_a_word() -> None:
    secrets.register_url("https://rpc.example/ethereum/v2")
    assert secrets.mask("chain ethereum v2") == "chain ethereum v2"


@pytest.mark.parametrize(
    "url",
    [f"postgresql://keeper:{KEY}@db/trueup", f"host=db password={KEY}", f"postgresql:///d?password={KEY}"],
)
def test_a_database_password_is_masked(url: str) -> None:
    secrets.register_database(url)
    assert KEY not in secrets.mask(f'{url}: connection failed, password "{KEY}"')


def test_a_database_password_is_masked_in_both_its_spellings() -> None:
    secrets.register_database("postgresql://keeper:p%40ssw0rd@db/trueup")
    assert secrets.mask("p%40ssw0rd p@ssw0rd") == "*** ***"


def test_the_passwords_of_what_is_no_url_are_masked_too() -> None:
    secrets.register_database(f"postgresql://keeper:{KEY}@[127.0.0.1/trueup?sslpassword=x{KEY}")
    assert secrets.mask(f"{KEY} x{KEY}") == "*** ***"


def test_users_and_databases_stay_words() -> None:
    secrets.register_database("postgresql://keeper:hunter2x@db/trueup")
    assert secrets.mask("trueup: keeper may not log in") == "trueup: keeper may not log in"


def test_a_password_that_was_not_escaped_shows_nothing() -> None:
    assert secrets.show_url("postgresql://keeper:pa/ss@db/trueup") == "postgresql://***"
    secrets.register_database("postgresql://keeper:pa/ssword@db/trueup")
    assert "ssword" not in secrets.mask("invalid: pa/ssword")


def test_a_short_secret_is_masked_as_a_word_of_its_own() -> None:
    secrets.register_database("postgresql://keeper:test@db/x")
    assert secrets.mask("the latest test") == "the latest ***"


def test_a_password_in_any_url_is_masked() -> None:
    assert secrets.mask("at postgres://a:b@c/d") == "at postgres://***@c/d"


def test_a_secret_that_somebody_cut_short_is_masked_too() -> None:
    long = KEY + "gHiJkLmNoPqRsTuV"
    secrets.register(long)
    for cut in (long, KEY, long[5:], long[:-3], long[3:17]):
        assert secrets.mask(f"the key {cut}… is wrong, {cut}") == "the key ***… is wrong, ***", cut
    assert secrets.mask(KEY[:11]) == KEY[:11]  # shorter than that may be anything


def test_ordinary_words_that_begin_as_a_long_secret_does_stay() -> None:
    secrets.register("production-0123456789abcdef")
    assert secrets.mask("in production: 0123456789 rows") == "in production: 0123456789 rows"


def test_user_and_password_as_basic_authentication_has_them_are_masked() -> None:
    secrets.register_url("https://keeper:hunter%402x@eth.example/")
    encoded = b64encode(b"keeper:hunter@2x").decode()
    assert secrets.mask(f"authorization: Basic {encoded}") == "authorization: Basic ***=="


def test_a_longer_secret_is_not_cut_by_a_shorter_one() -> None:
    secrets.register("abcdefgh")
    secrets.register("abcdefghijkl")
    assert secrets.mask("abcdefghijkl") == "***"


def test_secrets_may_be_registered_by_another_thread_meanwhile() -> None:
    """As when the config is read again, while lines are logged."""
    words = [f"{number:06}-a-long-secret-of-its-own" for number in range(150)]

    def register() -> None:
        for word in words:
            secrets.register(word)

    thread, every = threading.Thread(target=register), sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        thread.start()
        while thread.is_alive():
            secrets.mask(f"the line of {words[0]}")
    finally:
        sys.setswitchinterval(every)
        thread.join()
    assert not any(word in secrets.mask(" ".join(words)) for word in words)
