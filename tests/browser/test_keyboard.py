"""The whole site by keyboard alone."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import Site, settle, sign_in
from tests.browser.factories import PASSWORD
from tests.browser.keyboard import faults, press, tab_to, walk
from tests.browser.pages import PAGES, STAFF, Visit, names_of

pytestmark = pytest.mark.browser

_SWAPPED = """() => {
  window.swaps = 0;
  document.addEventListener("htmx:afterSettle", () => { window.swaps += 1; });
}"""


@pytest.mark.parametrize(
    ("width", "name", "visits"),
    [
        (1440, "alice", PAGES),
        pytest.param(390, "alice", PAGES, marks=pytest.mark.slow),
        pytest.param(1440, "red-queen", STAFF[1:], marks=pytest.mark.slow),
    ],
)
def test_every_stop_of_every_page_is_seen_and_in_reading_order(
    open_context: Callable[..., BrowserContext],
    site: Site,
    width: int,
    name: str,
    visits: tuple[Visit, ...],
) -> None:
    """All that can be used is reached by Tab, once, in order, with a ring in light and dark."""
    page = open_context(viewport={"width": width, "height": 900}).new_page()
    sign_in(page, name)
    names = names_of(site.ids)
    wrong = []
    for visit in visits:
        page.goto(visit.path.format(**names))
        settle(page)
        wrong += [f"{visit.name}: {fault}" for fault in faults(*walk(page))]
    assert not wrong, "\n".join(wrong)


def test_from_sign_in_to_an_upload(page: Page, site: Site, tmp_path: Path) -> None:
    # Listened to from the beginning: Chromium hands files to the test only once it has been told
    # to, and a key that is pressed right after telling may come first.
    page.on("filechooser", lambda chooser: None)
    page.goto("/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    press(page, page.get_by_role("link", name="Sign in"))
    page.wait_for_url("**/accounts/login/")
    tab_to(page, page.get_by_label("Username"))
    page.keyboard.type("alice")
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/searches/")
    press(page, page.get_by_role("navigation", name="Account").get_by_role("link", name="alice"))
    page.wait_for_url("**/accounts/")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # past the menus
    expect(page.locator("main")).to_be_focused()
    press(page, page.get_by_role("link", name="Upload a model"))
    page.wait_for_url("**/models/upload/")
    (tmp_path / "butterfly.yaml").write_text("bread: and butter")
    tab_to(page, page.get_by_label("Model file"))
    with page.expect_file_chooser() as chooser:
        page.keyboard.press("Enter")
    chooser.value.set_files(tmp_path / "butterfly.yaml")
    expect(page.get_by_text("butterfly.yaml, 1 KiB")).to_be_visible()
    tab_to(page, page.get_by_label("Name"))
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("radio").nth(1)).to_be_checked()
    page.keyboard.press("ArrowUp")
    press(page, page.get_by_role("button", name="Upload"))
    page.wait_for_url(re.compile(r"/models/\w{12}/$"))


def test_a_search_is_asked_for_and_what_is_missing_is_said(page: Page, site: Site) -> None:
    sign_in(page)
    page.goto("/searches/new/")
    tab_to(page, page.get_by_label("Model", exact=True))
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    expect(page.get_by_label("Data set")).to_be_focused()
    page.keyboard.type("Wonder")
    tab_to(page, page.get_by_label("Accuracy lost at most"))
    page.keyboard.press("Control+a")
    page.keyboard.type("0.02")
    folded = page.locator("details.more-choices > summary").first
    press(page, folded)
    page.keyboard.press("Tab")
    page.keyboard.press("Space")
    expect(page.locator(":focus")).to_be_checked()
    expect(page.locator("#estimate")).to_contain_text("searches like this")
    checked = page.locator("input[name=targets]:checked")
    while checked.count():
        checked.first.focus()
        page.keyboard.press("Space")
    press(page, page.get_by_role("button", name="Start the search"))
    expect(page.locator(".errorlist")).to_contain_text("This field is required")
    expect(page.get_by_label("Accuracy lost at most")).to_have_value("0.02")


def test_a_running_search_is_paused_resumed_and_cancelled(page: Page, site: Site) -> None:
    sign_in(page)
    page.goto(f"/searches/{site.ids['steered']}/")
    for button, said, then in (
        ("Pause", "Paused on", "Resume"),
        ("Resume", "Resumed on", "Pause"),
    ):
        press(page, page.get_by_role("button", name=button, exact=True))
        message = page.locator(".messages")
        expect(message).to_contain_text(said)
        expect(message).to_be_focused()  # so that it is read, and Tab goes on in the page
        expect(page.get_by_role("button", name=then, exact=True)).to_be_visible()
    press(page, page.locator("summary", has_text="Cancel the search"))
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Yes, cancel all of it")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".messages")).to_contain_text("The search is cancelled")
    expect(page.get_by_role("button", name="Run it again")).to_be_visible()


def test_a_part_that_is_replaced_keeps_focus_and_place(page: Page, site: Site) -> None:
    """Elements with and without an id; on a phone, where the page scrolls."""
    page.set_viewport_size({"width": 390, "height": 700})
    sign_in(page)
    page.goto(f"/searches/{site.ids['running']}/")
    page.evaluate(_SWAPPED)
    live = page.locator("#live")
    for wanted in (
        live.get_by_role("link", name="Cheshire cat finder"),
        live.locator("summary", has_text="Mixes that were tried"),
        live.get_by_label("Log, scrolls"),
    ):
        wanted.focus()
        told = page.evaluate("document.activeElement.outerHTML.slice(0, 60)")
        at = page.evaluate("document.activeElement.getBoundingClientRect().top")
        seen = page.evaluate("window.swaps")
        page.wait_for_function(f"() => window.swaps > {seen}")
        assert page.evaluate("document.activeElement.outerHTML.slice(0, 60)") == told
        now = page.evaluate("document.activeElement.getBoundingClientRect().top")
        assert abs(now - at) < 40  # a line of the page may have become one longer


def test_an_entry_is_studied_and_compared(page: Page, site: Site) -> None:
    page.set_viewport_size({"width": 700, "height": 900})  # drawings are wider
    page.goto("/?target=cpu-openvino-fp32")
    boxes = page.get_by_role("checkbox", name=re.compile("^Compare"))
    for index in (0, 1):
        press(page, boxes.nth(index), "Space")
    press(page, page.get_by_role("button", name="Compare the ticked"))
    page.wait_for_url(re.compile("/compare/"))
    press(page, page.locator("table.compare thead a").first)
    page.wait_for_url(re.compile(r"/entries/\w{12}/$"))
    drawing = page.get_by_role("region", name="Network, scrolls sideways")
    tab_to(page, drawing)
    page.keyboard.press("ArrowRight")
    page.wait_for_function("() => document.activeElement.scrollLeft > 0")
    press(page, page.locator("summary", has_text="The same as a table"))
    sites = page.get_by_role("region", name="Sites, scrolls")
    tab_to(page, sites)
    page.keyboard.press("End")
    page.wait_for_function("() => document.activeElement.scrollTop > 0")


def test_a_token_is_made_and_revoked(page: Page, site: Site) -> None:
    sign_in(page)
    page.goto("/accounts/tokens/")
    tab_to(page, page.get_by_label("Name"))
    page.keyboard.type("tea pot")
    page.keyboard.press("Enter")
    expect(page.locator(".secret")).to_contain_text("actnas_")
    row = page.get_by_role("row", name=re.compile("tea pot"))
    press(page, row.get_by_role("button", name=re.compile("Revoke")))
    expect(page.locator(".messages")).to_contain_text("tea pot works no more")
