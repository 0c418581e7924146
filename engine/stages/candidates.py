"""Solve for mixes, ask what they lose and what they really cost, correct the table, pick."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from devices.assignment import Assignment
from devices.protocol import MeasureResult
from engine.arms import ONE_TABLE
from engine.costs import Composed, CostTable, arms, refit
from engine.errors import Pending
from engine.result import Candidate
from engine.solvers import depth_ordered, milp, pareto, random_search
from engine.solvers.problem import Infeasible, Problem, Solution
from engine.stages import accuracy, distortion
from engine.stages.context import Context

SWEEP = 14
SCORED = 5
NEAR = 2  # of these, just below the goal: penalties are not sure enough to trust the best alone
APART = 0.1  # of the sites must differ between those
MEASURED = 6
SCORED_AGAIN = 1  # after the refit
# What training an arm leaves of the mAP that it lacks under the supernet's weights
# (docs/decisions.md).
LEFT_BY_TRAINING = 0.35
GOAL_MARGIN = 0.985  # aim a little below the goal: the exported file is measured again


def solve(context: Context, table: CostTable, estimate: dict[str, Any]) -> list[Solution]:
    """Up to SCORED different mixes across the latency range; just below the goal, where one is set
    and in reach, the NEAR best that differ at APART of the sites."""
    problem = _problem(context, table, estimate)
    found = pareto.sweep(problem, SWEEP)
    goal = context.spec.max_latency_ratio
    near: list[Solution] = []
    if goal is not None:
        try:
            near = milp.k_best(
                replace(problem, max_latency_ratio=goal * GOAL_MARGIN),
                NEAR,
                min_distance=max(1, round(APART * len(table.sites))),
            )
        except Infeasible:
            near = []  # the goal is out of reach; the sweep holds the fastest
    mixes = {s.assignment.hash: s for s in [*near, *_spread(found, SCORED - len(near))]}
    return _no_arms(context, mixes.values())


def beside(context: Context, table: CostTable, estimate: dict[str, Any]) -> list[Solution]:
    """What one more solver finds at the goal, or halfway to the fastest mix where that is out of
    reach. For the recipe `paper` it is ActNAS's other one, random search, with the same table and
    signal: measured beside the exact solver's mixes and never picked. Otherwise it is the rule of
    thumb, ReLU in the sites of the highest resolution: a mix that is no better owes nothing to its
    estimator, so the rule's own takes part like any other, and may be picked."""
    problem = _problem(context, table, estimate)
    fastest = max(pareto.LOWEST, milp.fastest(problem).latency_ratio)
    goal = (context.spec.max_latency_ratio or 0.0) * GOAL_MARGIN
    level = goal if goal >= fastest else (1 + fastest) / 2
    limited = replace(problem, max_latency_ratio=level)
    if context.spec.recipe == "paper":
        return [random_search.solve(limited, seed=context.spec.seed)]
    if depth_ordered.ACTIVATION not in table.columns:
        return []
    try:
        return _no_arms(context, [depth_ordered.solve(limited)])
    except Infeasible:
        return []


def _no_arms(context: Context, solutions: Iterable[Solution]) -> list[Solution]:
    """Those that are neither the original nor uniform: these are arms of every search already."""
    known = {context.original, *context.uniforms().values()}
    return [solution for solution in solutions if solution.assignment not in known]


def _problem(context: Context, table: CostTable, estimate: dict[str, Any]) -> Problem:
    return Problem(
        table,
        accuracy.matrix(estimate),
        max_memory_ratio=context.spec.max_memory_ratio,
        groups=context.groups,
        pixels=context.pixels,
    )


def _spread(solutions: Sequence[Solution], n: int) -> list[Solution]:
    """``n`` of them, evenly over the list, both ends included."""
    if len(solutions) <= n:
        return list(solutions)
    return [
        solutions[i] for i in np.unique(np.linspace(0, len(solutions) - 1, n).round().astype(int))
    ]


