"""The page in a real browser, over a service that says what the test wants."""

from __future__ import annotations

import re
from typing import Any

import pytest

from actors import dashboard
from actors.http_server import Request
from tests.dashboard.conftest import DESK, PHONE, Open
from tests.dashboard.stage import TOKEN, Stage, actor

ALL = ["TOWN", "packed", "multicall3", "8 min", "1.14 h", "16.9 h", "A sweep of 1,000,185 rows takes 1.39 h", "0 wrong of 50,000"]
ALL += ["subscriber:", "3 + 1", "0 + 12", "129 k", "about 167 k", "500 k", "at most 73.8 in a million", "98 %", "21,000,120", "42 ms", "41.2", "388", "400 ms", "99 % within 2.1 s"]


def test_it_shows_all_that_the_service_knows(stage: Stage, open_page: Open) -> None:
    shown = open_page(stage.url)
    shown.says("All true")
    text = shown.text("body").replace("\u200b", "")
    assert [words for words in ALL if words not in text] == []
    assert shown.page.locator("#assets svg .bar").count() == 15
    assert shown.page.locator("#spend svg .bar").count() >= 31
    assert (shown.errors, shown.strangers) == ([], [])


def test_its_first_figures_are_of_the_first_thing_that_the_service_says(stage: Stage, open_page: Open) -> None:
    for _ in range(5):
        stage.asked.clear()
        shown = open_page(stage.url)
        shown.until("() => document.body.classList.contains('drawn')")
        if "/api/status" not in stage.asked:
            break
        shown.page.close()  # where this process paused: a page that hears nothing for four seconds asks
    assert "/api/status" not in stage.asked
    assert stage.asked.count("/api/events") == 1


def test_it_has_less_than_60_kb_in_all(stage: Stage, open_page: Open) -> None:
    shown = open_page(stage.url)
    shown.says("All true")
    assert {path for path in stage.asked if path not in ("/api/events", "/api/status")} == set(dashboard.FILES)
    assert 20_000 < stage.sent < 60_000


def test_each_file_has_a_policy_that_lets_nothing_in_from_elsewhere_and_is_asked_for_again_only_when_it_is_another() -> None:
    for path in dashboard.FILES:
        answer = dashboard.answer(Request("GET", path, {}, {}))
        policy = answer.headers["content-security-policy"]
        assert policy.startswith("default-src 'none';")
        assert "unsafe" not in policy
        again = dashboard.answer(Request("GET", path, {}, {"if-none-match": answer.headers["etag"]}))
        assert (answer.status, again.status, again.body) == (200, 304, b"")


def test_it_brings_itself_up_to_date(stage: Stage, open_page: Open) -> None:
    shown = open_page(stage.url)
    shown.says("All true")
    stage.status["chains"][0]["head"] = 21_000_777
    shown.until("() => document.querySelector('#chains').innerText.includes('21,000,777')")
    stage.status["reasons"] = ["Postgres is unreachable: the server is shutting down"]
    shown.says("1 problem")
    shown.says("Postgres is unreachable: the server is shutting down")
    stage.status["reasons"] = []
    shown.says("All true")


def test_the_distance_to_the_head_is_the_one_that_the_service_says(stage: Stage, open_page: Open) -> None:
    stage.status["chains"].append({**stage.status["chains"][0], "name": "other", "behind": 77})
    shown = open_page(stage.url)
    shown.until("() => /behind\\s+77 blocks/.test(document.querySelector('#chains').innerText)")
    assert re.search(r"blocks behind\s+77\b", shown.text("#figures"))
    for chain in stage.status["chains"]:
        chain["behind"] = None
    shown.until("() => /blocks behind\\s+–/.test(document.querySelector('#figures').innerText)")


def test_ages_that_were_measured_a_while_ago_say_so(stage: Stage, open_page: Open) -> None:
    shown = open_page(stage.url)
    shown.says("All true")
    assert "measured" not in shown.text("#assets")
    stage.status["assets"][0]["age"]["at"] = "2026-01-31T11:58:00Z"
    shown.until("() => /measured\\s+2 min ago/.test(document.querySelector('#assets').innerText)")


def test_it_says_since_when_the_service_does_not_answer_and_goes_on_when_it_is_back(stage: Stage, open_page: Open) -> None:
    shown = open_page(stage.url)
    shown.says("All true")
    stage.stop()
    shown.says("The service does not answer")
    shown.says(stage.url.removeprefix("http://"), "has not answered since", "asked again")
    assert shown.page.locator("body.stale").count() == 1
    stage.status["started_at"] = "2026-01-31T11:59:59.000Z"
    stage.start()
    shown.says("All true")
    shown.says("the service was started again")
    assert shown.page.locator("body.stale").count() == 0
    assert not [error for error in shown.errors if "ERR_CONNECTION" not in error and "ERR_EMPTY" not in error and "ERR_INCOMPLETE" not in error]


