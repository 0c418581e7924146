"""Every page in every form: no accessibility violation, no sideways scrolling, a screenshot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import Site, settle, shoot, sign_in, violations
from tests.browser.pages import NAMES, PAGES, STAFF, Role, Visit, names_of

pytestmark = pytest.mark.browser

MOST_BYTES = 100_000  # of our own a page, as they are sent
# As whom, how wide, which colours: each page as everybody in every run, the full grid in the long.
_QUICK = {("owner", 1440, "light"), ("stranger", 390, "dark"), ("anonymous", 1440, "dark")}
GRID = [
    pytest.param(
        *look,
        id="-".join(map(str, look)),
        marks=() if look in _QUICK else pytest.mark.slow,
    )
    for look in product(("owner", "stranger", "anonymous"), (1440, 390), ("light", "dark"))
]


@pytest.mark.parametrize(("role", "width", "colours"), GRID)
def test_every_page_is_accessible_light_and_fits(
    open_context: Callable[..., BrowserContext],
    site: Site,
    axe: str,
    role: Role,
    width: int,
    colours: str,
) -> None:
    page = open_context(viewport={"width": width, "height": 900}, color_scheme=colours).new_page()
    if role != "anonymous":
        sign_in(page, NAMES[role])
    form = f"{width}-{colours}" + ("" if role == "owner" else f"-{role}")
    assert _look(page, axe, PAGES, site, form=form) == []


@pytest.mark.parametrize(
    ("width", "colours"),
    [
        (1440, "light"),
        pytest.param(390, "dark", marks=pytest.mark.slow),
        pytest.param(1440, "dark", marks=pytest.mark.slow),
        pytest.param(390, "light", marks=pytest.mark.slow),
    ],
)
def test_the_administration_is_accessible_and_fits(
    open_context: Callable[..., BrowserContext], site: Site, axe: str, width: int, colours: str
) -> None:
    page = open_context(viewport={"width": width, "height": 900}, color_scheme=colours).new_page()
    sign_in(page, "red-queen")
    assert _look(page, axe, STAFF, site, form=f"{width}-{colours}") == []


def test_the_fresh_site_says_what_to_do(site: Site) -> None:
    texts = {path: text for path, (text, _) in site.fresh.items()}
    assert "The first one could be yours" in texts["/"]
    assert "No search yet" in texts["/searches/"]
    assert [found for _, found in site.fresh.values() if found] == []


def test_pages_work_without_javascript(
    open_context: Callable[..., BrowserContext], site: Site
) -> None:
    page = open_context(java_script_enabled=False).new_page()
    page.goto("/?target=cpu-openvino-fp32")
    expect(page.get_by_role("row")).to_have_count(7)
    page.get_by_role("row").nth(1).get_by_role("link").click()
    expect(page.locator(".verdict")).to_be_visible()
    expect(page.locator("svg.site-map").first).to_be_visible()
    page.goto(f"/searches/{site.ids['running']}/")
    expect(page.get_by_text("without JavaScript, reload it")).to_be_visible()


def _look(page: Page, axe: str, visits: Sequence[Visit], site: Site, *, form: str) -> list[str]:
    """Open each page and take its picture; what is wrong with them."""
    wrong = []
    names = names_of(site.ids)
    sent = _Sent(page, site.url)
    for visit in visits:
        sent.octets = 0
        page.goto(visit.path.format(**names))
        settle(page)
        wrong += [f"{visit.name}: {problem}" for problem in _problems(page, axe)]
        if sent.octets > MOST_BYTES:
            wrong.append(f"{visit.name}: {sent.octets} bytes")
        shoot(page, f"{visit.name}-{form}")
    return wrong


class _Sent:
    """Counts the bytes that the site sends to a page, headers included, nothing cached."""

    def __init__(self, page: Page, site: str) -> None:
        self.octets = 0.0
        self._ours: set[str] = set()
        self._site = site
        session = page.context.new_cdp_session(page)
        session.send("Network.enable")
        session.send("Network.setCacheDisabled", {"cacheDisabled": True})
        session.on("Network.requestWillBeSent", self._asked)
        session.on("Network.loadingFinished", self._finished)

    def _asked(self, event: dict[str, Any]) -> None:
        if event["request"]["url"].startswith(self._site):
            self._ours.add(event["requestId"])

    def _finished(self, event: dict[str, Any]) -> None:
        if event["requestId"] in self._ours:
            self.octets += event["encodedDataLength"]


def _problems(page: Page, axe: str) -> list[str]:
    found = violations(page, axe)
    beyond = page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    return [*found, f"{beyond} px beyond the right edge"] if beyond > 0 else found
