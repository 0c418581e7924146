"""The leaderboard as a visitor uses it."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Site
from webapp.ui import cdn

pytestmark = pytest.mark.browser

OPENVINO = "/?target=cpu-openvino-fp32"


def test_ranks_are_shown_where_like_meets_like_only(page: Page, site: Site) -> None:
    page.goto(OPENVINO)
    expect(page.get_by_role("columnheader", name="Rank")).to_have_count(1)
    ranks = [int(text) for text in page.locator("td.rank").all_inner_texts()]
    assert ranks == sorted(ranks)
    assert ranks[0] == 1
    page.get_by_role("link", name="All entries").click()
    expect(page.get_by_role("columnheader", name="Rank", exact=True)).to_have_count(0)
    expect(page.get_by_role("row")).to_have_count(14)


def test_measured_and_modelled_stand_apart(page: Page, site: Site) -> None:
    page.goto(OPENVINO)
    expect(page.locator("#content").get_by_text("modelled")).to_have_count(1)  # the other's tab
    page.get_by_role("link", name=re.compile("Ethos-U55")).click()
    expect(page.get_by_role("heading", name=re.compile("Ethos-U55"))).to_be_visible()
    rows = page.get_by_role("row")
    expect(rows).to_have_count(1 + 4)
    assert all("modelled" in row for row in rows.all_inner_texts()[1:])


def test_the_address_holds_the_whole_selection(page: Page, site: Site) -> None:
    page.goto(OPENVINO)
    page.get_by_role("searchbox").fill("dormouse")
    page.get_by_label("Order").select_option("ratio")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("row")).to_have_count(3)
    shared = page.url
    page.goto("/method/")
    page.goto(shared)
    expect(page.get_by_role("row")).to_have_count(3)
    expect(page.get_by_role("searchbox")).to_have_value("dormouse")


def test_the_scatter_says_what_the_table_says(page: Page, site: Site) -> None:
    page.goto(OPENVINO)
    page.wait_for_function("() => window.Chart && Chart.getChart(document.querySelector('canvas'))")
    points = page.evaluate("Chart.getChart(document.querySelector('canvas')).data.datasets[0].data")
    links = page.locator("tbody th a").evaluate_all("all => all.map((a) => a.pathname)")
    assert {point["url"] for point in points} == set(links)
    for point in points:
        row = page.get_by_role("row").filter(has=page.locator(f"a[href='{point['url']}']"))
        text = row.inner_text()
        assert f"{point['y']:.3f}" in text
        assert f"{point['x']:.3g}" in text
        assert point["xLow"] < point["x"] < point["xHigh"]
        assert point["yLow"] < point["y"] < point["yHigh"]


def test_a_click_on_a_point_opens_its_entry(page: Page, site: Site) -> None:
    page.goto(OPENVINO)
    page.wait_for_function("() => window.Chart && Chart.getChart(document.querySelector('canvas'))")
    spot = page.evaluate(
        """() => {
          const chart = Chart.getChart(document.querySelector("canvas"));
          const { x, y } = chart.getDatasetMeta(0).data[0];
          return { x, y, url: chart.data.datasets[0].data[0].url };
        }"""
    )
    page.locator("canvas").click(position={"x": spot["x"], "y": spot["y"]})
    page.wait_for_url(f"**{spot['url']}")


def test_an_entry_shows_its_evidence_and_gives_its_files(page: Page, site: Site) -> None:
    page.goto(f"/entries/{site.ids['entries']['cpu-openvino-fp32'][0]}/")
    expect(page.locator(".verdict")).to_contain_text("% (")
    expect(page.locator(".verdict")).to_contain_text("faster on cpu-openvino-fp32")
    for name in ("Uploaded", "Reference", "Uniform ReLU", "Mix"):
        expect(page.get_by_role("rowheader", name=re.compile(f"^{name}"))).to_be_visible()
    expect(page.locator("svg.strip rect")).to_have_count(57)
    expect(page.locator("svg.samples polygon")).to_have_count(2)
    expect(page.locator("#command")).to_contain_text("actnas remote repeat")
    expect(page.locator("#measure")).to_contain_text("--target cpu-openvino-fp32")
    with page.expect_download() as download:
        page.get_by_role("link", name="assignment.json").click()
    assert "mix/assignment.json" in download.value.path().read_text()


def test_the_colours_can_be_switched_and_stay(page: Page, site: Site) -> None:
    page.goto("/")
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.get_by_role("button", name="Switch to dark colours").click()
    page.goto("/method/")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light


def test_the_keyboard_reaches_everything(page: Page, site: Site) -> None:
    page.goto(OPENVINO)
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    assert page.evaluate("document.querySelector('main').contains(document.activeElement)")


def test_the_integrity_hashes_are_those_of_the_packages(libraries: dict[str, bytes]) -> None:
    for file in cdn.FILES.values():
        digest = hashlib.sha384(libraries[file.url(cdn.DEFAULT_BASE)]).digest()
        assert file.integrity == f"sha384-{b64encode(digest).decode()}"


def test_ticked_entries_stand_side_by_side(page: Page, site: Site) -> None:
    page.goto(OPENVINO)
    boxes = page.get_by_role("checkbox", name=re.compile("^Compare"))
    boxes.nth(0).check()
    boxes.nth(2).check()
    page.get_by_role("button", name="Compare the ticked").click()
    page.wait_for_url(re.compile(r"/compare/\?entries=\w{12},\w{12}$"))
    expect(page.locator("table.compare thead th")).to_have_count(2)
    expect(page.locator("svg.strip")).to_have_count(2)


def test_a_list_is_kept_and_downloaded(page: Page, site: Site) -> None:
    """A worker writes the files; the page follows without a reload."""
    page.goto(f"{OPENVINO}&q=hare")
    page.get_by_role("button", name="Make a snapshot").click()
    page.wait_for_url(re.compile(r"/snapshots/\w{12}/$"))
    link = page.get_by_role("link", name="entries.csv")
    expect(link).to_be_visible(timeout=90_000)
    with page.expect_download() as download:
        link.click()
    lines = download.value.path().read_text().splitlines()
    assert len(lines) == 1 + page.locator("table.board tbody tr").count() == 3
    assert "latency_ms" in lines[0]
