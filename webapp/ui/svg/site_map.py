"""The map of sites against activations: what runs where, and what the others would cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from django.utils.safestring import SafeString

from webapp.ui import figures
from webapp.ui.svg.element import drawing, element, join
from webapp.ui.svg.mix import colour, title, words
from webapp.ui.svg.network import DrawnSite, block_names

_CELL = 14.0
_NAME = 84.0


def site_map(
    sites: Sequence[DrawnSite],
    *,
    candidates: Sequence[str],
    costs: Mapping[tuple[str, str], float],
) -> SafeString:
    """Sites across, candidates down; the chosen cell is filled.

    ``costs`` are milliseconds per (site, activation) against the original; the titles tell them.
    """
    rows: list[SafeString] = []
    for row, candidate in enumerate(candidates):
        y = row * _CELL
        rows.append(
            element(
                "text",
                title(candidate),
                attributes={
                    "class": "row-name",
                    "x": _NAME - 8,
                    "y": y + _CELL - 3.5,
                    "text-anchor": "end",
                },
            )
        )
        for column, site in enumerate(sites):
            rows.append(_cell(site, candidate, column=column, y=y, costs=costs))
    rows += block_names(sites, step=_CELL, left=_NAME, y=len(candidates) * _CELL + 13)
    label = f"Map of {len(sites)} sites against {len(candidates)} activations; " + words(
        [site.activation for site in sites]
    )
    return drawing(
        join(rows),
        label=label,
        width=_NAME + len(sites) * _CELL,
        height=len(candidates) * _CELL + 16,
        css="site-map",
    )


def _cell(
    site: DrawnSite,
    candidate: str,
    *,
    column: int,
    y: float,
    costs: Mapping[tuple[str, str], float],
) -> SafeString:
    chosen = site.activation == candidate
    cost = costs.get((site.path, candidate))
    told = f"{site.path} {title(candidate)}" + (", chosen" if chosen else "")
    if cost is not None:
        told += f", {figures.signed(cost, 4)} ms"
    return element(
        "rect",
        element("title", told),
        attributes={
            "class": None if chosen else "cell",
            "x": _NAME + column * _CELL + 1,
            "y": y + 1,
            "width": _CELL - 2,
            "height": _CELL - 2,
            "fill": colour(candidate) if chosen else None,
        },
    )
