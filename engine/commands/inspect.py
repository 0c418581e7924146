"""``actnas inspect``."""

from __future__ import annotations

import argparse

from devices.assignment import Assignment
from engine.commands.inputs import Outcome, document_of, facts, load, sites_of


def run(options: argparse.Namespace) -> Outcome:
    """The sites of a model."""
    model = load(options)
    sites = sites_of(model)
    original = Assignment(tuple((path, activation) for path, activation, _ in sites))
    document = {
        "schema": "actnas.inspect/1",
        "model": facts(model),
        "sites": [
            {"path": path, "activation": activation, "shape": shape}
            for path, activation, shape in sites
        ],
        "assignment": document_of(original),
    }

    def show() -> None:
        from rich.console import Console
        from rich.table import Table

        counts = ", ".join(f"{n} {name}" for name, n in original.counts().items())
        table = Table(
            title=f"{model.family}, {len(model.names)} classes, {model.imgsz} px: "
            f"{len(sites)} sites ({counts})",
            title_justify="left",
            header_style="bold",
        )
        for heading in ("#", "site", "activation", "channels x height x width"):
            table.add_column(heading)
        for number, (path, activation, shape) in enumerate(sites):
            size = " x ".join(map(str, shape)) if shape else "-"
            table.add_row(str(number), path, activation, size)
        Console().print(table)

    return document, show
