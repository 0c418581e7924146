"""Assignments from files, and whether they fit a model."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from devices.assignment import Assignment
from devices.errors import BadRequest
from engine.errors import BadSearch

__all__ = ["YAML_KEY", "blocks", "fitted", "read"]

YAML_KEY = "actnas.assignment"  # where the description of a mixed model keeps it, as JSON


def read(path: Path) -> Assignment:
    """The assignment in a JSON file (docs/schemas/assignment.schema.json).

    Raises:
        BadRequest: there is no such file, or it holds no assignment; the message names the file.
    """
    if not path.is_file():
        raise BadRequest(f"no assignment file {path}")
    try:
        return Assignment.from_json(path.read_text(encoding="utf-8"))
    except BadRequest as error:
        raise BadRequest(f"{path}: {error}") from None
    except UnicodeDecodeError:
        raise BadRequest(f"{path}: assignment is not JSON: it is no text") from None


def fitted(wanted: Assignment, original: Assignment) -> Assignment:
    """``wanted`` in the site order of ``original``.

    It applies to every model with the same sites: of another size of the family, other classes,
    other weights.

    Raises:
        BadSearch: the sites differ; the message names the first one that only one of both has.
    """
    theirs, ours = set(wanted.sites), set(original.sites)
    only_wanted = next((site for site in wanted.sites if site not in ours), None)
    only_original = next((site for site in original.sites if site not in theirs), None)
    odd = [
        f"{site!r} is only in the {side}"
        for site, side in ((only_wanted, "assignment"), (only_original, "model"))
        if site is not None
    ]
    if odd:
        raise BadSearch(
            f"assignment and model have different sites: {', '.join(odd)} "
            f"({len(wanted)} and {len(original)} sites)"
        )
    return Assignment(tuple((site, wanted[site]) for site in original.sites))


_BLOCK = re.compile(r".*?\.\d+(?=[./])")


def blocks(sites: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """The sites of each block of a model, in their order: of its topmost modules with a number.

    ``model.2.cv1.act`` and ``model.2.m.0.cv1.act`` belong to ``model.2``, as does the tensor
    ``/model.2/cv1/act/Mul_output_0``. A site whose name has no number is in no block.
    """
    found: dict[str, list[str]] = {}
    for site in sites:
        if named := _BLOCK.match(site):
            found.setdefault(named.group(), []).append(site)
    return tuple(tuple(block) for block in found.values())
