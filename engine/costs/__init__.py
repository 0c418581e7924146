"""Ways to fill a cost table, one file a way, and the rule that picks one.

Each passes the conformance suite in tests/engine/costs. Those that need one job are modules with
``assignments`` (what to measure) and ``table`` (what that says).
"""

from __future__ import annotations

from devices.targets import Target
from engine.costs import combined, one_at_a_time, random_design, uniform_profile
from engine.costs.filling import CostModel, Setup, Way, one_job
from engine.costs.refit import Composed, Refit, refit
from engine.costs.table import CostTable
from engine.errors import BadSearch

__all__ = [
    "COST_MODELS",
    "Composed",
    "CostModel",
    "CostTable",
    "Refit",
    "Setup",
    "Way",
    "choose",
    "get",
    "one_at_a_time",
    "refit",
    "uniform_profile",
]

COST_MODELS: dict[str, CostModel] = {
    one_at_a_time.SOURCE: one_job(one_at_a_time),
    uniform_profile.SOURCE: one_job(uniform_profile),
    random_design.SOURCE: one_job(random_design),
    combined.SOURCE: combined.fill,
}


def get(name: str) -> CostModel:
    """The cost model called ``name``.

    Raises:
        BadSearch: there is none; the message lists those that exist.
    """
    try:
        return COST_MODELS[name]
    except KeyError:
        raise BadSearch(f"unknown cost model {name!r}; known: {', '.join(COST_MODELS)}") from None


def choose(target: Target, *, recipe: str, memory_limited: bool, asked: str | None = None) -> str:
    """The name of the cost model that first fills the table of ``target``: the one ``asked`` for,
    if it can serve the search, or else

    - recipe `paper`: one-swap models, always, because that is what the paper does;
    - a target under a memory limit whose memory is not planned from an ONNX graph: one-swap models,
      which carry memory (on a modelled target exactly, at about 0.7 s each);
    - everything else: the profiles of the uniform models. On a measured target a single swap drowns
      in noise; on a modelled one profiles are exact but for neighbours' effects, which the
      composed models that are costed next put right.

    Raises:
        BadSearch: no cost model is called so, or it cannot serve this search.
    """
    needed = None
    if recipe == "paper":
        needed = "the recipe 'paper' measures"
    elif memory_limited and not target.runs_onnx:
        needed = f"a memory limit on {target.id} needs"
    if asked is None:
        return one_at_a_time.SOURCE if needed else uniform_profile.SOURCE
    get(asked)
    if needed and asked != one_at_a_time.SOURCE:
        raise BadSearch(
            f"{needed} one swap at a time, so cost model {asked!r} cannot serve it; leave it out"
        )
    return asked
