"""The benchmarks in their quick form, without peers: they cannot rot unseen. Their figures are not looked at."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bench import results, scene, statements
from bench.__main__ import NAMES, measure
from bench.canned import canned
from bench.ceilings import holders_in
from bench.holders import balances, pages, truth, wallets
from bench.proxy import Proxy
from bench.report import Report, Table, ratio, spread
from bench.scene import Scale

COMPILED = {"client", "sweep", "cost"}
needs_compiler = pytest.mark.skipif(not any(map(shutil.which, ("cc", "gcc", "clang"))), reason="no C compiler")


@pytest.mark.long
@pytest.mark.timeout(400)
@pytest.mark.parametrize("name", [pytest.param(name, marks=needs_compiler if name in COMPILED else ()) for name in NAMES])
def test_each_benchmark_runs(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scene, "STARTS", 1)  # a median is for figures
    report = measure(name, Scale(quick=True, peers=False))
    assert report.name == name
    assert all(len(row) == len(table.header) for table in report.tables for row in table.rows)
    assert report.headlines.keys() <= {key for key, *_ in results.HEADLINES}
    assert report.headlines


def test_every_headline_has_its_benchmark() -> None:
    text = "".join(path.read_text() for path in Path(results.HERE, "measure").glob("*.py"))
    for key, *_ in results.HEADLINES:
        assert f'"{key}"' in text


def test_the_first_holders_are_the_same_whatever_their_number() -> None:
    assert wallets(60_000)[:10] == wallets(10)
    assert [len(page) for page in pages(60_000)] == [50_000, 10_000]
    wallet = bytes([0] * 7 + [3] + [0] * 7 + [2] + [0] * 3 + [1])
    assert balances(wallet) == (3_000_000, 20_000, 1)
    assert truth([wallet]) == [3_020_001]


def test_figures_are_medians_with_their_spread() -> None:
    assert spread([3, 1, 2]) == "2 (1-3)"
    assert spread([1234.5]) == "1,234"
    assert ratio([10, 30], [5, 10]) == "2.5x (2-3)"
    assert Table("t", ["a", "b"], [["1", "2"]]).markdown() == "**t**\n\n| a | b |\n| --- | --- |\n| 1 | 2 |"


def test_results_hold_the_headlines_of_what_was_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "KEPT", tmp_path)
    monkeypatch.setattr(results, "HERE", tmp_path)
    results.keep(Report("reads", [Table("t", ["a"], [["1"]])], {"cpu_packed": "123x"}, ["a note"]))
    text = results.write(["reads", "sweep"]).read_text()
    assert "| 123x |" in text
    assert text.count("not measured") == len(results.HEADLINES) - 1
    assert "## reads" in text
    assert "## sweep" not in text
    assert "- a note" in text


def test_statements_are_known_by_their_words(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text(
        "@@ LOG:  duration: 0.5 ms  parse <unnamed>: with o as (select h.wallet from t h\n order by h.updated_at limit $1)\n"
        "@@ LOG:  duration: 2.0 ms  execute <unnamed>: with o as (select h.wallet from t h\n order by h.updated_at limit $1)\n"
        "@@ LOG:  duration: 9.0 ms  execute <unnamed>: insert into t as h on conflict (wallet) do update set balance = 1\n"
        "@@ LOG:  duration: 1.0 ms  statement: BEGIN\n"
    )
    assert statements.took(log, 0) == ([2.5], [9.0])


@needs_compiler
def test_the_proxy_counts_what_passes() -> None:
    import http.client

    with canned() as node, Proxy(node.port) as proxy:
        body = '{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[]}'
        connection = http.client.HTTPConnection(proxy.http.removeprefix("http://"))
        for _ in range(2):
            connection.request("POST", "/", body)
            assert b'"0x1"' in connection.getresponse().read()
        connection.close()
        assert proxy.calls() == {"eth_chainId": 2}
        assert proxy.largest() == body.encode()
        assert proxy.up > 2 * len(body)
        assert proxy.down > 0


def test_a_calls_holders_are_counted_by_its_data() -> None:
    assert holders_in(b'{"params": [{"data": "0x' + b"00" * 60 + b'"}]}') == 3
    calls = f"{5 + 3 * 7:064x}".encode()
    assert holders_in(b'{"params": [{"data": "0x82ad56cb' + b"0" * 64 + calls + b'"}]}') == 7