def compose(
    context: Context, mixes: Sequence[Assignment]
) -> tuple[MeasureResult, list[Assignment]]:
    """Measure the mixes (as many as a lease has time for) against the original."""
    modelled = context.target.kind == "modelled"
    chosen = list(mixes) if modelled else list(mixes)[:MEASURED]
    named = {arms.BASELINE: context.original, **{f"mix {a.hash}": a for a in chosen}}
    job = arms.job(
        id="composed",
        target=context.spec.target,
        base=context.base,
        arms=named,
        calibration=context.calibration,
        settings=context.lease(half_width=0.006, share=0.4, number=1),
        profile=False,
    )
    return context.measure(job), chosen


def run(context: Context, cost: dict[str, Any], estimate: dict[str, Any]) -> dict[str, Any]:
    """``{"table", "candidates", "picks", "leases", "notes"}``; picks are assignments, best first.

    A candidate's expected loss is LEFT_BY_TRAINING of the mean of two signals: its own val mAP
    below the original's under the same weights, and that drop predicted from its penalty by a line
    through 0 over all candidates, because one val split is noisy and one penalty is biased. The
    recipe `paper` has none: its picks are by NWOT alone, whatever val says. Where
    all mixes lie within the noise floor none is marked as being on the front, and a note says so.

    Raises:
        Pending: a training or a measurement is being made elsewhere.
    """
    table = CostTable.from_json(cost["table"])
    solved = solve(context, table, estimate)
    known = {s.assignment for s in solved}
    solved += [s for s in beside(context, table, estimate) if s.assignment not in known]
    rows = [_row(s, 0) for s in solved]
    tell = partial(_tell, context, rows)
    tell()
    scorer = accuracy.ValScorer(context) if context.trains else None
    try:
        first, measured = compose(context, [s.assignment for s in solved])
    except Pending:
        if scorer is not None:  # meanwhile; the scores are remembered
            mixes = [context.original, *(s.assignment for s in solved)]
            scorer.score(mixes, stage="candidates", seen=tell)
        raise
    _put_measured(rows, first, measured)
    tell()
    if len(measured) >= 3:
        composed = [
            Composed(a, arm.ratio, arm.ratio_interval.low, arm.ratio_interval.high)
            for a in measured
            for arm in [first.arm(f"mix {a.hash}")]
        ]
        table = refit(table, composed).table
        known = {s.assignment for s in solved}
        again = [s for s in solve(context, table, estimate) if s.assignment not in known]
        again = again[:SCORED_AGAIN]
        solved += again
        rows += [_row(s, 1) for s in again]
    if scorer is not None:
        everyone = [context.original, *(s.assignment for s in solved)]
        scores = scorer.score(everyone, stage="candidates", seen=tell)
        for row, score in zip(rows, scores[1:], strict=True):
            row["map50_95"] = score
        if context.spec.recipe != "paper":
            _expect(rows, scores[0])
    if context.distorts:
        mixes = [s.assignment for s in solved]
        for row, value in zip(
            rows, distortion.Scorer(context).score(mixes, stage="candidates"), strict=True
        ):
            row["distortion"] = value
    for row in rows:
        row["ratio"] = row["measured_ratio"] or table.predict_ratio(
            Assignment.from_pairs(row["choices"])
        )
    unsure = table.within_noise(cost["noise_floor"])
    _mark_front([] if unsure else rows)
    picks = _picks(context, [row for row in rows if row["solver"] != random_search.NAME])
    for row in rows:
        row["chosen"] = row in picks
    tell()
    return {
        "table": table.to_json(),
        "candidates": rows,
        "picks": [row["choices"] for row in picks],
        "leases": {first.job_id: first.provenance.model_dump(mode="json")},
        "notes": [*first.notes, *([unsure] if unsure else [])],
    }


def document(row: dict[str, Any]) -> Candidate:
    """A row of this stage as result.json holds it."""
    kept = {k: v for k, v in row.items() if k in Candidate.model_fields and k != "interval"}
    interval = tuple(row["interval"]) if row["interval"] else None
    return Candidate(assignment=Assignment.from_pairs(row["choices"]), interval=interval, **kept)


