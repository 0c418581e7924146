"""What a page says when something is not as usual, and when it was."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.browser.conftest import Site, answer_for_cdn, sign_in
from tests.browser.pages import PAGES, names_of
from webapp.ui import cdn

pytestmark = pytest.mark.browser

_IN_MY_ZONE = """() => [...document.querySelectorAll("time[datetime]")]
  .every((one) => !(one.title + one.textContent).includes("UTC"))"""
_TIMES = """() => [...document.querySelectorAll("time[datetime]")].slice(0, 20)
  .map((one) => [one.dateTime, one.title || one.textContent])"""


def test_a_live_page_says_when_the_site_is_out_of_reach(
    chromium: Browser, libraries: dict[str, bytes], site: Site
) -> None:
    """And takes it back by itself. Nobody listens to what the console complains of meanwhile."""
    context = chromium.new_context(base_url=site.url)
    answer_for_cdn(context, libraries)
    page = context.new_page()
    page.goto(f"/searches/{site.ids['watched']}/")
    said = page.get_by_text("The site cannot be reached")
    live = re.compile(r"/live/$")
    page.route(live, lambda route: route.abort())
    expect(said).to_be_visible()
    expect(said).to_have_count(1)
    page.unroute(live)
    expect(said).to_have_count(0)
    context.close()


def test_a_page_says_that_its_chart_cannot_be_had(chromium: Browser, site: Site) -> None:
    """The library's server is out of reach; the table stands."""
    context = chromium.new_context(base_url=site.url)
    page = context.new_page()
    page.route(cdn.FILES["chart.js"].url(cdn.DEFAULT_BASE), lambda route: route.abort())
    page.goto("/?target=cpu-openvino-fp32")
    expect(page.get_by_text("The chart cannot be loaded")).to_be_visible()
    expect(page.get_by_role("row").nth(1)).to_be_visible()
    context.close()


def test_a_private_page_says_that_it_may_be_somebodys_own(page: Page, site: Site) -> None:
    page.goto("/searches/nobodys00000/")
    expect(page.get_by_text("It may be somebody's own")).to_be_visible()
    page.get_by_role("link", name="Sign in").last.click()
    assert page.url.endswith("/accounts/login/?next=/searches/nobodys00000/")


def test_times_are_told_in_the_readers_zone(
    open_context: Callable[..., BrowserContext], site: Site
) -> None:
    """On every page, in a zone whose hours are no whole ones from UTC."""
    page = open_context(timezone_id="Asia/Kolkata", locale="en-GB").new_page()
    sign_in(page)
    names = names_of(site.ids)
    told = 0
    for visit in PAGES:
        page.goto(visit.path.format(**names))
        page.wait_for_function(_IN_MY_ZONE)
        for moment, shown in page.evaluate(_TIMES):
            local = datetime.fromisoformat(moment).astimezone(ZoneInfo("Asia/Kolkata"))
            assert f"{local:%H:%M:%S}" in shown, (visit.name, shown)
            told += 1
        if visit.name != "api":  # whose prose speaks of formats
            assert "UTC" not in page.content(), visit.name
    assert told > 50
