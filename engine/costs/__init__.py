"""Ways to fill a cost table, one file a way, and the rule that picks one."""

from __future__ import annotations

from types import ModuleType

from devices.targets import Target
from engine.costs import one_at_a_time, uniform_profile
from engine.costs.refit import Composed, Refit, refit
from engine.costs.table import CostTable

__all__ = ["Composed", "CostTable", "Refit", "choose", "one_at_a_time", "refit", "uniform_profile"]


def choose(target: Target, *, recipe: str, memory_limited: bool) -> ModuleType:
    """The way to fill the table of ``target``: a module with ``job`` and ``table``.

    - recipe `paper`: one-swap models, always, because that is what the paper does;
    - a modelled target under a memory limit: one-swap models, whose deltas are exact and carry
      memory, at about 0.7 s each;
    - everything else: the profiles of the uniform models. On a measured target a single swap drowns
      in noise; on a modelled one profiles are exact but for neighbours' effects, which the
      composed models that are costed next put right.
    """
    if recipe == "paper" or (target.kind == "modelled" and memory_limited):
        return one_at_a_time
    return uniform_profile
