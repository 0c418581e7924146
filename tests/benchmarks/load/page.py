"""docs/benchmarks/load.md and load.json, made of the rows and nothing else."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from tests.benchmarks import numbers as numbers_of
from tests.benchmarks.load import leaderboard, scaling
from tests.benchmarks.load.servers import POSTGRES, THREADS, WORKERS
from tests.benchmarks.numbers import Number
from tests.benchmarks.rows import Rows

KINDS = ("leaderboard", "render", "uploads", "queue")
_MEANING = {
    "kept": "first pages of visitors, from Redis",
    "first": "first pages of a reader who is signed in, on a site that keeps no pages",
    "points": "what the chart of such a page draws, asked for after the first paint",
    "deep": "pages that begin at a random entry",
    "filter": "by family, by precision, within limits",
    "text": "words in names, families, owners, targets",
}


def write(rows: Rows, found: Sequence[Number], folder: Path) -> None:
    """Writes load.md and load.json into ``folder`` and the figures into docs/scaling.md."""
    folder.mkdir(parents=True, exist_ok=True)
    of = {kind: rows.of(kind) for kind in KINDS}
    document = {
        "schema": "actnas.numbers/1",
        "numbers": [number.to_json() for number in found],
        "rows": of,
    }
    (folder / "load.json").write_text(json.dumps(document, indent=1) + "\n")
    lists = leaderboard.by_size(of["leaderboard"])
    parts = [
        "# The site under load",
        f"Made by `make bench-load` from the rows in `load.json`. One machine holds everything: "
        f"PostgreSQL, Redis, gunicorn with {WORKERS} processes of {THREADS} threads, and the "
        f"clients themselves, so that their work is in the times, too. The load average before "
        f"each run stands beside it: where it was above 0 others used the machine, and times are "
        f"longer than they need be; processor time per request is not. PostgreSQL runs with "
        f"{', '.join(f'`{name}={value}`' for name, value in POSTGRES.items())}.",
        "## Numbers",
        numbers_of.table(found).to_markdown(index=False),
        "## The leaderboard",
        "Entries are copies of a few that were published as any other, with figures, mixes, owners "
        "and models drawn from a seed; forty rankings, the largest with an eighth of all entries. "
        "Ranks are drawn, too. Eight clients ask as fast as they are answered, "
        f"{leaderboard.SECONDS:.0f} s of each page, then of the next, {leaderboard.ROUNDS} times. "
        + "; ".join(f"*{name}*: {words}" for name, words in _MEANING.items())
        + ".",
        _leaderboard(lists),
        "### Publishing one more entry",
        _publishing(lists),
        "### The whole list as CSV",
        _streams(lists),
        "## Two hundred uploads of 12 MB at once",
        _flat(of["uploads"], ("seconds", "mib_s", "rss_peak_mib", "cpu_s_a_upload")),
        "## Ten thousand searches on fifty simulated devices",
        _flat(
            of["queue"],
            ("seconds", "jobs_s", "decision_ms", "queueing_ms", "turns_apart", "late_passed_by"),
        ),
        "## Machines",
        _machines([row for rows_ in of.values() for row in rows_]),
    ]
    (folder / "load.md").write_text("\n\n".join(parts) + "\n")
    scaling.write(of, folder.parent / "scaling.md")


def _leaderboard(lists: dict[int, dict[str, Any]]) -> str:
    lines = [
        {
            "entries": f"{n:,}",
            "page": name,
            "p50 (ms)": parts[name]["percentiles_ms"][50],
            "p95 (ms)": parts[name]["percentiles_ms"][95],
            "95 % interval": "{} to {}".format(*parts[name]["p95_interval_ms"]),
            "requests/s": parts[name]["requests_s"],
            "processor ms": parts[name]["cpu_ms_a_request"],
            "KiB": parts[name]["kib_an_answer"],
            "load before": parts[name]["load_1min_before"],
        }
        for n, parts in lists.items()
        for name in leaderboard.PAGES
        if name in parts
    ]
    return _table(lines)


def _publishing(lists: dict[int, dict[str, Any]]) -> str:
    lines = [
        {
            "entries": f"{n:,}",
            "in its ranking": f"{one['entries']:,}",
            "moved down": f"{one['moved']:,}",
            "seconds": one["seconds"],
        }
        for n, parts in lists.items()
        for one in parts.get("publish", {"runs": []})["runs"]
    ]
    return _table(lines)


def _streams(lists: dict[int, dict[str, Any]]) -> str:
    lines = [
        {
            "entries": f"{n:,}",
            "first byte (s)": at["first_byte_s"],
            "rows read": f"{at['rows']:,}",
            "rows/s": round(at["rows"] / at["seconds"]),
            "web process before (MiB)": at["rss_before_mib"],
            "at most (MiB)": at["rss_peak_mib"],
        }
        for n, parts in lists.items()
        if (at := parts.get("stream"))
    ]
    return _table(lines)


def _flat(rows: list[dict[str, Any]], names: tuple[str, ...]) -> str:
    shown = []
    for row in rows:
        values = {name: row["values"][name] for name in names}
        values["load before"] = row["values"]["load_1min_before"]
        shown += [{"figure": name, "value": _text(value)} for name, value in values.items()]
    return _table(shown)


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {one}" for name, one in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _table(lines: list[dict[str, Any]]) -> str:
    return str(pd.DataFrame(lines).to_markdown(index=False)) if lines else "Not measured yet."


def _machines(rows: list[dict[str, Any]]) -> str:
    named = {json.dumps([row["machine"], row["versions"]], sort_keys=True) for row in rows}
    lines = []
    for text in sorted(named):
        machine, versions = json.loads(text)
        cpu = machine["cpu"].get("model name", "unknown processor")
        packages = ", ".join(f"{name} {version}" for name, version in versions.items())
        lines.append(f"- {cpu}, {machine['cpus']} CPUs, {machine['system']}; {packages}")
    return "\n".join(lines) or "None yet."
