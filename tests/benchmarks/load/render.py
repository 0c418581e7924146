"""The first render of the leaderboard in Chromium, on this machine, with ten thousand entries."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler
from pathlib import Path
from typing import Any

import numpy as np

from tests import machine
from tests.benchmarks.load import leaderboard
from tests.benchmarks.load.servers import Site
from tests.benchmarks.numbers import Number
from tests.benchmarks.rows import Rows
from tests.serving import Quiet, serving

ENTRIES = 10_000
VISITS = 20
BOUND_MS = 200.0
# The browser draws its own window, a page too, while the first visit would already be measured.
SETTLED_S = 1.0
READERS_PAGE = "/accounts/"
CACHE = Path(__file__).parents[3] / "var" / "cache" / "npm"
# Waits for the first thing on the screen: it may come after everything was loaded.
_TIMES = """async () => {
  const painted = () => performance.getEntriesByName("first-contentful-paint")[0];
  while (!painted()) await new Promise((done) => setTimeout(done, 10));
  const page = performance.getEntriesByType("navigation")[0];
  return { paint_ms: painted().startTime, answer_ms: page.responseEnd };
}"""


def inputs() -> dict[str, Any]:
    return {
        "entries": ENTRIES,
        "visits": VISITS,
        "seed": leaderboard.SEED,
        "width": 1440,
        "window_open_s": SETTLED_S,
        "reader_comes_from": READERS_PAGE,
    }


@contextmanager
def own_cdn() -> Iterator[dict[str, str]]:
    """A server of the pages' libraries on loopback, and the setting that makes a site use it.

    Answering for the CDN inside the browser would hold up every other request, too.
    """
    from tests.browser import npm
    from webapp.ui import cdn

    with tempfile.TemporaryDirectory(prefix="actnas-cdn-") as folder:
        for file in cdn.FILES.values():
            place = Path(file.url(folder))
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(npm.fetch(file.package, file.version, file.path, cache=CACHE))
        with serving(partial(_Files, directory=folder)) as url:
            yield {"ACTNAS_CDN": url}


class _Files(Quiet, SimpleHTTPRequestHandler):
    def end_headers(self) -> None:
        self.send_header("Access-Control-Allow-Origin", "*")
        super().end_headers()


def missing(rows: Rows, sizes: tuple[int, ...]) -> bool:
    """Whether the row is missing; ``sizes`` are those of the leaderboard's own part."""
    return rows.find("render", inputs()) is None


def run(rows: Rows, site: Site, sizes: tuple[int, ...]) -> None:
    """Adds the row; the process must see the database of ``site``."""
    from tests.benchmarks.load import entries as made

    made.prepare()
    made.fill(ENTRIES)
    rows.add("render", inputs(), partial(_measure, site))


def _measure(site: Site) -> dict[str, Any]:
    """Milliseconds from the click to the first paint, each visit in a new browser profile: a
    visitor's, who has never been on the site (the page is kept in Redis), and a reader's, who
    comes from their own page, as whoever has signed in has seen one (the page is made anew)."""
    from playwright.sync_api import sync_playwright

    from tests.browser.conftest import FLAGS

    url = "http://{}:{}".format(*site.address)
    session = leaderboard.session_key()
    found: dict[str, Any] = {"load_1min_before": round(os.getloadavg()[0], 2)}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=machine.chromium(), args=FLAGS)
        for name in ("visitor", "reader"):
            visits = []
            for _ in range(VISITS + 1):
                context = browser.new_context(viewport={"width": 1440, "height": 900})
                page = context.new_page()
                time.sleep(SETTLED_S)
                if name == "reader":
                    context.add_cookies([{"name": "sessionid", "value": session, "url": url}])
                    page.goto(f"{url}{READERS_PAGE}")
                    time.sleep(SETTLED_S)
                    page.get_by_role("link", name="Leaderboard", exact=True).click()
                    page.wait_for_url(f"{url}/")
                else:
                    page.goto(f"{url}/")
                visits.append(page.evaluate(_TIMES))
                context.close()
            found[name] = visits[1:]  # the first one warms the web process
        browser.close()
    return found


def numbers(rows: Rows) -> list[Number]:
    """first_render: the median of visits, with their 5th and 95th percentile."""
    row = rows.find("render", inputs())
    return [_number(row, name) for name in ("visitor", "reader")]


def _number(row: dict[str, Any] | None, name: str) -> Number:
    plain = Number(f"first_render_{name}", "ms", ("<=", BOUND_MS))
    if row is None:
        return plain
    paints = [visit["paint_ms"] for visit in row["values"][name]]
    low, middle, high = np.percentile(paints, [5, 50, 95])
    answered = float(np.median([visit["answer_ms"] for visit in row["values"][name]]))
    return Number(
        plain.name,
        plain.unit,
        plain.target,
        float(middle),
        (float(low), float(high)),
        f"{ENTRIES:,} entries, {VISITS} new profiles; answered after {answered:.0f} ms; "
        f"load average before {row['values']['load_1min_before']}",
    )
