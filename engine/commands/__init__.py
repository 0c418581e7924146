"""The commands of ``actnas``, one file each.

Each has ``run(options) -> (JSON document, function that shows the same to a person)``.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

from engine.commands import apply, bundle, inspect, measure, remote, search, targets
from engine.commands.inputs import Outcome

COMMANDS: dict[str, Callable[[argparse.Namespace], Outcome]] = {
    "targets": targets.run,
    "inspect": inspect.run,
    "measure": measure.run,
    "search": search.run,
    "apply": apply.run,
    "bundle": bundle.run,
    "results": bundle.results,
    "remote": remote.run,
}