def test_a_service_that_keeps_the_line_open_and_says_nothing_does_not_answer(stage: Stage, open_page: Open) -> None:
    shown = open_page(stage.url)
    shown.says("All true")
    stage.frozen = True
    shown.says("has not answered since")
    stage.frozen = False
    shown.says("All true")


def test_a_page_that_is_opened_before_the_service_answers_says_so(stage: Stage, open_page: Open) -> None:
    stage.frozen_events = True
    shown = open_page(stage.url)
    shown.says("has not answered since")


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_the_worst_day_is_told_without_scrolling(stage: Stage, open_page: Open, size: dict[str, int]) -> None:
    long = "https://eth-mainnet.provider.example: eth_getBlockByNumber: " + "the upstream is away " * 20
    stage.status["reasons"] = [f"reason {n}: {long}" for n in range(3)]
    stage.status["warnings"] = [f"warning {n}: {long}" for n in range(4)]
    shown = open_page(stage.url, size)
    shown.says("3 problems, 4 warnings")
    for n in range(3):
        shown.says(f"reason {n}")
    shown.says("warning 1")
    shown.until("() => document.querySelector('#verdict-more summary').innerText === 'and 2 more'")
    assert shown.fits()


@pytest.mark.parametrize("size", [DESK, PHONE, {"width": 320, "height": 640}], ids=["desk", "phone", "small phone"])
def test_nothing_has_to_be_scrolled_sideways(stage: Stage, open_page: Open, size: dict[str, int]) -> None:
    aside = [{"wallet": "0x" + "ab" * 20, "error": "x" * 400, "attempts": 3, "next_attempt": "2026-01-31T12:00:00Z"}]
    stage.status["assets"][0] |= {"set_aside": 1, "set_aside_wallets": aside}
    stage.status["endpoints"][0] |= {"last_error": "y" * 400, "up": False}
    stage.status["actors"][3] |= {"last_error": "z" * 400, "state": "backing off", "restarts": 123_456}
    shown = open_page(stage.url, size)
    shown.says("All true")
    assert shown.fits()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_light_and_dark_are_told_apart_and_read_well(stage: Stage, open_page: Open, scheme: str) -> None:
    shown = open_page(stage.url, scheme=scheme)
    shown.says("All true")
    lights = {}
    for selector in ("html", ".panel", "#verdict h2", ".small", ".figure .big", "#verdict"):
        property = "color" if selector not in ("html", ".panel", "#verdict") else "backgroundColor"
        found = shown.page.evaluate("([s, p]) => getComputedStyle(document.querySelector(s))[p]", [selector, property])
        lights[selector] = _luminance(found)
    assert (lights["html"] > 0.5) is (scheme == "light")
    for ink, ground in ((".figure .big", ".panel"), (".small", ".panel"), ("#verdict h2", "#verdict")):
        high, low = sorted((lights[ink], lights[ground]), reverse=True)
        assert (high + 0.05) / (low + 0.05) >= 4.5, (ink, ground)


def _luminance(colour: str) -> float:
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


HOSTILE = "<img src=x onerror=document.title='owned'><script>document.title='owned'</script>\"'&lt;"


def test_whatever_a_node_says_stays_text(stage: Stage, open_page: Open) -> None:
    def poison(value: Any) -> Any:
        if isinstance(value, str):
            return value if re.fullmatch(r"[\d\-T:.Z+]{10,}", value) else value + HOSTILE
        if isinstance(value, dict):
            return {key: poison(each) for key, each in value.items()}
        return [poison(each) for each in value] if isinstance(value, list) else value

    stage.status = poison(stage.status)
    stage.status["reasons"], stage.status["warnings"] = ["reason " + HOSTILE], ["warning " + HOSTILE]
    aside = [{"wallet": HOSTILE, "error": HOSTILE, "attempts": 3, "next_attempt": HOSTILE}]
    stage.status["assets"][0] |= {"set_aside": 1, "set_aside_wallets": aside}
    shown = open_page(stage.url)
    shown.says("reason " + HOSTILE)
    shown.says("warning " + HOSTILE)
    assert shown.page.locator("main img, main script, #verdict img, #verdict script").count() == 0
    assert "owned" not in shown.page.title()
    assert (shown.errors, shown.strangers) == ([], [])


@pytest.mark.parametrize("empty", [False, True], ids=["null", "not there"])
def test_what_is_not_known_yet_breaks_nothing(stage: Stage, open_page: Open, empty: bool) -> None:
    asset, chain, budget = (stage.status[name][0] for name in ("assets", "chains", "budgets"))
    for of, names in (
        (asset, ["age", "audit", "event_to_row", "set_aside_wallets", "checkpoint_block", "last_tick_at", "last_closed_secs_ago"]),
        (chain, ["head", "head_at", "head_seen_secs_ago", "closed", "behind", "socket", "spend_by_day", "last_push_secs_ago"]),
        (budget, ["month_units", "month_cap", "month_secs_left", "month_units_by_end", "live_units_a_month", "units_per_sec"]),
        (stage.status, ["rates", "warnings"]),
    ):
        for name in names:
            of.pop(name) if empty else of.update({name: None})
    stage.status["endpoints"][0] |= {"latency_secs": None, "head": None, "rung": None}
    stage.status["forecasts"] = []
    shown = open_page(stage.url)
    shown.says("All true")
    shown.until("() => document.querySelector('#assets').innerText.includes('not measured yet')")
    assert shown.errors == []


