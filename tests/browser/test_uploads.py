"""Uploads through the browser, checked by the real worker."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.browser.conftest import CHECK_MS, Site, shoot, sign_in, upload_model, violations

pytestmark = pytest.mark.browser


def test_a_checkpoint_is_uploaded_and_checked(
    page: Page, site: Site, axe: str, abd_checkpoint: Path
) -> None:
    sign_in(page)
    upload_model(page, abd_checkpoint)
    for figure in ("57", "147", "YOLOv8n"):
        expect(page.locator("dl.figures")).to_contain_text(figure)
    expect(page.locator("svg.strip rect")).to_have_count(57)
    shoot(page, "model-real")
    problems = violations(page, axe)
    assert problems == []


def test_the_bar_shows_how_much_was_sent(page: Page, site: Site, abd_checkpoint: Path) -> None:
    sign_in(page)
    page.goto("/models/upload/")
    page.get_by_label("Model file").set_input_files(abd_checkpoint)
    # So slow that nobody misses it while he looks; freed afterwards.
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 3e5}
    session = page.context.new_cdp_session(page)
    session.send("Network.emulateNetworkConditions", slow)
    page.get_by_role("button", name="Upload").click()
    # A function, because the policy of the page forbids to evaluate text.
    page.wait_for_function(
        """() => {
          const { value } = document.querySelector("progress");
          return value > 0 && value < 1;
        }"""
    )
    expect(page.locator(".upload-status")).to_contain_text("of 6.6 MiB sent")
    shoot(page, "upload-under-way")
    session.send("Network.emulateNetworkConditions", {**slow, "uploadThroughput": -1})
    page.wait_for_url(re.compile(r"/models/\w{12}/$"))


def test_a_dropped_file_that_is_no_model_is_refused_in_words(page: Page, site: Site) -> None:
    sign_in(page)
    page.goto("/models/upload/")
    drop = page.evaluate_handle(
        """() => {
          const transfer = new DataTransfer();
          transfer.items.add(new File(["curiouser and curiouser"], "rabbit.pt"));
          return transfer;
        }"""
    )
    page.dispatch_event(".drop", "drop", {"dataTransfer": drop})
    expect(page.get_by_text("rabbit.pt, 1 KiB")).to_be_visible()
    page.get_by_role("button", name="Upload").click()
    page.wait_for_url(re.compile(r"/models/\w{12}/$"))
    expect(page.get_by_role("heading", name="Refused")).to_be_visible(timeout=CHECK_MS)
    shoot(page, "model-refused")


def test_a_wrong_suffix_is_said_on_the_form(page: Page, site: Site, tmp_path: Path) -> None:
    sign_in(page)
    page.goto("/models/upload/")
    (tmp_path / "tea.txt").write_text("tea")
    page.get_by_label("Model file").set_input_files(tmp_path / "tea.txt")
    page.get_by_role("button", name="Upload").click()
    expect(page.locator(".upload-status")).to_contain_text("accepted: .pt")


def test_a_data_set_is_uploaded_without_javascript(
    open_context: Callable[..., BrowserContext], site: Site, molecules: Path, tmp_path: Path
) -> None:
    from webapp.demo.molecules import pack

    pack(molecules, tmp_path / "molecules.zip")
    page = open_context(java_script_enabled=False).new_page()
    sign_in(page)
    page.goto("/data-sets/upload/")
    page.get_by_label("Zip archive").set_input_files(tmp_path / "molecules.zip")
    page.get_by_label("Name").fill("Molecules")
    page.get_by_role("button", name="Upload").click()
    # Not any page of data sets: the form is one, too, and a reload there would end the upload.
    page.wait_for_url(re.compile(r"/data-sets/\w{12}/$"))
    for _ in range(CHECK_MS // 1000):
        if page.get_by_text("Boxes a class").count():
            break
        page.wait_for_timeout(1000)
        page.reload()
    expect(page.locator("dl.figures")).to_contain_text("24")
    expect(page.get_by_role("row").nth(1)).to_contain_text("Single")  # most bonds are single
    shoot(page, "data-set-real")
