"""What two neighbouring activations cost together beyond their own costs, by name.

A fusion that one of them breaks, a layout that changes between them: an additive table cannot hold
such effects, so they are what is left over when it is fitted to measured mixes. They are reported,
not predicted with.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from scipy.stats import t, ttest_ind

from devices import graph
from devices.assignment import Assignment
from engine.costs import ridge
from engine.costs.refit import Composed

Pair = tuple[str, str]

# Of the sum over all edges, as a ratio of the whole model, before it is seen.
EFFECT_SD = 0.1
LEVEL = 0.05
EXACT = 1e-9  # smaller differences of ratios come from rounding


@dataclass(frozen=True)
class Effect:
    """What a place costs each time it is met, beyond an additive table: ``ratio`` of the whole
    model, interval ``low`` to ``high``; met in ``n`` of the mixes.

    Either ``activations`` are two that stand beside each other anywhere, in either order, or
    ``sites`` are two neighbours that run different activations, whichever.
    """

    activations: Pair | None
    sites: Pair | None
    ratio: float
    low: float
    high: float
    n: int

    @property
    def label(self) -> str:
        """One line: "relu beside mish: +0.12 % of the model each time (0.08 to 0.16)"."""
        if self.activations is not None:
            what = " beside ".join(self.activations)
        else:
            what = " and ".join(self.sites or ()) + " unlike"
        low, high = 100 * self.low, 100 * self.high
        return f"{what}: {100 * self.ratio:+.2f} % of the model each time ({low:.2f} to {high:.2f})"

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "label": self.label}


def edges(model: onnx.ModelProto) -> list[Pair]:
    """Pairs of sites in which nothing but other operators lies between the first's output and the
    second's input, in graph order."""
    sites = graph.find_sites(model)
    site_of = {site.output: site.key for site in sites}
    writer = {out: node for node in model.graph.node for out in node.output}
    found = []
    for site in sites:
        waiting, seen = [site.input], set()
        while waiting:
            name = waiting.pop()
            if name in seen:
                continue
            seen.add(name)
            if name in site_of:
                found.append((site_of[name], site.key))
            elif name in writer:
                waiting.extend(writer[name].input)
    order = {site.key: number for number, site in enumerate(sites)}
    return sorted(found, key=lambda pair: (order[pair[0]], order[pair[1]]))


def effects(
    composed: Sequence[Composed], residuals: Sequence[float], pairs: Sequence[Pair]
) -> list[Effect]:
    """Effects that the residuals of measured mixes show, the largest first; [] where none is sure.

    ``residuals`` are measured minus additively predicted ratios, one a mix, of a table that was not
    fitted to them; ``pairs`` are the neighbours. The same residuals are looked at in two ways: by
    how often a mix has each two activations beside each other (ridge regression), and by whether it
    changes its activation between two named sites (those mixes against the others, Welch). Of each
    only effects whose 95 % interval excludes 0, widened for how many were looked at (Bonferroni),
    are given.
    """
    if len(composed) < 4 or not pairs:
        return []
    # What an additive table can explain is no effect of neighbours.
    names = sorted({name for c in composed for name in c.assignment.activations})
    additive = np.array([[c.assignment.counts().get(n, 0) for n in names] for c in composed])
    left_over = _without(additive, np.asarray(residuals)[:, None])[:, 0]
    if left_over.std() < EXACT:
        return []
    found = [
        *_by_activations(composed, left_over, additive, pairs),
        *_by_sites(composed, left_over, pairs),
    ]
    return sorted(found, key=lambda effect: -abs(effect.ratio))


def _by_activations(
    composed: Sequence[Composed],
    left_over: NDArray[np.float64],
    additive: NDArray[np.float64],
    pairs: Sequence[Pair],
) -> list[Effect]:
    counts = [_beside(c.assignment, pairs) for c in composed]
    kinds = sorted(set().union(*counts))
    if not kinds:
        return []
    rows = np.array([[count[kind] for kind in kinds] for count in counts], dtype=np.float64)
    met = (rows > 0).sum(axis=0)
    rows = _without(additive, rows)
    deviation = np.full(len(kinds), EFFECT_SD / len(pairs))
    noise = float(left_over.std())
    for _ in range(2):  # what the first fit cannot explain is the noise of the second
        fitted = ridge.fit(rows, left_over, np.full(len(rows), max(noise, EXACT)), [deviation])
        noise = float(fitted.held_out.std())
    freedom = max(1, len(rows) - additive.shape[1] - len(kinds))
    half = t.ppf(1 - LEVEL / 2 / len(kinds), freedom) * fitted.spread
    return [
        Effect(kind, None, float(ratio), float(ratio - h), float(ratio + h), int(n))
        for kind, ratio, h, n in zip(kinds, fitted.coefficients, half, met, strict=True)
        if abs(ratio) > h
    ]


def _without(explained: NDArray[np.float64], columns: NDArray[np.float64]) -> NDArray[np.float64]:
    """What is left of ``columns`` [rows, k] by least squares on ``explained`` [rows, m]."""
    solution = np.linalg.lstsq(explained, columns, rcond=None)[0]
    left: NDArray[np.float64] = columns - explained @ solution
    return left


def _beside(assignment: Assignment, pairs: Sequence[Pair]) -> Counter[Pair]:
    """How often two different activations are neighbours, by their names in order."""
    both = (sorted((assignment[a], assignment[b])) for a, b in pairs)
    return Counter((first, second) for first, second in both if first != second)


def _by_sites(
    composed: Sequence[Composed], left_over: NDArray[np.float64], pairs: Sequence[Pair]
) -> list[Effect]:
    found = []
    for pair in pairs:
        unlike = np.array([c.assignment[pair[0]] != c.assignment[pair[1]] for c in composed])
        one, other = left_over[unlike], left_over[~unlike]
        if min(len(one), len(other)) < 3:
            continue
        test = ttest_ind(one, other, equal_var=False)
        low, high = test.confidence_interval(1 - LEVEL / len(pairs))
        if low > 0 or high < 0:
            ratio = float(one.mean() - other.mean())
            found.append(Effect(None, pair, ratio, float(low), float(high), len(one)))
    return found
