"""What the load benchmark concludes from what it saw; the servers run in ``make bench-load``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.benchmarks.load import clients, queue, scaling


def run(owner: int, begun: float, *, host: int = 1, queued: float = 0.0) -> dict[str, Any]:
    """One simulated measurement of a tenth of a second."""
    return {
        "owner": owner,
        "queue": "device-a",
        "host": host,
        "queued": queued,
        "begun": begun,
        "ended": begun + 0.1,
    }


def test_two_at_once_on_a_host_are_found() -> None:
    assert queue._overlaps([run(1, 0.0), run(2, 0.1), run(3, 0.15), run(4, 0.15, host=2)]) == 1


def test_first_come_first_served_is_not_called_fair() -> None:
    hog, other, late = 1, 2, 3
    fifo = [run(hog, n) for n in range(20)] + [run(other, 20 + n) for n in range(5)]
    fifo.append(run(late, 30, queued=1.5))
    fair = [run(hog if n % 2 else other, n) for n in range(10)]
    fair += [run(late, 10, queued=8.5), *(run(hog, 11 + n) for n in range(10))]
    unfair = queue._fairness(fifo, hog=hog, late={late})
    good = queue._fairness(fair, hog=hog, late={late})
    assert unfair["jain_worst_queue"] < 0.8 < good["jain_worst_queue"]
    assert (unfair["turns_apart"], good["turns_apart"]) == (19, 1)
    assert (unfair["starved"], good["starved"]) == (1, 0)


def test_quantiles_come_with_an_interval_that_holds_them() -> None:
    values = [float(n) for n in range(1, 1001)]
    low, high = clients.quantile_interval(values, 0.95)
    assert low < clients.quantile(values, 0.95) == 950.0 < high


def test_windows_are_pooled_and_told_apart() -> None:
    quick = clients.Window([10.0] * 99 + [20.0], [], 2**20, 1.0, 0.5, 0.1)
    slow = clients.Window([50.0] * 100, ["/: 500"], 2**20, 1.0, 1.5, 1.1)
    found = clients.pooled([quick, slow])
    assert found["requests"] == 200
    assert found["percentiles_ms"][50] == 20.0
    assert found["p95_of_each_window_ms"] == [10.0, 50.0]
    assert (found["requests_s"], found["cpu_ms_a_request"]) == (100.0, 10.0)
    assert found["failed"] == ["/: 500"]


def test_the_scaling_page_says_what_was_not_measured(tmp_path: Path) -> None:
    """And every figure that it names is one that somebody computes."""
    page = tmp_path / "scaling.md"
    scaling.write({"leaderboard": [], "uploads": [], "queue": []}, page)
    assert scaling.MISSING in page.read_text()
    assert "$" not in page.read_text()


def test_a_figure_that_nobody_computes_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    template = tmp_path / "template.md"
    template.write_text("$pages_on_mars")
    monkeypatch.setattr(scaling, "TEMPLATE", template)
    with pytest.raises(KeyError, match="pages_on_mars"):
        scaling.write({"leaderboard": [], "uploads": [], "queue": []}, tmp_path / "page.md")
