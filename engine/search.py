"""The pipeline: from a model and a target to result.json. Resumable, no Django.

    inspect -> cost table (target)  \\
            -> training -> estimate  -> candidates -> arms -> convert -> score -> measure -> result

Each stage is stored in the output folder when it is finished, so that a search which was ended, or
which waits for a training or a measurement made elsewhere, goes on from there.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import MISSING, asdict, fields
from pathlib import Path
from typing import Any

from devices import activations, runtimes, targets
from engine import costs, threads
from engine.clock import Moment
from engine.costs import CostTable
from engine.errors import BadSearch, Pending
from engine.result import Result
from engine.services import Services
from engine.stages import accuracy, arms, candidates, cost, inspect, outcome
from engine.stages.context import Context, Recipe, SearchSpec, Unit
from engine.stages.store import StageStore, write_json
from engine.training.spec import TrainingSpec

__all__ = ["RESULT", "STAGES", "Recipe", "SearchSpec", "Unit", "run"]

RESULT = "result.json"
REQUEST = "request.json"
_DEFAULTS = {
    field.name: field.default for field in fields(SearchSpec) if field.default is not MISSING
}

STAGES: dict[str, str] = {
    "inspect": "Inspect the model",
    "cost": "Measure the uniform models",
    "training": "Train",
    "estimate": "Estimate what each swap loses",
    "candidates": "Choose mixes and measure them",
    "arms": "Train every arm",
    "convert": "Convert for the target",
    "score": "Score the files on the test split",
    "measure": "Measure the files",
    "decide": "Decide",
}
_ONLY_WITH_TRAINING = ("training", "score")


def run(spec: SearchSpec, services: Services) -> Path:
    """The path of ``result.json`` (docs/schemas/result.schema.json) of a finished search.

    Raises:
        UserError, devices.errors.BadRequest, Unsupported: what was asked cannot be done; said at
            once where this machine could not score the target's files.
        Pending: a training or a measurement is being made elsewhere; call again when it is there.
        Cancelled: somebody asked for the end. The output folder keeps what is finished.
    """
    target = targets.get(spec.target)
    if spec.data is not None:
        runtimes.get(target).check()  # its files are scored here, after hours of training
    activations.check(spec.activations)
    limited = spec.max_memory_ratio is not None
    costs.choose(target, recipe=spec.recipe, memory_limited=limited, asked=spec.cost_model)
    started = _claim(spec)
    path = spec.out / RESULT
    if path.exists():
        return path
    threads.use_all()
    limit = spec.time_limit_min
    services.limit(None if limit is None else 60 * limit - started.age_s())
    store = StageStore(spec.out, services)
    context = Context(spec, services, store)

    def stage(name: str, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        _check_deadline(spec, name, started)
        services.pause_point()
        return store.stage(name, STAGES[name], work)

    context.facts = stage("inspect", lambda: inspect.run(context))
    if context.trains:
        _ask_for_trainings(context)
    spent = stage("cost", lambda: cost.run(context))
    if context.trains:
        stage("training", lambda: _train(context))
    table = CostTable.from_json(spent["table"])
    estimate = stage("estimate", lambda: accuracy.penalty(context, table))
    chosen = stage("candidates", lambda: candidates.run(context, spent, estimate))
    named = arms.assignments(context, chosen["picks"])
    files = stage("arms", lambda: arms.train(context, named))
    converted = stage("convert", lambda: arms.convert(context, files))
    scores = (
        stage("score", lambda: arms.score(context, files, converted)) if context.trains else None
    )
    final = stage("measure", lambda: arms.measure(context, converted).model_dump(mode="json"))

    def decide() -> dict[str, Any]:
        return outcome.build(
            context,
            outcome.Findings(spent, estimate, chosen, named, files, converted, scores, final),
        ).model_dump(mode="json")

    found = stage("decide", decide)
    document = Result.model_validate({**found, "stages_s": store.seconds()})
    write_json(path, document.model_dump(mode="json"))
    return path


def stage_names(*, trains: bool) -> list[str]:
    """The stages of a search in the order in which they run."""
    return [name for name in STAGES if trains or name not in _ONLY_WITH_TRAINING]


def _first_trainings(context: Context) -> list[TrainingSpec]:
    """What choosing mixes needs; the reference arm trains while they are measured."""
    if context.spec.recipe == "paper":
        return [context.training("adapt")]
    return [context.training(phase) for phase in ("adapt", "supernet", "estimate")]


def _ask_for_trainings(context: Context) -> None:
    """Where trainings are made elsewhere, let them begin while the device measures.

    A service that trains in this process is not asked yet: it would not return before the end.
    """
    if not context.services.trains_elsewhere:
        return
    try:
        context.train_all([*_first_trainings(context), context.training("arm")])
    except Pending:
        return


def _train(context: Context) -> dict[str, Any]:
    specs = _first_trainings(context)
    context.train_all(specs)
    return {"trainings": {spec.title: spec.hash for spec in specs}}


def _claim(spec: SearchSpec) -> Moment:
    """When the search in this folder began.

    Raises:
        BadSearch: the folder belongs to another search, or holds one and ``resume`` is off.
    """
    document = {**asdict(spec), "out": None, "resume": None, "time_limit_min": None}
    # As seen from the output folder: the same wherever both are moved to, or mounted.
    document |= {
        "model": os.path.relpath(spec.model, spec.out),
        "data": os.path.relpath(spec.data, spec.out) if spec.data else None,
    }
    document["activations"] = list(spec.activations)
    path = spec.out / REQUEST
    if path.exists():
        if not spec.resume:
            raise BadSearch(f"{spec.out} holds a search already; name another folder or resume it")
        known = {**_DEFAULTS, **json.loads(path.read_text())}  # older versions knew fewer wishes
        begun = Moment.read(known.pop("begun"))
        for name in ("model", "data"):
            if known.get(name) and Path(known[name]).is_absolute():  # as older versions wrote it
                known[name] = os.path.relpath(known[name], spec.out)
        odd = [key for key in document if known.get(key) != document[key]]
        if odd:
            raise BadSearch(
                f"{spec.out} holds a search with {odd[0]} = {known.get(odd[0])!r}, not "
                f"{document[odd[0]]!r}; name another folder"
            )
        return begun
    begun = Moment.now()
    write_json(path, {**document, "begun": begun.document()})
    return begun


def _check_deadline(spec: SearchSpec, stage: str, started: Moment) -> None:
    if spec.time_limit_min is not None and started.age_s() > 60 * spec.time_limit_min:
        raise BadSearch(
            f"the time limit of {spec.time_limit_min:g} min was over before the stage {stage!r}; "
            "resume with a longer one, or ask for fewer epochs"
        )
