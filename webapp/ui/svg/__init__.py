"""Small drawings as SVG text: they need no script, and colours are presentation attributes."""

from webapp.ui.svg.arms import interval
from webapp.ui.svg.bars import SERIES, bars
from webapp.ui.svg.curves import curve
from webapp.ui.svg.drift import drift
from webapp.ui.svg.heat_map import heat_map
from webapp.ui.svg.meter import meter
from webapp.ui.svg.mix import bar, counts, swatch, title
from webapp.ui.svg.network import strip
from webapp.ui.svg.points import scatter
from webapp.ui.svg.samples import distribution
from webapp.ui.svg.site_map import site_map

__all__ = [
    "SERIES",
    "bar",
    "bars",
    "counts",
    "curve",
    "distribution",
    "drift",
    "heat_map",
    "interval",
    "meter",
    "scatter",
    "site_map",
    "strip",
    "swatch",
    "title",
]
