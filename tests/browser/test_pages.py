"""Every page in every form: no accessibility violation, no sideways scrolling, a screenshot."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import Site, shoot, sign_in, violations

pytestmark = pytest.mark.browser

ANONYMOUS = {
    "leaderboard": "/?target=cpu-openvino-fp32",
    "leaderboard-all": "/?target=all",
    "leaderboard-nothing": "/?q=jabberwock",
    "entry-measured": "/entries/{measured}/",
    "entry-modelled": "/entries/{modelled}/",
    "compare": "/compare/?entries={compared}",
    "compare-nothing": "/compare/",
    "method": "/method/",
    "devices": "/devices/",
    "device": "/devices/looking-glass-cpu/",
    "searches": "/searches/",
    "search-running": "/searches/{running}/",
    "search-finished": "/searches/{finished}/",
    "model": "/models/{model}/",
    "data-set": "/data-sets/{data_set}/",
    "sign-in": "/accounts/login/",
    "sign-up": "/accounts/sign-up/",
    "forgotten": "/accounts/forgotten/",
    "forgotten-sent": "/accounts/forgotten/sent/",
    "snapshot": "/snapshots/{snapshot}/",
    "404": "/rabbit-hole/",
}
SIGNED_IN = {
    "account": "/accounts/",
    "tokens": "/accounts/tokens/",
    "webhooks": "/accounts/webhooks/",
    "webhook": "/accounts/webhooks/{webhook}/",
    "password": "/accounts/password/",
    "mail": "/accounts/email/",
    "delete": "/accounts/delete/",
    "upload-model": "/models/upload/",
    "upload-data-set": "/data-sets/upload/",
    "search-new": "/searches/new/",
    "search-mine": "/searches/{running}/",
}
STAFF = {
    "administration": "/admin/",
    "analysis": "/admin/analysis/?days=90",
}
FORMS = [
    pytest.param(1440, "light", id="wide-light"),
    pytest.param(390, "dark", id="phone-dark"),
    pytest.param(1440, "dark", id="wide-dark", marks=pytest.mark.slow),
    pytest.param(390, "light", id="phone-light", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("width", "colours"), FORMS)
def test_every_page_is_accessible_and_fits(
    open_context: Callable[..., BrowserContext], site: Site, axe: str, width: int, colours: str
) -> None:
    page = open_context(viewport={"width": width, "height": 900}, color_scheme=colours).new_page()
    names = {
        "measured": site.ids["entries"]["cpu-openvino-fp32"][1],
        "modelled": site.ids["entries"]["npu-ethos-u55-128-int8"][1],
        "compared": ",".join(site.ids["entries"]["cpu-openvino-fp32"][:3]),
        **{name: key for name, key in site.ids.items() if name != "entries"},
    }
    wrong = []
    for pages in (ANONYMOUS, SIGNED_IN):
        if pages is SIGNED_IN:
            sign_in(page)
        wrong += _look(page, axe, pages, names, form=f"{width}-{colours}")
    staff = open_context(viewport={"width": width, "height": 900}, color_scheme=colours).new_page()
    sign_in(staff, "red-queen")
    wrong += _look(staff, axe, STAFF, names, form=f"{width}-{colours}")
    assert wrong == []


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


def test_a_page_is_light(page: Page, site: Site) -> None:
    """Our own bytes on the wire, the heaviest pages: below 100 KB."""
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")
    sizes: list[float] = []
    session.on("Network.loadingFinished", lambda event: sizes.append(event["encodedDataLength"]))
    for path in ("/?target=all", f"/entries/{site.ids['entries']['cpu-openvino-fp32'][0]}/"):
        sizes.clear()
        page.goto(path)
        page.wait_for_load_state("networkidle")
        assert 0 < sum(sizes) < 100_000


def _look(
    page: Page, axe: str, pages: dict[str, str], names: dict[str, str], *, form: str
) -> list[str]:
    """Open each page and take its picture; what is wrong with them."""
    wrong = []
    for name, path in pages.items():
        page.goto(path.format(**names))
        page.wait_for_load_state("networkidle")
        wrong += [f"{name}: {problem}" for problem in _problems(page, axe)]
        shoot(page, f"{name}-{form}")
    return wrong


def _problems(page: Page, axe: str) -> list[str]:
    found = violations(page, axe)
    beyond = page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    return [*found, f"{beyond} px beyond the right edge"] if beyond > 0 else found
