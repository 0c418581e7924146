"""A search asked for and cancelled in the browser, worked on by the real worker."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Site, shoot, sign_in, upload_model

pytestmark = pytest.mark.browser


def test_the_form_says_what_is_missing_and_keeps_what_was_given(page: Page, site: Site) -> None:
    sign_in(page)
    page.goto("/searches/new/")
    page.get_by_label("Model", exact=True).select_option(index=1)
    choose_no_target(page)
    page.get_by_label("Accuracy lost at most").fill("0.02")
    page.get_by_role("button", name="Start the search").click()
    expect(page.locator(".errorlist")).to_contain_text("This field is required")
    expect(page.get_by_label("Accuracy lost at most")).to_have_value("0.02")


def test_a_search_is_followed_live_and_cancelled(
    page: Page, site: Site, abd_checkpoint: Path
) -> None:
    """A cost study of a real model: the worker's stages come in without a reload."""
    sign_in(page)
    upload_model(page, abd_checkpoint)
    page.get_by_role("link", name="Search with this model").click()
    choose_no_target(page)
    choose_target(page, "ONNX Runtime, fp32")
    page.get_by_role("button", name="Start the search").click()
    page.wait_for_url(re.compile(r"/searches/\w{12}/$"))
    shoot(page, "search-asked")
    expect(page.locator(".stages .running, .stages .done").first).to_be_visible(timeout=90_000)
    expect(page.locator(".log li").first).to_contain_text("Inspect the model")
    shoot(page, "search-live")
    cancel(page, "Cancel the search")
    expect(page.locator("#live").get_by_text("cancelled", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Run it again")).to_be_visible()


def test_a_stranger_sees_no_buttons(page: Page, site: Site) -> None:
    sign_in(page, "hatter")
    page.goto(f"/searches/{site.ids['running']}/")
    expect(page.get_by_role("button", name=re.compile("Cancel"))).to_have_count(0)
    expect(page.get_by_role("button", name="Run it again")).to_have_count(0)


def test_the_owner_cancels_one_target_and_then_all(page: Page, site: Site) -> None:
    sign_in(page)
    page.goto(f"/searches/{site.ids['running']}/")
    expect(page.get_by_role("progressbar", name="Train")).to_be_visible()
    cancel(page, "Cancel this target")
    expect(page.locator("#live").get_by_text("cancelled", exact=True)).to_have_count(1)
    cancel(page, "Cancel the search")
    expect(page.locator("#live").get_by_text("cancelled", exact=True)).to_have_count(2)
    expect(page.get_by_role("button", name="Run it again")).to_have_count(3)


def cancel(page: Page, name: str) -> None:
    """The last button of that name, and the one behind it that confirms."""
    page.locator("summary", has_text=name).last.click()
    page.get_by_role("button", name="Yes, cancel").click()


def choose_no_target(page: Page) -> None:
    # Counting does not wait: the form's last button says that all of its boxes are there.
    expect(page.get_by_role("button", name="Start the search")).to_be_visible()
    checked = page.locator("input[name=targets]:checked")
    while checked.count():
        checked.first.uncheck()


def choose_target(page: Page, title: str) -> None:
    """Tick a target, which may be folded away with others of its hardware."""
    folded = page.locator("details.more-choices:not([open]) > summary")
    while folded.count():
        folded.first.click()
    page.get_by_label(re.compile(title)).check()


def test_the_estimate_follows_the_form(page: Page, site: Site) -> None:
    sign_in(page)
    page.goto("/searches/new/")
    choose_no_target(page)
    estimate = page.locator("#estimate")
    expect(estimate).to_contain_text("Choose a target")
    choose_target(page, "OpenVINO, fp32")
    expect(estimate).to_contain_text("nobody knows")  # no cost study has finished here
    page.get_by_label("Data set").select_option(label="Wonderland (1,250 images)")
    expect(estimate).to_contain_text("about 13 min, by the last 6 searches")
