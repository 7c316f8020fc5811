"""What the sandbox's children are started with."""

from __future__ import annotations

import itertools
import socket

import pytest

from actors.sandbox import process
from actors.sandbox.process import PORTS, free_port


def test_no_port_is_given_twice() -> None:
    given = [free_port() for _ in range(100)]
    assert len(set(given)) == 100
    assert set(given) <= set(PORTS)


def test_a_port_is_not_given_while_somebody_listens_there(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = free_port()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", taken))
        listener.listen()
        monkeypatch.setattr(process, "_numbers", itertools.count(PORTS.index(taken)))
        assert free_port() != taken
