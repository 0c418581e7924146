"""A page as somebody walks through it who has a keyboard and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from playwright.sync_api import Locator, Page, expect

# At each stop: what it is, where it stands, and whether eyes find it, in both colours.
_WATCH = """() => {
  const root = document.documentElement;
  const numbers = (colour) => (colour.match(/[\\d.]+/g) ?? []).map(Number);
  const light = (colour) => {
    const [r, g, b] = numbers(colour).map((v) => (v / 255 <= 0.04045
      ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let one = element.parentElement; one; one = one.parentElement) {
      const colour = getComputedStyle(one).backgroundColor, alpha = numbers(colour)[3] ?? 1;
      if (alpha > 0.99) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const contrast = (element) => {
    const style = getComputedStyle(element);
    const ring = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
    if (!ring) return 0;
    const [a, b] = [light(style.outlineColor), light(behind(element))].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05);
  };
  window.stops = [];
  document.addEventListener("focusin", ({ target }) => {
    const before = root.dataset.theme;
    const seen = ["light", "dark"].map((theme) => {
      root.dataset.theme = theme;
      return contrast(target);
    });
    if (before) root.dataset.theme = before; else delete root.dataset.theme;
    const box = target.getBoundingClientRect();
    const inside = box.width > 0 && box.height > 0 && box.bottom > 0 && box.top < innerHeight;
    const line = target.getClientRects()[0] ?? box;  // a link may go on in the next line
    const at = document.elementFromPoint(
      Math.min(Math.max(line.left + line.width / 2, 0), innerWidth - 1),
      Math.min(Math.max((Math.max(line.top, 0) + Math.min(line.bottom, innerHeight)) / 2, 0),
        innerHeight - 1));
    const free = at && (target.contains(at) || at.contains(target)
      || [...(target.labels ?? [])].some((label) => label.contains(at)));
    const place = [...document.querySelectorAll("*")].indexOf(target);
    const name = (target.id ? `#${target.id} ` : "")
      + (target.getAttribute("aria-label") ?? target.textContent ?? "").trim().slice(0, 40);
    window.stops.push({
      tag: target.tagName.toLowerCase(), name, place, contrast: Math.min(...seen),
      shown: inside && Boolean(free),
      region: [...document.querySelectorAll("nav, main, footer")].findLastIndex(
        (one) => one.contains(target)),
      box: { left: box.left + scrollX, right: box.right + scrollX,
             top: box.top + scrollY, bottom: box.bottom + scrollY },
    });
  });
}"""
# What a page offers to be used; of a group of radio buttons only one is a stop.
_OFFERED = """() => {
  const all = [...document.querySelectorAll(
    "a[href], button, input, select, textarea, summary, [tabindex='0']")];
  const groups = new Set();
  return all.filter((one) => {
    if (one.disabled || one.type === "hidden" || !one.checkVisibility()) return false;
    if (one.type !== "radio") return true;
    const known = groups.has(one.name);
    groups.add(one.name);
    return !known;
  }).length;
}"""
MOST_STOPS = 700


@dataclass(frozen=True)
class Stop:
    """One press of Tab. ``place`` counts elements from the page's beginning."""

    tag: str
    name: str
    place: int
    contrast: float  # of the ring to what is behind it, the worse of both colours; 0: no ring
    shown: bool
    region: int  # the innermost landmark that it stands in
    box: dict[str, float]

    def __str__(self) -> str:
        return f"<{self.tag}> {self.name}"


def walk(page: Page) -> tuple[list[Stop], int]:
    """Every stop from the page's beginning until Tab leaves it, and how many it should have."""
    offered = int(page.evaluate(_OFFERED))
    page.evaluate(_WATCH)
    read = 0
    while read < MOST_STOPS:
        for _ in range(10):
            page.keyboard.press("Tab")
        places = [stop["place"] for stop in page.evaluate("window.stops")]
        # Past the last stop the browser begins again; a trap makes no new stop, or the same ones.
        if len(places) == read or len(set(places)) < len(places):
            break
        read = len(places)
    found: list[dict[str, Any]] = page.evaluate("window.stops")
    stops: list[Stop] = []
    for one in found:
        if any(one["place"] == stop.place for stop in stops):
            break
        stops.append(Stop(**one))
    return stops, offered


def faults(stops: list[Stop], offered: int) -> list[str]:
    """What is wrong with a walk."""
    wrong = []
    if len(stops) < offered:
        last = stops[-1] if stops else "nothing"
        wrong.append(f"{len(stops)} stops where {offered} are offered; the last is {last}")
    for stop in stops:
        if stop.contrast < 3:
            wrong.append(f"{stop}: its ring has a contrast of {stop.contrast:.1f}")
        if not stop.shown:
            wrong.append(f"{stop}: has the focus where nobody sees it")
    for before, after in pairwise(stops):
        if after.place < before.place:
            wrong.append(f"{after}: comes after {before}, which stands behind it")
        # Landmarks are parts of their own: which of the two menus comes first means nothing.
        if before.region == after.region and _is_backwards(before.box, after.box):
            wrong.append(f"{after}: stands left of or above {before}, and comes after it")
    return wrong


def _is_backwards(before: dict[str, float], after: dict[str, float]) -> bool:
    """Whether eyes that read from left to right and downwards would have to go back."""
    same_line = after["top"] < before["bottom"] - 4 and before["top"] < after["bottom"] - 4
    if same_line:
        return after["right"] <= before["left"]
    above = after["bottom"] <= before["top"] + 4
    return above and after["left"] < before["right"]


def tab_to(page: Page, wanted: Locator, *, most: int = 200) -> None:
    """Press Tab until ``wanted`` has the focus."""
    expect(wanted).to_be_visible()
    for _ in range(most):
        page.keyboard.press("Tab")
        if wanted.evaluate("(one) => one === document.activeElement"):
            return
    raise AssertionError(f"{most} times Tab do not lead to {wanted}")


def press(page: Page, wanted: Locator, key: str = "Enter") -> None:
    """Go to ``wanted`` and press a key on it."""
    tab_to(page, wanted)
    page.keyboard.press(key)
