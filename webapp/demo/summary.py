"""summary.json: what the demo found, made of the results that the API returned."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema

from engine.result import Result
from engine.summary import Summary, SummaryTarget

SCHEMA = Path(__file__).resolve().parents[2] / "docs" / "schemas" / "summary.schema.json"


def write(path: Path, results: Mapping[str, Mapping[str, Any]]) -> Summary:
    """Writes the summary of ``results`` ({target: result.json}) and returns it.

    Raises:
        ValueError: a result is none, or the summary does not keep its schema.
    """
    read = {target: Result.model_validate(result) for target, result in results.items()}
    machine: dict[str, Any] = {}
    versions: dict[str, str] = {}
    for result in read.values():
        machine |= result.provenance.machine
        versions |= result.provenance.versions
        for lease in result.provenance.leases.values():
            versions |= lease.versions
    summary = Summary(
        machine=machine,
        versions=versions,
        targets={target: SummaryTarget.of(result) for target, result in read.items()},
    )
    document = json.loads(summary.model_dump_json(by_alias=True))
    try:
        jsonschema.validate(document, json.loads(SCHEMA.read_text()))
    except jsonschema.ValidationError as error:
        raise ValueError(f"summary: {error.json_path}: {error.message}") from None
    summary.write(path)
    return summary
