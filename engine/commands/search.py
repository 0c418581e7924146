"""``actnas search``."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from devices import activations, targets
from devices.errors import BadRequest
from engine.commands.inputs import Outcome, check_file, load, names_in

CANDIDATES = {
    "supernet": ("relu", "leaky_relu", "silu", "hardswish"),
    # The five of the paper (arXiv 2410.10887)
    "paper": ("relu", "relu6", "leaky_relu", "silu", "hardswish"),
}


def run(options: argparse.Namespace) -> Outcome:
    """A search on each target; result.json and the chosen files in the output folder."""
    wanted = list(dict.fromkeys(options.target))
    for target in wanted:
        targets.get(target)
    names = CANDIDATES[options.recipe]
    if options.activations is not None:
        names = activations.check(names_in(options.activations))
    _check_numbers(options)
    check_file(options.model, "model")
    if options.data is not None and not options.data.exists():
        raise BadRequest(f"no data set {options.data}")
    out: Path = options.out
    if out.exists() and not out.is_dir():
        raise BadRequest(f"--out {out} is a file; a folder is needed")
    if out.is_dir() and any(out.iterdir()) and not options.resume:
        raise BadRequest(f"--out {out} is not empty; name another folder or give --resume")

    # Before anything is written: what is wrong with the files is bad input.
    load(options)
    if options.data is not None:
        from engine.data import open_data

        open_data(options.data)

    from engine.console import Reporter
    from engine.local_services import LocalServices
    from engine.result import Result
    from engine.search import SearchSpec
    from engine.search import run as run_search

    results: dict[str, Result] = {}
    with Reporter() as reporter:
        services = LocalServices(trainings=out / "trainings", on_event=reporter)
        for target in wanted:
            folder = out if len(wanted) == 1 else out / target
            run_search(
                SearchSpec(
                    model=options.model,
                    target=target,
                    data=options.data,
                    imgsz=options.imgsz,
                    activations=names,
                    recipe=options.recipe,
                    max_latency_ratio=options.max_latency_ratio,
                    max_memory_ratio=options.max_memory_ratio,
                    max_map_loss=options.max_map_loss,
                    epochs=options.epochs,
                    distil=options.distil,
                    augment=options.augment,
                    cost_model=options.cost_model,
                    unit=options.unit,
                    time_limit_min=options.time_limit,
                    seed=options.seed,
                    out=folder,
                    resume=options.resume,
                ),
                services,
            )
            results[target] = Result.read(folder / "result.json")

    def show() -> None:
        from rich.console import Console

        from engine import report

        for result in results.values():
            Console().print(report.render(result))

    documents = {target: result.model_dump(mode="json") for target, result in results.items()}
    if len(wanted) == 1:
        return documents[wanted[0]], show
    return {"schema": "actnas.results/1", "results": documents}, show


def _check_numbers(options: argparse.Namespace) -> None:
    for name in ("max_latency_ratio", "max_memory_ratio", "time_limit"):
        value = getattr(options, name)
        if value is not None and not 0 < value < math.inf:
            flag = name.replace("_", "-")
            raise BadRequest(f"--{flag} is {value}; a number above 0 is needed")
    if options.max_map_loss is not None and not 0 <= options.max_map_loss <= 1:
        raise BadRequest(f"--max-map-loss is {options.max_map_loss}; 0 to 1 is possible")
    if options.epochs is not None and options.epochs < 1:
        raise BadRequest(f"--epochs is {options.epochs}; 1 or more is needed")
