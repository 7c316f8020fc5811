"""The private chain: it answers, it ends with us, and it tells what went wrong."""

from __future__ import annotations

import http.client
import threading

import pytest

from actors.errors import TrueupError
from actors.sandbox.anvil import Anvil
from tests.sandbox.orphans import outlived


def test_it_answers_over_http_on_a_port_of_its_own(anvil: Anvil) -> None:
    assert anvil.rpc("eth_chainId") == hex(31337)
    assert anvil.http == f"http://127.0.0.1:{anvil.port}"
    assert anvil.ws == f"ws://127.0.0.1:{anvil.port}"


def test_it_mines_only_when_told_where_it_was_started_so() -> None:
    with Anvil(options=["--no-mining"]) as anvil:
        account = anvil.rpc("eth_accounts")[0]
        anvil.rpc("eth_sendTransaction", {"from": account, "to": account})
        assert anvil.rpc("eth_blockNumber") == "0x0"
        anvil.rpc("evm_mine")
        assert anvil.rpc("eth_blockNumber") == "0x1"


def test_a_batch_is_answered_in_its_order(anvil: Anvil) -> None:
    assert anvil.batch([("eth_blockNumber", []), ("eth_chainId", []), ("net_version", [])]) == ["0x0", hex(31337), "31337"]


def test_an_error_says_what_was_asked(anvil: Anvil) -> None:
    with pytest.raises(TrueupError, match="eth_nonsense"):
        anvil.rpc("eth_nonsense")


def test_threads_may_share_it(anvil: Anvil) -> None:
    answers: list[object] = []
    ask = [threading.Thread(target=lambda: answers.extend(anvil.rpc("eth_chainId") for _ in range(50))) for _ in range(4)]
    for thread in ask:
        thread.start()
    for thread in ask:
        thread.join()
    assert answers == [hex(31337)] * 200


def test_one_whose_port_was_taken_meanwhile_has_another() -> None:
    with Anvil() as first:
        late = Anvil()
        late.port = first.port
        with late:
            assert late.port != first.port
            late.rpc("evm_mine")
            assert first.rpc("eth_blockNumber") == "0x0"


def test_nobody_answers_once_it_has_ended() -> None:
    with Anvil() as anvil:
        port = anvil.port
    connection = http.client.HTTPConnection("127.0.0.1", port)
    with pytest.raises(ConnectionRefusedError):
        connection.connect()


def test_it_ends_when_we_are_killed() -> None:
    assert not outlived("from actors.sandbox.anvil import Anvil as Started")
