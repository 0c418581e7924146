"""How figures are written: units, signs, missing values."""

from __future__ import annotations

import pytest

from webapp.ui import figures


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (figures.ms(8.8149), "8.81\u00a0ms"),
        (figures.ms(0.04217), "0.0422\u00a0ms"),
        (figures.ms(1234.5), "1,234\u00a0ms"),
        (figures.ms(None), "\u2013"),
        (figures.ratio(0.8651), "0.865\u00d7"),
        (figures.ratio(float("nan")), "\u2013"),
        (figures.memory(806.0, "KiB"), "806\u00a0KiB"),
        (figures.signed(0.0021), "+0.002"),
        (figures.signed(-0.0021), "\u22120.002"),
        (figures.signed(-0.0001), "0.000"),
        (figures.signed(0.0001), "0.000"),
        (figures.span(0.8581, 0.8712), "0.858\u20130.871"),
        (figures.span(-0.0031, 0.0042), "\u22120.003 to +0.004"),
        (figures.span(0.1, None), "\u2013"),
        (figures.percent(0.184), "18.4\u00a0%"),
        (figures.size(6_943_523), "6.62\u00a0MiB"),
        (figures.size(23), "23\u00a0B"),
        (figures.size(None), "\u2013"),
        (figures.duration(4.2), "4.2\u00a0s"),
        (figures.duration(200), "3\u00a0min 20\u00a0s"),
        (figures.duration(7500), "2\u00a0h 05\u00a0min"),
        (figures.about(3), "10\u00a0s"),
        (figures.about(44), "40\u00a0s"),
        (figures.about(481), "8\u00a0min"),
        (figures.about(3599), "1\u00a0h"),
        (figures.about(7500), "2\u00a0h"),
        (figures.about(7900), "2\u00a0h 10\u00a0min"),
        (figures.about(None), "\u2013"),
    ],
)
def test_a_figure_is_written(written: str, expected: str) -> None:
    assert written == expected
