"""Drawings: what they show, and that nothing from an upload gets out of its attribute."""

from __future__ import annotations

from xml.etree import ElementTree

from devices.activations import CATALOG
from webapp.leaderboard.scatter import pareto
from webapp.ui import svg
from webapp.ui.svg.network import DrawnSite

BAIT = '"><script>alert(1)</script>'


def test_a_mix_bar_has_every_site_in_order() -> None:
    drawn = ElementTree.fromstring(svg.bar(["relu", "relu", "silu", "relu"]))
    paths = {path.get("fill"): path.get("d") for path in drawn}
    relu, silu = CATALOG["relu"].colour, CATALOG["silu"].colour
    assert paths == {relu: "M0 0h2v1h-2zM3 0h1v1h-1z", silu: "M2 0h1v1h-1z"}
    assert drawn.get("aria-label") == "Activation mix of 4 sites: ReLU 3, SiLU 1"


def test_every_drawing_escapes_what_it_is_given() -> None:
    sites = [DrawnSite(BAIT, "relu", (8, 4, 4)), DrawnSite("model.1.act", BAIT)]
    for drawn in (
        svg.strip(sites),
        svg.bar([BAIT]),
        svg.site_map(sites, candidates=["relu", BAIT], costs={(BAIT, "relu"): -0.5}),
        svg.heat_map(
            sites,
            candidates=["relu", BAIT],
            values={(BAIT, "relu"): 0.5},
            told=lambda value: BAIT,
            what=BAIT,
        ),
        svg.distribution([(BAIT, [1.0, 1.1]), ("model", [0.9])]),
        svg.swatch(BAIT),
    ):
        ElementTree.fromstring(drawn)  # well-formed
        assert "<script" not in drawn


def test_the_map_fills_what_was_chosen_and_tells_the_cost() -> None:
    sites = [DrawnSite("model.0.act", "relu"), DrawnSite("model.1.act", "silu")]
    costs = {("model.0.act", "relu"): -0.25}
    drawn = ElementTree.fromstring(svg.site_map(sites, candidates=["relu", "silu"], costs=costs))
    cells = [element for element in drawn if element.tag == "rect"]
    assert [cell.get("fill") is not None for cell in cells] == [True, False, False, True]
    assert cells[0][0].text == "model.0.act ReLU, chosen, \u22120.2500 ms"


def test_a_heat_map_is_stronger_where_a_choice_costs_more() -> None:
    sites = [DrawnSite("model.0.act", "relu"), DrawnSite("model.1.act", "silu")]
    values = {("model.0.act", "relu"): -0.2, ("model.0.act", "silu"): 0.0}
    values[("model.1.act", "silu")] = 0.3
    drawn = ElementTree.fromstring(
        svg.heat_map(
            sites, candidates=["relu", "silu"], values=values, told=str, what="Cost of each choice"
        )
    )
    cells = {cell[0].text: cell for cell in drawn if cell.tag == "rect" and len(cell)}
    shades = [
        float(cells[name].get("fill-opacity", ""))
        for name in (
            "model.0.act ReLU, chosen, -0.2",
            "model.0.act SiLU, 0.0",
            "model.1.act SiLU, chosen, 0.3",
        )
    ]
    assert shades == sorted(shades)
    assert shades[0] < shades[1] < shades[2]
    assert cells["model.1.act ReLU, not known"].get("fill-opacity") is None
    framed = [name for name, cell in cells.items() if cell.get("stroke")]
    assert framed == ["model.0.act ReLU, chosen, -0.2", "model.1.act SiLU, chosen, 0.3"]


def test_an_interval_beyond_the_scale_is_a_pointer_not_a_value() -> None:
    inside = svg.interval(0.9, low=0.8, high=1.0, scale=(0.5, 1.5), reference=1.0, label="Ratio")
    beyond = svg.interval(0.3, low=0.2, high=0.4, scale=(0.5, 1.5), reference=1.0, label="Ratio")
    assert "<circle" in inside
    assert "<circle" not in beyond
    assert "polygon" in beyond
    assert "Ratio 0.300, 95 % interval 0.200\u20130.400" in beyond


def test_every_activation_has_a_graph() -> None:
    for name in CATALOG:
        ElementTree.fromstring(svg.curve(name))


def test_the_pareto_set_holds_what_nothing_beats() -> None:
    rows = [(1.0, 0.5), (2.0, 0.7), (2.0, 0.6), (3.0, 0.7), (4.0, 0.9)]
    assert pareto(rows) == {0, 1, 4}