def _tell(context: Context, rows: list[dict[str, Any]], scores: Sequence[float] = ()) -> None:
    """Tell of the rows; ``scores`` are val mAPs so far, the original's first."""
    for row, score in zip(rows, scores[1:], strict=False):
        row["map50_95"] = score
    documents = [document(row).model_dump(mode="json") for row in rows]
    context.tell_tried("candidates", documents)


def _row(solution: Solution, round_: int) -> dict[str, Any]:
    return {
        "choices": [list(pair) for pair in solution.assignment.choices],
        "round": round_,
        "solver": solution.solver,
        "penalty": solution.penalty,
        "predicted_ratio": solution.latency_ratio,
        "predicted_memory_ratio": solution.memory_ratio,
        "measured_ratio": None,
        "measured_ratio_one_table": None,
        "interval": None,
        "measured_memory_ratio": None,
        "pareto": False,
        "map50_95": None,
        "expected_loss": None,
        "distortion": None,
    }


def _put_measured(
    rows: list[dict[str, Any]], result: MeasureResult, measured: Sequence[Assignment]
) -> None:
    """Put what was measured of the mixes ``measured`` into their rows."""
    for row in rows:
        assignment = Assignment.from_pairs(row["choices"])
        if assignment not in measured:
            continue
        arm, base = result.arm(f"mix {assignment.hash}"), result.arm(arms.BASELINE)
        row["measured_ratio"] = arm.ratio
        row["measured_ratio_one_table"] = arm.details.get(ONE_TABLE)
        row["interval"] = [arm.ratio_interval.low, arm.ratio_interval.high]
        if arm.memory is not None and base.memory is not None:
            row["measured_memory_ratio"] = arm.memory.value / base.memory.value


def _expect(rows: list[dict[str, Any]], base: float) -> None:
    penalties = np.array([row["penalty"] for row in rows])
    drops = np.array([base - row["map50_95"] for row in rows])
    power = float(penalties @ penalties)
    slope = max(0.0, float(penalties @ drops) / power) if power > 0 else 0.0
    for row, penalty, drop in zip(rows, penalties, drops, strict=True):
        before = 0.5 * float(drop) + 0.5 * slope * float(penalty)
        row["expected_loss"] = LEFT_BY_TRAINING * before


def _mark_front(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        row["pareto"] = not any(
            other["ratio"] <= row["ratio"]
            and _loss(other) <= _loss(row)
            and (other["ratio"] < row["ratio"] or _loss(other) < _loss(row))
            for other in rows
        )


def _picks(context: Context, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Where the goal can be met within the limit: the least lossy mix that meets it.

    Where it cannot, the fastest that should keep the limit; and, if that one is expected to lose
    more than half of what is allowed, the least lossy one that gains at least half as much.
    """
    if not rows:
        return []
    limit, goal = context.spec.max_map_loss, context.spec.max_latency_ratio

    def keeps(row: dict[str, Any]) -> bool:
        # Summed deltas of memory are a guess; what the whole mix needs is known once it is costed.
        memory, most = row["measured_memory_ratio"], context.spec.max_memory_ratio
        if memory is not None and most is not None and memory > most:
            return False
        return limit is None or row["expected_loss"] is None or _loss(row) <= limit

    within = [row for row in rows if keeps(row)] or [min(rows, key=_loss)]
    fastest = min(within, key=lambda row: row["ratio"])
    meeting = [row for row in within if goal is not None and row["ratio"] <= goal * 0.995]
    if meeting:
        return [min(meeting, key=_loss)]
    surely = limit is None or fastest["expected_loss"] is None or _loss(fastest) <= limit / 2
    halfway = 1 - (1 - fastest["ratio"]) / 2
    careful = min((row for row in within if row["ratio"] <= halfway), key=_loss, default=fastest)
    return [fastest] if surely or careful is fastest else [fastest, careful]


def _loss(row: dict[str, Any]) -> float:
    """What the row is expected to lose; without any mAP its distortion, or else its penalty."""
    known = (row[key] for key in ("expected_loss", "distortion", "penalty"))
    return float(next(value for value in known if value is not None))