def test_rows_of_one_bucket_are_told_apart_by_their_percentiles(stage: Stage, open_page: Open) -> None:
    age = stage.status["assets"][0]["age"]
    age |= {"rows": 5000, "p50_secs": 5.0, "p90_secs": 9.0, "p99_secs": 10.0, "max_secs": 10.5}
    age["histogram"] = [{"le_secs": 60, "rows": 5000}, {"le_secs": 300, "rows": 0}, {"le_secs": None, "rows": 0}]
    shown = open_page(stage.url)
    shown.until("() => document.querySelectorAll('#assets svg .bar').length === 4")
    titles = shown.page.evaluate("[...document.querySelectorAll('#assets svg .bar title')].map((each) => each.textContent)")
    assert titles == ["1.25 s to 5 s: 2,500 rows", "5 s to 9 s: 2,000 rows", "9 s to 10 s: 450 rows", "10 s to 10.5 s: 50 rows"]


def test_histogram_counts_of_any_size_and_ages_of_any_span_are_drawn(stage: Stage, open_page: Open) -> None:
    age = stage.status["assets"][0]["age"]
    age |= {"histogram": [{"le_secs": None, "rows": 0}], "p50_secs": None, "p90_secs": None, "p99_secs": None, "max_secs": None, "rows": 1}
    shown = open_page(stage.url)
    shown.says("All true")
    age |= {"histogram": [{"le_secs": 1, "rows": 1}, {"le_secs": None, "rows": 10**9}], "max_secs": 1.7e9, "p50_secs": 0.0, "p99_secs": 1e9}
    shown.until("() => document.querySelectorAll('#assets svg .bar').length === 2")
    boxes = shown.page.evaluate("[...document.querySelectorAll('#assets svg *')].map((e) => [...e.attributes].map((a) => a.value).join(' '))")
    assert not [box for box in boxes if "NaN" in box or "Infinity" in box]
    assert shown.errors == []


def test_copies_of_the_process_are_told_apart(stage: Stage, open_page: Open) -> None:
    stage.status["chains"][0]["leads"] = stage.status["assets"][0]["sweeps"] = False
    shown = open_page(stage.url)
    shown.says("All true")
    assert "followed by another copy of the process" in shown.text("#chains")
    assert "swept by another copy of the process" in shown.text("#assets")


def test_a_kill_asks_for_the_token_once_and_shows(stage: Stage, open_page: Open) -> None:
    shown = open_page(stage.url)
    shown.says("All true")
    shown.page.get_by_role("button", name="kill batcher:town").click()
    shown.page.fill("#token", "wrong")
    shown.page.keyboard.press("Enter")
    shown.until("() => document.querySelector('#ask-why').innerText.includes('missing or wrong')")
    shown.listen()
    shown.page.fill("#token", TOKEN)
    shown.page.keyboard.press("Enter")
    shown.told("batcher:town was told to end")
    stage.status["actors"][3] |= {"restarts": 1}
    shown.until("() => document.querySelectorAll('#actors tr.new').length === 1")
    shown.page.get_by_role("button", name="kill writer").click()
    shown.told("writer was told to end")
    assert stage.killed == ["/api/actors/batcher%3Atown/kill", "/api/actors/writer/kill"]
    assert TOKEN not in shown.page.url
    assert not [path for path in stage.asked if TOKEN in path]


def test_without_chaos_there_is_nothing_to_kill_with(stage: Stage, open_page: Open) -> None:
    stage.status["chaos_enabled"] = False
    shown = open_page(stage.url)
    shown.says("All true")
    assert shown.page.locator("#actors button:visible").count() == 0


def test_a_button_keeps_the_focus_while_figures_change(stage: Stage, open_page: Open) -> None:
    shown = open_page(stage.url)
    shown.says("All true")
    shown.page.get_by_role("button", name="kill writer").focus()
    stage.status["actors"] = [actor("new"), *stage.status["actors"]]
    stage.status["chains"][0]["head"] += 1
    shown.until("() => document.querySelector('#actors').innerText.includes('new')")
    assert shown.page.evaluate("document.activeElement.getAttribute('aria-label')") == "kill writer"


def test_a_screen_reader_hears_of_a_change_and_not_of_each_second(stage: Stage, open_page: Open) -> None:
    stage.status["reasons"] = ["asset TOWN has not closed for 181 s, due: 60 s"]
    shown = open_page(stage.url)
    shown.says("181 s")
    stage.status["reasons"] = ["asset TOWN has not closed for 182 s, due: 60 s"]
    shown.says("182 s")
    assert "181 s" in shown.page.locator("#said").inner_text()
    stage.status["reasons"] = ["Postgres is unreachable: gone"]
    shown.until("() => document.querySelector('#said').innerText.includes('gone')")
