"""A real browser without a window, and the page in it. Where there is no browser these tests fail, and say so."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Error, Page, Request, sync_playwright

from tests.dashboard.stage import Stage

Open = Callable[..., "Shown"]
DESK, PHONE = {"width": 1280, "height": 800}, {"width": 390, "height": 844}
PATIENCE_MS = 100_000.0  # longer than the product's own times: a socket's backoff is up to a minute, and a warning is shown as long


class Shown:
    """The page in a window, and what went wrong in it: errors of its console, and requests to anybody but the service."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url
        self.errors: list[str] = []
        self.strangers: list[str] = []
        page.on("console", self._on_console)
        page.on("pageerror", self._on_error)
        page.on("request", self._on_request)
        page.goto(url)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.errors.append(message.text)

    def _on_error(self, error: Error) -> None:
        self.errors.append(str(error))

    def _on_request(self, request: Request) -> None:
        if not request.url.startswith(self.url):
            self.strangers.append(request.url)

    def text(self, selector: str) -> str:
        return self.page.locator(selector).inner_text()

    def says(self, *words: str, within: str = "#verdict", timeout: float = PATIENCE_MS) -> None:
        """Wait until a line of the verdict has all these words in it, in sight without scrolling."""
        script = """([within, words]) => [...document.querySelectorAll(`${within} li, ${within} h2, ${within} p`)].some((line) => {
            const box = line.getBoundingClientRect();
            const seen = box.height > 0 && box.top >= 0 && box.bottom <= innerHeight && box.left >= 0 && box.right <= innerWidth;
            return seen && words.every((word) => line.innerText.includes(word));
        }) && scrollY === 0"""
        try:
            self.page.wait_for_function(script, arg=[within, list(words)], timeout=timeout)
        except Exception as error:
            raise AssertionError(f"no line in sight has {words}; there is: {self.text('#verdict')}") from error

    def listen(self) -> None:
        """Remember all that the verdict says from now on: some of it is gone after a few seconds."""
        self.page.evaluate("""() => {
            const verdict = document.querySelector("#verdict");
            window.heard = [];
            new MutationObserver(() => heard.push(verdict.innerText)).observe(verdict, { subtree: true, childList: true, characterData: true });
        }""")

    def told(self, words: str) -> None:
        """Wait until the verdict has said this since `listen`, wherever the window stands."""
        self.until("(words) => heard.some((text) => text.includes(words))", words)

    def until(self, script: str, arg: Any = None) -> None:
        """Wait until this holds in the page."""
        self.page.wait_for_function(script, arg=arg, timeout=PATIENCE_MS)

    def fits(self) -> bool:
        """Whether nothing has to be scrolled sideways."""
        return bool(self.page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert path, "no browser: these tests need chromium on the PATH"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[Open]:
    """Opens the page of a URL, in a window of a size and in light or dark; each in a context of its own."""
    with ExitStack() as stack:

        def open_page(url: str, size: dict[str, int] = DESK, scheme: Any = "light") -> Shown:
            context = browser.new_context(viewport={"width": size["width"], "height": size["height"]}, color_scheme=scheme)
            stack.callback(context.close)
            return Shown(context.new_page(), url)

        yield open_page


@pytest.fixture
def stage() -> Iterator[Stage]:
    """A service that says what the test wants."""
    stage = Stage()
    stage.start()
    yield stage
    stage.frozen = stage.frozen_events = False
    stage.stop()
