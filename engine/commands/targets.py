"""``actnas targets``."""

from __future__ import annotations

import argparse
from dataclasses import asdict

from devices import targets
from engine.commands.inputs import Outcome


def run(options: argparse.Namespace) -> Outcome:
    """Every target."""
    rows = [asdict(target) | {"options": dict(target.options)} for target in targets.TARGETS]

    def show() -> None:
        from rich.console import Console
        from rich.table import Table

        table = Table(header_style="bold")
        for heading in ("target", "what", "figures", "memory"):
            table.add_column(heading, no_wrap=heading == "target")
        for target in targets.TARGETS:
            memory = f"{target.memory} ({target.memory_unit})"
            unsure = "" if target.verified else ", not yet verified on hardware"
            table.add_row(target.id, target.title, target.kind + unsure, memory)
        Console().print(table)

    return {"schema": "actnas.targets/1", "targets": rows}, show
