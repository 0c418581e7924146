"""A whole site of its own (web server, Redis, agent, workers) and a Chromium that looks at it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect, sync_playwright

from tests import machine
from tests.browser import npm
from tests.browser.factories import PASSWORD
from tests.conftest import CACHE, ROOT
from webapp.demo.stack import Stack
from webapp.ui import cdn

CHECK_MS = 90_000  # the validation of an upload by a real worker, on a busy machine
SHOTS = ROOT / "var" / "screenshots"
PATIENCE_MS = 30_000  # of everything else: machines that test are busy
FLAGS = ["--no-sandbox", "--disable-quic", "--disable-background-networking", "--no-first-run"]
_RUN_AXE = """async () => {
  const { violations } = await axe.run();
  return violations.flatMap((rule) => rule.nodes.map(
    (node) => `${rule.id}: ${node.target.join(" ")}: ${node.failureSummary}`));
}"""
AXE = ("axe-core", "4.14.1", "axe.min.js")


@dataclass
class Site:
    """The running site. ``ids`` are those that factories.populate printed; ``fresh`` holds what
    the pages of the still empty site looked like: {path: (text, axe violations)}."""

    url: str
    ids: dict[str, Any]
    fresh: dict[str, tuple[str, list[str]]]


@dataclass
class Eyes:
    """What a context's pages complained about: script errors and broken policies."""

    complaints: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.complaints.append(f"{page.url}: {error}"))
        page.on("console", lambda message: self._console(page, message.type, message.text))

    def _console(self, page: Page, kind: str, text: str) -> None:
        # The status of the page itself (404, 422 ...) is an error for the console only.
        if kind == "error" and "the server responded with a status of" not in text:
            self.complaints.append(f"{page.url}: {text}")


@pytest.fixture(scope="session")
def npm_file() -> Callable[[str, str, str], bytes]:
    """A file of an npm package; the test is skipped where npm is missing."""

    def get(package: str, version: str, path: str) -> bytes:
        try:
            return npm.fetch(package, version, path, cache=CACHE / "npm")
        except npm.NpmMissing as missing:
            pytest.skip(str(missing))

    return get


@pytest.fixture(scope="session")
def libraries(npm_file: Callable[[str, str, str], bytes]) -> dict[str, bytes]:
    """The CDN's files by address."""
    return {
        file.url(cdn.DEFAULT_BASE): npm_file(file.package, file.version, file.path)
        for file in cdn.FILES.values()
    }


@pytest.fixture(scope="session")
def axe(npm_file: Callable[[str, str, str], bytes]) -> str:
    return npm_file(*AXE).decode()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=machine.chromium(), args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def site(
    tmp_path_factory: pytest.TempPathFactory,
    chromium: Browser,
    axe: str,
    libraries: dict[str, bytes],
) -> Iterator[Site]:
    """The site with Wonderland's rows in it; its empty pages were looked at before."""
    with Stack(tmp_path_factory.mktemp("site")) as stack:
        context = chromium.new_context(viewport={"width": 1440, "height": 900})
        answer_for_cdn(context, libraries)
        page = context.new_page()
        fresh = {}
        for path in ("/", "/searches/", "/devices/"):
            page.goto(stack.url + path)
            shoot(page, f"empty{path.replace('/', '-').rstrip('-')}")
            fresh[path] = (page.inner_text("main"), violations(page, axe))
        context.close()
        code = "from tests.browser.factories import populate; populate()"
        printed = stack.manage("shell", "--no-imports", "--command", code)
        yield Site(stack.url, json.loads(printed.strip().splitlines()[-1]), fresh)


@pytest.fixture
def open_context(
    chromium: Browser, libraries: dict[str, bytes], site: Site
) -> Iterator[Callable[..., BrowserContext]]:
    """Makes browser contexts; at the end no page of theirs may have complained."""
    made: list[BrowserContext] = []
    eyes = Eyes()

    def make(**options: Any) -> BrowserContext:
        context = chromium.new_context(base_url=site.url, **options)
        context.set_default_timeout(PATIENCE_MS)
        answer_for_cdn(context, libraries)
        context.on("page", eyes.watch)
        made.append(context)
        return context

    yield make
    for context in made:
        context.close()
    assert eyes.complaints == []


@pytest.fixture
def page(open_context: Callable[..., BrowserContext]) -> Page:
    """A page at 1440 px in light colours, not signed in."""
    return open_context(viewport={"width": 1440, "height": 900}, color_scheme="light").new_page()


def answer_for_cdn(context: BrowserContext, libraries: dict[str, bytes]) -> None:
    """Answer requests to the CDN with the bytes of the npm package; refuse all other hosts."""

    def answer(route: Route) -> None:
        body = libraries.get(route.request.url)
        if body is None:
            route.abort()
            return
        route.fulfill(
            body=body,
            content_type="application/javascript",
            headers={"access-control-allow-origin": "*"},
        )

    context.route(re.compile("^https:"), answer)


def sign_in(page: Page, name: str = "alice") -> None:
    page.goto("/accounts/login/")
    page.get_by_label("Username").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/searches/")


def upload_model(page: Page, path: Path) -> None:
    """Upload a model and wait on its page until it has been checked."""
    page.goto("/models/upload/")
    page.get_by_label("Model file").set_input_files(path)
    page.get_by_role("button", name="Upload").click()
    page.wait_for_url(re.compile(r"/models/\w{12}/$"))
    # Live: nobody reloads the page.
    expect(page.get_by_text("Activation sites")).to_be_visible(timeout=CHECK_MS)


def settle(page: Page) -> None:
    """Wait until the page shows all it has: fonts, and its charts.

    Not until the network is idle: a page that follows a search asks again and again, and on a busy
    machine never pauses.
    """
    page.wait_for_function(
        """() => document.fonts.status === "loaded" && [...document.querySelectorAll("canvas")]
          .every((canvas) => window.Chart && Chart.getChart(canvas))"""
    )


def shoot(page: Page, name: str) -> Path:
    """A screenshot of the whole page in var/screenshots."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    path = SHOTS / f"{name}.png"
    page.screenshot(path=path, full_page=True)
    return path


def violations(page: Page, axe: str) -> list[str]:
    """What axe-core finds wrong with the page: rule, element and why."""
    page.evaluate(axe)
    found: list[str] = page.evaluate(_RUN_AXE)
    return found
